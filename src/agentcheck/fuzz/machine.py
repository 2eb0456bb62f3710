"""The Hypothesis state machine that plays the world: at each step one of the deeds that are possible there."""

from contextlib import suppress
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agentcheck.fuzz.deeds import TROUBLES, possible
from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import CannotMove, Play, begin


class Broken(AssertionError):
    """A law is broken."""


class _Kinds(dict[str, type[Broken]]):
    """An exception for each check, so that Hypothesis shrinks to a story that breaks the same law."""

    def __missing__(self, check: str) -> type[Broken]:
        self[check] = type("Broken", (Broken,), {"check": check})
        return self[check]


BROKEN: Final = _Kinds()


class WorldMachine(RuleBasedStateMachine):
    """One story. `stage.started()` makes its play, `stage.after(play)` is told of each move.

    It is one rule for all deeds, since Hypothesis switches rules off by chance: where all that fit a turn are off, a
    story is thrown away. What is switched off here by chance are sorts of trouble.
    """

    stage: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.play: Play = self.stage.started()
        self.troubles: frozenset[str] | None = None

    def make(self, move: Move) -> None:
        with suppress(CannotMove):
            self.play.make(move)
            self.stage.after(self.play)

    def teardown(self) -> None:
        self.stage.ended(self.play)

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.troubles = frozenset(trouble for trouble in TROUBLES if data.draw(st.booleans()))
        two = self.play.may("two sessions") and data.draw(st.sampled_from([False, False, True]))
        watch = {"watch": True} if self.play.kind == "R" and data.draw(st.sampled_from([False] * 7 + [True])) else {}
        self.make(begin(2 if two else 1, **watch))

    @precondition(lambda self: self.troubles is not None)
    @rule(data=st.data())
    def goes_on(self, data: st.DataObject) -> None:
        able = possible(self.play, self.troubles or frozenset())
        if able:
            for move in data.draw(st.sampled_from(able)).makes(self.play, data.draw):
                self.make(move)
