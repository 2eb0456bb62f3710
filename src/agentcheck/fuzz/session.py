"""A fuzz session: stories drawn, played and judged, and what was found shrunk to the shortest one."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.errors import Flaky, FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from agentcheck.arguments import Schema
from agentcheck.fuzz.laws import Break, Judge, Tale, load
from agentcheck.fuzz.machine import Broken, WorldMachine
from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import CannotMove, Play
from agentcheck.fuzz.reducers import Pair, ReducerPlay
from agentcheck.lab import Lab
from agentcheck.plan import Plan, Run

EXAMPLES: Final = 200
STEPS: Final = {"R": 25, "C": 15, "H": 15}
MOST_FINDINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A law that a story breaks: the shortest one that was found."""

    kind: str
    check: str
    message: str
    moves: tuple[Move, ...]
    trace: str = ""  # where it was written


@dataclass
class Fuzzed:
    """What a session found: broken laws, how often each law had something to bite on, which moves were made."""

    kind: str
    examples: int = 0
    steps: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    bitten: Counter[str] = field(default_factory=Counter)
    made: Counter[tuple[str, str]] = field(default_factory=Counter)  # move × whose turn it was


class Fuzz:
    """Plays stories on one target, judged as one kind."""

    def __init__(self, lab: Lab, kind: str, *, keep: Callable[[Failure], bool] = lambda failure: True):
        lab.begin(kind)
        lab.happy()
        self.lab = lab
        self.kind = kind
        self.found = Fuzzed(kind)
        self.laws = [one for one in load() if kind in one.kinds]
        self._schemas: dict[str, Schema] = {}
        self._pair: Pair | None = None
        self._judges: dict[int, Judge] = {}
        self._settled: set[str] = set()  # checks that need no further story
        self._count = 0

    # --- one story --------------------------------------------------------------------------------

    def play(self) -> Play:
        """A new story, nothing played yet."""
        self._count += 1
        run = Run(None, f"fuzz-{self.kind}{self._count:05}", Plan())
        play = self._new(run)
        laws = [one for one in self.laws if one.check not in self._settled]
        self._judges = {id(play): Judge(Tale(self.lab, run, self._schemas), laws, self.found.bitten)}
        return play

    def _new(self, run: Run) -> Play:
        if self.kind == "R":
            self._pair = self._pair or Pair(self.lab)
            return ReducerPlay(self.lab, run, self._pair)
        from agentcheck.fuzz.processes import ProcessPlay

        return ProcessPlay(self.lab, run, self.kind)

    def look(self, play: Play) -> None:
        """Judge what the last move did. Raises Broken."""
        self.found.steps += 1
        self.found.made[play.moves[-1].do, self.kind] += 1
        broken = self._judges[id(play)].look()
        if broken:
            raise Broken(broken[0], play)

    def replay(self, moves: Sequence[Move]) -> tuple[Break | None, Run]:
        """Play a story again, without Hypothesis: the first law that it breaks, and its trace."""
        play = self.play()
        try:
            for move in moves:
                play.make(move)
                broken = self._judges[id(play)].look()
                if broken:
                    return broken[0], play.trace
            return None, play.trace
        finally:
            play.close()

    def fresh(self) -> None:
        """Let what earlier stories left in the agent's processes be gone."""
        if self._pair is not None:
            self._pair.close()
            self._pair = None

    def close(self) -> None:
        self.fresh()

    # --- many -------------------------------------------------------------------------------------

    def run(self, examples: int = EXAMPLES, *, until: Collection[str] = ()) -> Fuzzed:
        """Play stories until so many were played, and shrink each first one that breaks a law.

        `until` names checks of which one broken law is enough.
        """
        started = time.monotonic()
        while self.found.examples < examples and len(self.found.failures) < MOST_FINDINGS:
            if any(failure.check in until for failure in self.found.failures):
                break
            failure = self._search(examples - self.found.examples)
            if failure is None:
                break
            self.found.failures.append(failure)
            self._settled.add(failure.check)
        self.found.seconds += time.monotonic() - started
        return self.found

    def _search(self, examples: int) -> Failure | None:
        counting = Counting(self)
        machine = type("Machine", (WorldMachine,), {"stage": counting})
        try:
            run_state_machine_as_test(machine, settings=_settings(examples, STEPS[self.kind]))
        except (Broken, Flaky, FlakyFailure):
            return self._told(counting.last)
        return None

    def _told(self, broken: Broken) -> Failure:
        return Failure(self.kind, broken.broken.check, broken.broken.message, tuple(broken.play.moves))


class Counting:
    """Makes plays for the machine and looks at each move; counts the stories that are drawn, not those of shrinking."""

    last: Broken

    def __init__(self, fuzz: Fuzz):
        self.fuzz = fuzz
        self.shrinking = False

    def started(self) -> Play:
        self.fuzz.found.examples += not self.shrinking
        return self.fuzz.play()

    def after(self, play: Play) -> None:
        try:
            self.fuzz.look(play)
        except Broken as broken:
            self.shrinking, self.last = True, broken
            raise


def _settings(examples: int, steps: int) -> Any:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


__all__ = ["EXAMPLES", "CannotMove", "Failure", "Fuzz", "Fuzzed"]
