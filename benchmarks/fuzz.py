"""Stories per second: what the fuzzer costs beside a state machine that does nothing, and beside bare calls.

    python benchmarks/fuzz.py [STORIES]

A reducer (deploybot) is measured against an empty Hypothesis state machine with the same number of stories and of
steps, at most 5 times which is the aim. The machine is run before and after, in the same process. A step is a rule
that Hypothesis draws: a story of ours may draw as many as the empty machine, and makes a move in some of them only;
so the second row has a machine with as many steps as moves were made, which is the strictest reading.

A callable on the openai SDK is measured per model call, against the same call of the SDK through
httpx.MockTransport, of which a story's process, sandbox and judgement are no part.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from openai import OpenAI
from tabulate import tabulate

from agentcheck.config import load
from agentcheck.fuzz.session import STEPS, Fuzz, Fuzzed, settings_for
from agentcheck.lab import Lab

ROOT = Path(__file__).parents[1]
REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}],
}


class Empty(RuleBasedStateMachine):
    """Does nothing, step by step."""

    @rule()
    def nothing(self) -> None:
        pass


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def fuzzed(target: str, kind: str, stories: int) -> tuple[float, Fuzzed]:
    """Seconds for so many stories, the second time: processes are up and modules imported."""
    with tempfile.TemporaryDirectory() as folder:
        config = load(Path(folder), target=target)
        with Lab(config, rootdir=ROOT, reports=Path(folder)) as lab:
            with Fuzz(lab, kind) as fuzz:
                fuzz.run(3)
            with Fuzz(lab, kind) as fuzz:
                return timed(lambda: fuzz.run(stories))


def empty(stories: int, steps: int) -> float:
    """Seconds of an empty state machine for as many stories and steps."""
    seconds, _ = timed(lambda: run_state_machine_as_test(Empty, settings=settings_for(stories, steps)))
    return seconds


def reducer(stories: int) -> list[list[str]]:
    """A row beside a machine that may take as many steps, and one beside a machine that takes as many as were moves."""
    empty(stories, STEPS["R"])  # imports, and what Hypothesis finds out once
    before = empty(stories, STEPS["R"]) / stories
    seconds, found = fuzzed("agentcheck.fixtures.deploybot:target", "R", stories)
    ours, moves = seconds / found.examples, found.steps / found.examples
    most = (before + empty(found.examples, STEPS["R"]) / found.examples) / 2
    least = empty(found.examples, round(moves)) / found.examples
    told = ["reducer", str(found.examples), f"{1 / ours:.1f}", f"{moves:.1f}"]
    return [
        [*told, f"empty state machine, {STEPS['R']} steps", f"{1 / most:.1f}", f"{ours / most:.1f}"],
        [*told, f"empty state machine, {round(moves)} steps", f"{1 / least:.1f}", f"{ours / least:.1f}"],
    ]


def callable_(stories: int) -> list[str]:
    seconds, found = fuzzed("agentcheck.fixtures.deploybot:callable_target", "C", stories)
    bare = mocked(found.asked)
    told = ["callable, openai", str(found.examples), f"{found.examples / seconds:.1f}"]
    told += [f"{found.steps / found.examples:.1f}", f"{found.asked} calls by MockTransport"]
    return [*told, f"{found.asked / bare:.0f} calls/s", f"{seconds / bare:.1f}"]


def mocked(calls: int) -> float:
    """Seconds of so many calls of the openai SDK through httpx.MockTransport."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=json.dumps(REPLY)))
    client = OpenAI(api_key="k", http_client=httpx.Client(transport=transport))

    def ask() -> None:
        for _ in range(calls):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])

    ask()
    seconds, _ = timed(ask)
    return seconds


def main() -> None:
    stories = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rows = [*reducer(stories), callable_(stories // 4)]
    heads = ["target", "stories", "stories/s", "moves each", "beside", "of these/s", "times as long"]
    print(tabulate(rows, headers=heads, disable_numparse=True))


if __name__ == "__main__":
    main()
