"""Deeds: what the world may do at each turn. Each draws the details of its moves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import HUMAN, MODEL, TOOL, Play

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Makes: TypeAlias = Callable[[Play, Draw], Iterator[Move]]

GOING: Final = (MODEL, TOOL, HUMAN)
TROUBLES: Final = ("tools fail", "the model fails", "the model is wrong", "humans are slow", "processes end")
_MODULES: Final = ("deciding", "answering")


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that the world does at the turns in `whose`.

    `trouble` is the sort of trouble that it belongs to; a story brings some of them, so that they do not always
    hide each other. `weight` is how much oftener it is drawn than a rare one.
    """

    makes: Makes
    whose: tuple[str, ...]
    trouble: str | None
    weight: int
    fits: Callable[[Play], bool]


DEEDS: Final[list[Deed]] = []  # in this order they shrink: the first is the simplest


def deed(
    *whose: str,
    trouble: str | None = None,
    weight: int = 1,
    fits: Callable[[Play], bool] = lambda play: True,
) -> Callable[[Makes], Makes]:
    """Register what the world may do."""

    def register(makes: Makes) -> Makes:
        DEEDS.append(Deed(makes, whose, trouble, weight, fits))
        return makes

    return register


def load() -> list[Deed]:
    """All deeds."""
    for name in _MODULES:
        import_module(f"agentcheck.fuzz.{name}")
    return DEEDS


def possible(play: Play, troubles: frozenset[str]) -> list[Deed]:
    """What the world may do now, each as often as it weighs; other trouble only where nothing else is left."""
    turn = play.waits_for
    able = [one for one in load() if turn in one.whose and one.fits(play)]
    wanted = [one for one in able if one.trouble is None or one.trouble in troubles]
    return [one for one in wanted or able for _ in range(one.weight)]
