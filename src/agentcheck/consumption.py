"""The same answer delivered again: one delivery after the other, and to several processes at once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from agentcheck.finding import NotReached
from agentcheck.lab import ELSEWHERE, HERE, Lab, Run
from agentcheck.meeting import Meeting
from agentcheck.pauses import answers, parked, taken_up
from agentcheck.recovery import effects
from agentcheck.reducer import Answer

Doings: TypeAlias = Counter[Any]
MOST_WRITES: Final = 3  # before each of which a process is overtaken by all others, in runs of their own
OTHERS: Final = 2  # who come while the first is held: the second may undo what keeps the third away


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was done after several deliveries of one answer, beside what is done after one."""

    how: str
    once: Doings
    again: Doings
    run: Run

    @property
    def too_much(self) -> list[str]:
        """What was done more often than after one delivery."""
        return [str(doing[0]) for doing in self.again - self.once]

    @property
    def too_little(self) -> list[str]:
        return [str(doing[0]) for doing in self.once - self.again]


def deliveries(lab: Lab) -> Iterator[Delivered]:
    """The answers that a parked run waits for, delivered twice in turn, and to several processes at once."""
    waiting = parked(lab)
    given = answers(lab, waiting)
    once = doings(lab, taken_up(lab, waiting))
    if not once.total():
        raise NotReached("the answer led to no effect, and to no question to the model", trace=waiting)
    yield _in_turn(lab, waiting, given, once)
    for nth in range(1, MOST_WRITES + 1):
        meeting = Meeting(at=nth)
        yield _at_once(lab, waiting, given, once, meeting)
        if not meeting.met:
            return


def _in_turn(lab: Lab, waiting: Run, given: Mapping[str, Answer], once: Doings) -> Delivered:
    store = lab.copied_store(waiting)
    first = lab.resume(waiting, answers=given, store=store)
    second = lab.resume(first, answers=given, store=store, on=HERE)
    return Delivered("twice, one after the other", once, doings(lab, first, second), second)


def _at_once(lab: Lab, waiting: Run, given: Mapping[str, Answer], once: Doings, meeting: Meeting) -> Delivered:
    store = lab.copied_store(waiting)

    def first() -> list[Run]:
        try:
            return [lab.resume(waiting, answers=given, store=store, on=HERE, meeting=meeting.first)]
        finally:
            meeting.first.leave()

    def others() -> list[Run]:
        meeting.until_held()
        try:
            resumed = partial(lab.resume, waiting, answers=given, store=store, on=ELSEWHERE, meeting=meeting.other)
            return [resumed() for _ in range(OTHERS)]
        finally:
            meeting.all_gone()

    runs = [run for share in lab.at_once(first, others) for run in share]
    done = doings(lab, *runs)
    if once - done:  # all gave way to another, which is safe as long as the answer can be given again
        runs.append(lab.resume(waiting, answers=given, store=store, on=HERE))
        done = doings(lab, *runs)
    return Delivered(f"to {OTHERS + 1} processes at once", once, done, runs[-1])


def doings(lab: Lab, *runs: Run) -> Doings:
    """The effects of resumed runs; of runs without any, the questions to the model."""
    done: Doings = Counter()
    for run in runs:
        done += effects(run)
    if not done:
        done[("a model request", "")] = sum(len(run.requests()) for run in runs)
    return done
