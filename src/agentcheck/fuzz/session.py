"""A fuzz session: stories drawn, played and judged, and what was found shrunk to the shortest one."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.errors import Flaky, FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from agentcheck.arguments import Schema
from agentcheck.fuzz.laws import Break, Judge, Tale, load
from agentcheck.fuzz.machine import BROKEN, Broken, WorldMachine
from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import CannotMove, Play
from agentcheck.fuzz.processes import ProcessPlay
from agentcheck.fuzz.reducers import Pair, ReducerPlay
from agentcheck.lab import Lab
from agentcheck.plan import Plan, Run

STEPS: Final = {"R": 25, "C": 15, "H": 15}  # moves of one story
MOST_FINDINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A law that a story breaks: the shortest one that was found."""

    kind: str
    check: str
    message: str
    moves: tuple[Move, ...]


@dataclass
class Fuzzed:
    """What a session found: broken laws, how often each law had something to bite on, what the world did."""

    kind: str
    laws: list[str] = field(default_factory=list)  # the checks that have one for this kind
    examples: int = 0
    steps: int = 0
    asked: int = 0  # model requests
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    bitten: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)  # what the world did → how often
    reached: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # … → the laws that bit


@dataclass
class Fuzz:
    """Plays stories on one target, judged as one kind.

    `careful` gives each story processes of its own, so that nothing can be left of an earlier one.
    """

    lab: Lab
    kind: str
    careful: bool = False
    told: Callable[[str], None] = lambda text: None  # hears how far it has come

    def __post_init__(self) -> None:
        self.lab.begin(self.kind)
        self.lab.happy()
        self.laws = [one for one in load() if self.kind in one.kinds]
        self.found = Fuzzed(self.kind, list(dict.fromkeys(one.check for one in self.laws)))
        self._schemas: dict[str, Schema] = {}
        self._pair: Pair | None = None
        self.settled: set[str] = set()  # checks that need no further story
        self._count = 0

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
        self._pair = self._pair or Pair(self.lab)
        return ReducerPlay(self.lab, run, self._pair)

    def replay(self, moves: Sequence[Move], path: Path | None = None) -> tuple[Break | None, int]:
        """Play a story again in fresh processes: the first law that it breaks, and how many moves could not be made."""
        self.fresh()
        play, judge = self.play(path)
        skipped = 0
        try:
            for move in moves:
                try:
                    play.make(move)
                except CannotMove:
                    skipped += 1
                broken = judge.look()
                if broken:
                    return broken[0], skipped
            return None, skipped
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
            fresh = self._search(examples - self.found.examples)
            if not fresh:
                break
            for failure in fresh:
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
        machine = type("Machine", (WorldMachine,), {"stage": watching})
        with suppress(Broken, Flaky, FlakyFailure, ExceptionGroup):
            run_state_machine_as_test(machine, settings=settings_for(examples, STEPS[self.kind]))
        found = [self._verified(moves, broken) for moves, broken in watching.shortest.values()]
        if None in found and not self.careful:  # it takes what earlier stories left behind
            self.careful = True
            return self._search(max(1, examples - watching.examples))
        return [failure for failure in found if failure is not None]

    def _verified(self, moves: tuple[Move, ...], broken: Break) -> Failure | None:
        """The story as a failure, where fresh processes show it, too."""
        again, _ = self.replay(moves)
        if again is None and not self.careful:
            return None
        if again is None:
            return Failure(self.kind, broken.check, f"{broken.message} (once, and not when it was played again)", moves)
        return Failure(self.kind, again.check, again.message, moves)


class Watching:
    """Makes plays for the machine and judges each move; counts the stories that are drawn, not those of shrinking."""

    def __init__(self, fuzz: Fuzz):
        self.fuzz = fuzz
        self.examples = 0
        self.shortest: dict[str, tuple[tuple[Move, ...], Break]] = {}  # check → the shortest story that breaks its law
        self._judge: Judge | None = None

    def started(self) -> Play:
        if not self.shortest:
            self.examples += 1
            self.fuzz.found.examples += 1
            self.fuzz.told(f"{self.fuzz.found.examples} stories played")
        play, self._judge = self.fuzz.play(settled=self.fuzz.settled)
        return play

    def after(self, play: Play) -> None:
        """Raises Broken."""
        assert self._judge is not None, "a play is judged from its start"
        broken = self._judge.look()
        if broken:
            self._count(play)
            self._note(tuple(play.moves), broken[0])
            raise BROKEN[broken[0].check](f"{broken[0].check}: {broken[0].message}")

    def _note(self, moves: tuple[Move, ...], broken: Break) -> None:
        known = self.shortest.get(broken.check)
        if known is None or _length(moves) <= _length(known[0]):
            self.shortest[broken.check] = moves, broken

    def ended(self, play: Play) -> None:
        self._count(play)
        play.close()

    def _count(self, play: Play) -> None:
        if self.shortest or self._judge is None:
            return
        found, judge = self.fuzz.found, self._judge
        done = [_label(move) for move in play.moves]
        found.steps += len(done)
        found.asked += len(play.trace.requests())
        found.made.update(done)
        found.bitten.update(judge.bitten)
        for what in set(done):
            found.reached[what].update(judge.bitten)
        self._judge = None


def _length(moves: tuple[Move, ...]) -> tuple[int, int]:
    return len(moves), len(str([move.to_data() for move in moves]))


def _label(move: Move) -> str:
    how = move.get("how")
    kind = f"{how['kind']}{how.get('status', '')}" if isinstance(how, dict) and "kind" in how else how
    return f"{move.do}: {kind}" if kind and move.do in ("model fails", "tool fails", "spoil") else move.do


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
