"""Every point of a host's run at which its process can die, and the choice among them.

The points are those of one uninterrupted run: before each model request and after its reply, before
and after each effect, before each write to the store and, where a file is written in place, in the
midst of it. Each is taken up again on the same machine and on another one.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agentcheck.lab import FAR, HERE, Lab, Machine, Run, Stop
from agentcheck.pauses import crossings
from agentcheck.tearing import EMPTIED, TORN, in_place
from agentcheck.trace import Event

SAMPLE: Final = 24
SEED: Final = 12  # of the sample; points at a tool's effect belong to every sample


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """Where the process is killed, and on which machine the run is taken up again."""

    stop: Stop
    resume_on: Machine
    telling: bool  # at a tool's effect


def every(lab: Lab) -> list[CrashPoint]:
    """All crash points of the happy run, in the order in which they come."""
    watched = lab.run(saves=True)
    stops = [*_at_crossings(lab, lab.happy()), *_at_saves(watched)]
    return [CrashPoint(stop, machine, telling) for stop, telling in stops for machine in (HERE, FAR)]


def chosen(lab: Lab) -> list[CrashPoint]:
    """All of them, or the sample that the configuration asks for."""
    points = every(lab)
    if lab.crash_points == "all" or len(points) <= SAMPLE:
        return points
    telling = [p for n, p in enumerate(points) if p.telling and (n + n // 2) % 2 == 0]  # on one machine, in turn
    others = [p for p in points if not p.telling]
    drawn = random.Random(SEED).sample(others, max(0, min(len(others), SAMPLE - len(telling))))
    return [p for p in points if p in telling or p in drawn]


def described(lab: Lab) -> str:
    """How many of the crash points were tried, and what the other machine did not vary, for the report."""
    tried, whole = len(chosen(lab)), len(every(lab))
    which = "all" if tried == whole else f"a sample (seed {SEED}; all: --agentcheck-crash-points=all)"
    named = any(run.first("probe", name="host_name_kept") for run in lab.runs())
    kept = ["the clock", "the user", *(["the host name"] if named else [])]
    return f"killed at {tried} of {whole} crash points, {which}; not varied: {', '.join(kept)}"


def _at_crossings(lab: Lab, run: Run) -> Iterator[tuple[Stop, bool]]:
    for nth, crossing in enumerate(crossings(lab, run), 1):
        effect = crossing.type == "tool_called"
        yield Stop(nth, "before"), effect
        if effect or _replied(run, crossing):
            yield Stop(nth, "after"), effect


def _replied(run: Run, asked: Event) -> bool:
    return run.first("model_reply", after=asked, session=asked.session, n=asked["n"]) is not None


def _at_saves(run: Run) -> Iterator[tuple[Stop, bool]]:
    for nth, saving in enumerate(run.of("probe", name="saving"), 1):
        yield Stop(nth, "save"), False
        if in_place(saving["value"]):
            if saving["value"]["fresh"]:
                yield Stop(nth, EMPTIED), False
            yield Stop(nth, TORN), False
