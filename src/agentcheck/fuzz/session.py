"""A fuzz session: stories drawn, played and judged, and what was found shrunk to the shortest one."""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.errors import Flaky, FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from agentcheck.arguments import Schema
from agentcheck.fuzz.laws import Break, Judge, Tale, load
from agentcheck.fuzz.machine import BROKEN, Broken, WorldMachine
from agentcheck.fuzz.moves import Move, Moves
from agentcheck.fuzz.play import CannotMove, Play
from agentcheck.fuzz.processes import ProcessPlay
from agentcheck.fuzz.reach import Reach
from agentcheck.fuzz.reducers import Pair, ReducerPlay
from agentcheck.fuzz.shorten import shortened
from agentcheck.lab import Lab
from agentcheck.plan import Plan, Run

STEPS: Final = {"R": 25, "C": 15, "H": 15}  # moves of one story
MOST_FINDINGS: Final = 20
ROUND: Final = 10  # stories that are drawn anew; after so many, Hypothesis draws five changed copies of each
SHRINK_SECONDS: Final = 60.0  # in which a story is made shorter, each way
SHRINKS: Final = 100  # stories that Hypothesis plays to shrink one; the rest is done by its moves, in fewer
_ROUNDS: Final = 2**32  # of one seed


@dataclass(frozen=True, slots=True)
class Failure:
    """A law that a story breaks: the shortest one that was found."""

    kind: str
    check: str
    message: str
    moves: Moves


@dataclass
class Fuzzed:
    """What a session found: broken laws, how often each law had something to bite on, what the world did."""

    kind: str
    laws: list[str] = field(default_factory=list)  # the checks that have one for this kind
    seed: int = 0
    examples: int = 0
    steps: int = 0
    asked: int = 0  # model requests
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    bitten: Counter[str] = field(default_factory=Counter)
    reach: Reach = field(default_factory=Reach)


@dataclass
class Fuzz:
    """Plays stories on one target, judged as one kind.

    `careful` gives each story processes of its own, so that nothing can be left of an earlier one.
    """

    lab: Lab
    kind: str
    careful: bool = False
    seed: int = 0  # other stories for each
    told: Callable[[str], None] = lambda text: None  # hears how far it has come

    def __post_init__(self) -> None:
        self.lab.begin(self.kind)
        self.lab.happy()
        self.laws = [one for one in load() if self.kind in one.kinds]
        self.found = Fuzzed(self.kind, list(dict.fromkeys(one.check for one in self.laws)), self.seed)
        self._schemas: dict[str, Schema] = {}
        self._pair: Pair | None = None
        self.settled: set[str] = set()  # checks that need no further story
        self._count = self._rounds = 0

    def __enter__(self) -> "Fuzz":
        return self

    def __exit__(self, *exc: object) -> None:
        self.fresh()

    # --- one story --------------------------------------------------------------------------------

    def play(self, path: Path | None = None, *, settled: Collection[str] = ()) -> tuple[Play, Judge]:
        """A new story, nothing played yet, and who judges it, the laws of settled checks left out.

        `path` is where its trace goes.
        """
        self._count += 1
        if self.careful:
            self.fresh()
        run = Run(path, f"fuzz-{self.kind}{self._count:05}", Plan())
        laws = [one for one in self.laws if one.check not in settled]
        play, judge = self._new(run), Judge(Tale(self.lab, run, self._schemas), laws)
        play.meanwhile(judge.look_ahead)
        return play, judge

    def _new(self, run: Run) -> Play:
        if self.kind != "R":
            return ProcessPlay(self.lab, run, self.kind)
        if self._pair is not None and self._pair.lost:
            self.fresh()
        self._pair = self._pair or Pair(self.lab)
        return ReducerPlay(self.lab, run, self._pair)

    def replay(self, moves: Sequence[Move], path: Path | None = None) -> tuple[Break | None, int]:
        """Play a story again in fresh processes: the first law that it breaks, and how many moves could not be made."""
        self.fresh()
        play, judge = self.play(path)
        broken, _, skipped = self._told_again(moves, play, judge)
        return broken, skipped

    def _again(self, moves: Sequence[Move]) -> tuple[Break | None, Moves]:
        """The first law that a story breaks of those that are not settled, and the moves that were made until then."""
        broken, made, _ = self._told_again(moves, *self.play(settled=self.settled))
        return broken, made

    def _told_again(self, moves: Sequence[Move], play: Play, judge: Judge) -> tuple[Break | None, Moves, int]:
        skipped = 0
        try:
            for move in moves:
                try:
                    play.make(move)
                except CannotMove:
                    skipped += 1
                broken = judge.look()
                if broken:
                    return broken[0], tuple(play.moves), skipped
            return None, tuple(play.moves), skipped
        finally:
            play.close()
            play.trace.close()

    def fresh(self) -> None:
        """Let what earlier stories left in the agent's processes be gone."""
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.close()

    # --- many -------------------------------------------------------------------------------------

    def run(self, examples: int, *, until: Collection[str] = ()) -> Fuzzed:
        """Play stories until so many were played, and shrink each first one that breaks a law.

        `until` names checks of which one broken law is enough.
        """
        started = time.monotonic()
        while self.found.examples < examples and len(self.found.failures) < MOST_FINDINGS:
            if any(failure.check in until for failure in self.found.failures):
                break
            for failure in self._search(min(ROUND, examples - self.found.examples)):
                if failure.check not in self.settled:
                    self.found.failures.append(failure)
                    self.settled.add(failure.check)
        self.found.seconds += time.monotonic() - started
        return self.found

    def settle(self, check: str) -> None:
        """Look for no further story that breaks the law of this check."""
        self.settled.add(check)

    def _search(self, examples: int) -> list[Failure]:
        watching = Watching(self)
        machine = seed(self.seed * _ROUNDS + self._rounds)(type("Machine", (WorldMachine,), {"stage": watching}))
        self._rounds += 1
        with suppress(Broken, Enough, Flaky, FlakyFailure, ExceptionGroup):
            run_state_machine_as_test(machine, settings=settings_for(examples, STEPS[self.kind]))
        found = [self._verified(moves, broken) for moves, broken in watching.shortest.values()]
        if None in found and not self.careful:  # it takes what earlier stories left behind
            self.careful = True
            return self._search(max(1, examples - watching.examples))
        return [failure for failure in found if failure is not None]

    def _verified(self, moves: Moves, broken: Break) -> Failure | None:
        """The story as a failure, where fresh processes show it, too."""
        self.fresh()
        again, _ = self._again(moves)
        if again is None and not self.careful:
            return None
        if again is None:
            return Failure(self.kind, broken.check, f"{broken.message} (once, and not when it was played again)", moves)
        shorter = self._shortened(moves, again.check)
        self.fresh()
        last, _ = self._again(shorter)
        if last is None or last.check != again.check:
            return Failure(self.kind, again.check, again.message, moves)
        return Failure(self.kind, last.check, last.message, shorter)

    def _shortened(self, moves: Moves, check: str) -> Moves:
        until = time.monotonic() + SHRINK_SECONDS

        def breaks(fewer: Moves) -> Moves | None:
            if time.monotonic() > until:
                return None
            broken, made = self._again(fewer)
            return made if broken is not None and broken.check == check else None

        return shortened(moves, breaks)


