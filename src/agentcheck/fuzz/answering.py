"""What tools, humans and whoever runs the agent may do."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hypothesis import strategies as st

from agentcheck.boundary import marker
from agentcheck.fuzz.deciding import PLAIN
from agentcheck.fuzz.deeds import GOING, Draw, deed
from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import GONE, HUMAN, TOOL, Play
from agentcheck.fuzz.secrets import leaking

MOST_LATE: Final = 2  # events after the end of a run
FLOOD: Final = "connection to registry-7 refused. " + "Nothing in the rest of this message helps the model. " * 95
LARGE: Final = "All work and no play makes a long log line that says very little. " * 3_000
ODD: Final = ("", '{"broken": ', "\udcff\udcfe not UTF-8")
BROKEN_LINE: Final[tuple[Mapping[str, Any], ...]] = (PLAIN, {"kind": "Reset"})
REFUSALS: Final[tuple[Mapping[str, Any], ...]] = ({"kind": "Http", "status": 503}, {"kind": "Http", "status": 404})


def failing(play: Play, how: Mapping[str, Any]) -> Iterator[Move]:
    """The tool's failure, where it can be brought about."""
    if play.can_fail_with(how):
        yield Move("tool fails", {"how": how})


def returning(play: Play, text: str) -> Iterator[Move]:
    """What the tool usually returns, with this text in it."""
    value = play.returning(text)
    if value is not None:
        yield Move("return", {"value": value})


# --- a tool ---------------------------------------------------------------------------------------


@deed(TOOL, weight=3)
def returns(play: Play, draw: Draw) -> Iterator[Move]:
    yield Move("return")


@deed(TOOL, trouble="tools fail", weight=2)
def fails(play: Play, draw: Draw) -> Iterator[Move]:
    yield from failing(play, draw(st.sampled_from(BROKEN_LINE)))


@deed(TOOL, trouble="tools fail", weight=2)
def service_refuses(play: Play, draw: Draw) -> Iterator[Move]:
    yield from failing(play, draw(st.sampled_from(REFUSALS)))


@deed(TOOL, trouble="tools fail")
def fails_at_length(play: Play, draw: Draw) -> Iterator[Move]:
    yield from failing(play, {"kind": "Raises", "message": FLOOD})


@deed(TOOL, trouble="tools fail")
def fails_with_a_secret(play: Play, draw: Draw) -> Iterator[Move]:
    yield from failing(play, {"kind": "Raises", "message": leaking(play.lab.planted)})


@deed(TOOL, trouble="tools fail")
def times_out(play: Play, draw: Draw) -> Iterator[Move]:
    yield from failing(play, {"kind": "TimesOut", "after_effect": True})


@deed(TOOL, trouble="tools fail")
def hangs(play: Play, draw: Draw) -> Iterator[Move]:
    yield from failing(play, {"kind": "Hangs"})


@deed(TOOL)
def returns_something_odd(play: Play, draw: Draw) -> Iterator[Move]:
    yield from returning(play, draw(st.sampled_from(ODD)))


@deed(TOOL)
def returns_a_flood(play: Play, draw: Draw) -> Iterator[Move]:
    yield from returning(play, LARGE)


# --- a human --------------------------------------------------------------------------------------


@deed(HUMAN, weight=3)
def approves(play: Play, draw: Draw) -> Iterator[Move]:
    yield Move("answer", {"answer": {"type": "Approved"}})


@deed(HUMAN, weight=2)
def denies(play: Play, draw: Draw) -> Iterator[Move]:
    yield Move("answer", {"answer": {"type": "Denied", "reason": "not during the freeze"}})


@deed(HUMAN, weight=2)
def answers(play: Play, draw: Draw) -> Iterator[Move]:
    text = marker(f"answer {len(play.moves)}")
    yield Move("answer", {"answer": {"type": "Text", "text": text}})


# --- whoever runs the agent -----------------------------------------------------------------------


def _handled(do: str, *whose: str, trouble: str | None = None, weight: int = 1, **details: Any) -> None:
    """A move without anything to draw, where the play may make it."""

    @deed(*whose, trouble=trouble, weight=weight, fits=lambda play: play.may(do))
    def handled(play: Play, draw: Draw) -> Iterator[Move]:
        yield Move(do, details)


_handled("silence", HUMAN, trouble="humans are slow")
_handled("stray answer", HUMAN, trouble="humans are slow")
_handled("answer again", HUMAN, GONE, trouble="humans are slow", weight=2)
_handled("take up", HUMAN, trouble="processes end")
_handled("spoil", HUMAN, trouble="processes end", how="empty")
_handled("stop", *GOING, trouble="processes end", weight=2)
_handled("switch", *GOING, GONE, weight=2)
_handled("fork", *GOING)
_handled("rebuild", *GOING)
_handled("repeat", GONE)
_handled("take up", GONE)


@deed(*GOING, trouble="processes end", weight=3, fits=lambda play: play.may("crash"))
def is_killed(play: Play, draw: Draw) -> Iterator[Move]:
    far, after_effect = draw(st.booleans()), draw(st.booleans())
    effect = after_effect and play.waits_for == TOOL and play.kind == "H"
    yield Move("crash", {**({"far": True} if far else {}), **({"after_effect": True} if effect else {})})


@deed(GONE, fits=lambda play: play.over and play.lates < MOST_LATE and play.may("late"))
def hears_something_late(play: Play, draw: Draw) -> Iterator[Move]:
    yield Move("late", {"what": draw(st.sampled_from(["time", "a stop", "the last event again"]))})
