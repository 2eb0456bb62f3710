"""What a pure function may not do is named with its line, and what it may do is not."""

import pytest
from agents import lab_of

from agentcheck.stage.guard import Guard
from agentcheck.stage.purity import Watch
from agentcheck.stories import Story

HEAD = "import datetime, hashlib, os, random, secrets, time, traceback, uuid\nshared = random.Random(1)\n"
IMPURE = {
    "time.time()": "the clock",
    "time.monotonic()": "the clock",
    "datetime.datetime.now()": "the clock",
    "datetime.date.today()": "the clock",
    "random.random()": "randomness",
    "random.choice('ab')": "randomness",
    "random.seed(1)": "randomness",
    "random.Random().random()": "randomness",
    "random.SystemRandom().choice('ab')": "randomness",
    "shared.choice('ab')": "randomness",
    "shared.random()": "randomness",
    "uuid.uuid4()": "randomness",
    "secrets.token_hex()": "randomness",
    "os.urandom(1)": "randomness",
    "os.environ.get('HOME')": "the environment",
    "'HOME' in os.environ": "the environment",
    "os.getpid()": "the process id",
    "os.path.exists('x')": "a file",
    "os.listdir('.')": "a file",
    "print()": "output",
}
PURE = (
    "random.Random(7).choice('ab')",
    "random.Random('seed').random()",
    "uuid.uuid5(uuid.NAMESPACE_URL, 'x')",
    "uuid.UUID(int=5)",
    "hashlib.sha256(b'x').hexdigest()",
    "datetime.datetime.fromisoformat('2026-01-01')",
    "datetime.datetime(2026, 1, 1).isoformat()",
    "__import__('colorsys')",
    "traceback.format_list([('m.py', 1, 'f', None)])",
)


def seen(folder, expression):
    path = str(folder / "mine.py")
    names: dict[str, object] = {}
    exec(compile(f"{HEAD}def reduce():\n    return {expression}\n", path, "exec"), names)
    guard = Guard()
    guard.project = (str(folder),)
    with Watch(guard) as watch:
        names["reduce"]()
    return watch.seen


@pytest.mark.parametrize("expression", IMPURE)
def test_what_is_impure_is_named_with_its_line(tmp_path, expression):
    first = seen(tmp_path, expression)[0]
    assert first["what"].startswith(IMPURE[expression])
    assert first["where"] == "mine.py:4 in reduce"


@pytest.mark.parametrize("expression", PURE)
def test_what_is_pure_is_left_alone(tmp_path, expression):
    assert seen(tmp_path, expression) == []


REDUCER = """
import os
from dataclasses import dataclass
from agentcheck.messages import Message
from agentcheck.reducer import *


class Agent:
    tools = ()
    def start(self, trigger): return Step({"n": 0}, (CallModel((Message("user", "hello"),)),))
    def reduce(self, state, event):
        try: os.system("true")
        except PermissionError: pass
        return Step({"n": 1}, (Finish("done"),))


@dataclass
class State:
    n: int = 0


class Bare(Agent):
    def start(self, trigger): return Step(State(), super().start(trigger).commands)
    def reduce(self, state, event): return Step(State(1), (Finish("done"),))


class Optional(Bare):
    def reduce(self, state: State | None, event: Event) -> Step[State]: return super().reduce(state, event)
"""


def answers(folder, target):
    """What a reducer answers to its start, and to the first event of its happy run."""
    (folder / "reducers.py").write_text(REDUCER)
    with lab_of(folder, f"reducers:{target}") as lab:
        run = lab.happy()
        with lab.reducer() as remote:
            started = remote.order("start", trigger=None, watch=True)
            reduced = remote.order("reduce", state=started["state"], event=run.events_fed[0], watch=True)
            remote.done()
        return run, reduced


def test_what_is_refused_to_a_reducer_is_no_answer_of_it(tmp_path):
    run, reduced = answers(tmp_path, "Agent")
    assert [e["what"] for e in run.of("refused")] == ["process"]
    assert run.status == "finished"
    assert reduced["impure"][0]["what"].startswith("a process (os.system")


def test_a_state_whose_type_is_not_said_is_named(tmp_path):
    run, reduced = answers(tmp_path, "Bare")
    assert {e["lacks"] for e in run.of("saved")} == {"State"}
    assert reduced["impure"] == []


def test_one_of_several_types_of_state_is_enough(tmp_path):
    run, reduced = answers(tmp_path, "Optional")
    assert reduced["json"] == {"n": 1}
    assert {e["lacks"] for e in run.of("saved")} == {None}


@pytest.mark.parametrize("reference", ["reducers:agent", "reducers:Agent()", "reducers", "reducers:box.agent"])
def test_a_story_is_printed_as_a_program_that_runs(tmp_path, monkeypatch, reference):
    code = (
        "class Agent:\n    def start(self, t): return self\n    state = 1\n    def reduce(self, s, e): return self\n"
        "agent = Agent()\nstart, reduce = agent.start, agent.reduce\nclass box: agent = agent\n"
    )
    (tmp_path / "reducers.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    story = Story("go", events=[{"type": "ModelReplied", "text": "x", "calls": [], "finish": "stop"}])
    exec(story.code(reference), names)
    assert type(names["step"]).__name__ == "Agent"