class Enough(BaseException):
    """Ends a search; Hypothesis takes an Exception for a failure of the story."""


class Watching:
    """Makes plays for the machine and judges each move; counts the stories that are drawn, not those of shrinking."""

    def __init__(self, fuzz: Fuzz):
        self.fuzz = fuzz
        self.examples = self._shrinks = 0
        self._until = math.inf  # when to be content with the shortest story so far
        self.shortest: dict[str, tuple[Moves, Break]] = {}  # check → the shortest story that breaks its law
        self._judge: Judge | None = None
        self._bites: list[set[str]] = []  # the laws that had something to bite on, after each move
        self._known: Counter[str] = Counter()  # how often, until the last move

    def started(self) -> Play:
        """Raises Enough."""
        self._shrinks += bool(self.shortest)
        if self._shrinks > SHRINKS or time.monotonic() > self._until:
            raise Enough
        if not self.shortest:
            self.examples += 1
            self.fuzz.found.examples += 1
            self.fuzz.told(f"{self.fuzz.found.examples} stories played")
        play, self._judge = self.fuzz.play(settled=self.fuzz.settled)
        self._bites, self._known = [], Counter()
        return play

    def after(self, play: Play) -> None:
        """Raises Broken."""
        assert self._judge is not None, "a play is judged from its start"
        broken, bitten = self._judge.look(), self._judge.bitten
        self._bites.append({check for check, times in bitten.items() if times > self._known[check]})
        self._known = bitten.copy()
        if broken:
            self._count(play)
            self._note(tuple(play.moves), broken[0])
            raise BROKEN[broken[0].check](f"{broken[0].check}: {broken[0].message}")

    def _note(self, moves: Moves, broken: Break) -> None:
        known = self.shortest.get(broken.check)
        if not self.shortest:
            self._until = time.monotonic() + SHRINK_SECONDS
        if known is None or _length(moves) <= _length(known[0]):
            self.shortest[broken.check] = moves, broken
            self.fuzz.told(f"{broken.check} is broken, by a story of {len(moves)} moves so far")

    def ended(self, play: Play) -> None:
        self._count(play)
        play.close()

    def _count(self, play: Play) -> None:
        if self.shortest or self._judge is None:
            return
        found, judge = self.fuzz.found, self._judge
        found.steps += len(play.moves)
        found.asked += len(play.trace.requests())
        found.bitten.update(judge.bitten)
        found.reach.add(play.moves, play.turns, self._bites)
        self._judge = None


def _length(moves: Moves) -> tuple[int, int]:
    return len(moves), len(str([move.to_data() for move in moves]))


def settings_for(examples: int, steps: int) -> Any:
    """How Hypothesis runs a session: the same stories each time, and nothing kept of its own."""
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
