"""What the model may do: good decisions, wrong ones, and failures of its own."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hypothesis import strategies as st

from agentcheck.arguments import Schema
from agentcheck.drawn import values
from agentcheck.fuzz.deeds import Draw, deed
from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import MODEL, Play, calls
from agentcheck.jsonvalues import example_arguments
from agentcheck.messages import ToolSpec

LONG: Final = 12  # model requests: more than an agent that retries four times with an SDK that retries twice
UNKNOWN: Final = "agentcheck_unknown_tool"
PLAIN: Final[Mapping[str, Any]] = {"kind": "Raises", "message": "connection to registry-7 refused"}
OUTAGES: Final[tuple[Mapping[str, Any], ...]] = tuple(
    [{"kind": "Http", "status": s} for s in (500, 429, 529, 400)]
    + [{"kind": k} for k in ("TimesOut", "Reset", "EmptyReply", "Refusal", "UnknownFinish")]
)


def has_tools(play: Play) -> bool:
    return bool(play.tools)


def ordinary(play: Play) -> list[str]:
    """Tools that run without a human; where there are none, all."""
    apart = {*(play.lab.target.human or ()), *(play.lab.target.high_stakes or ())}
    return [t for t in play.tools if t not in apart] or list(play.tools)


def good_call(play: Play, draw: Draw, among: list[str] | None = None) -> dict[str, Any]:
    """A call of a tool with arguments that its schema accepts."""
    name = draw(st.sampled_from(among or list(play.tools)))
    return {"tool": name, "arguments": draw(_arguments(play, play.tools[name]))}


def _arguments(play: Play, spec: ToolSpec) -> st.SearchStrategy[Any]:
    usual = st.just(dict(play.lab.arguments(spec.name)))
    schema = Schema(spec.parameters)
    if not schema.usable:
        return usual
    plain = st.sampled_from(schema.plain() or [{}])
    drawn = play.strategies.setdefault(json.dumps(spec.parameters), values(spec.parameters))
    return st.one_of(usual, plain, drawn.filter(_is_portable))


def _is_portable(arguments: Any) -> bool:
    from agentcheck.arguments import _portable

    return isinstance(arguments, dict) and _portable(arguments)


@deed(MODEL, weight=4, fits=has_tools)
def calls_a_tool(play: Play, draw: Draw) -> Iterator[Move]:
    yield calls(good_call(play, draw, ordinary(play)))


@deed(MODEL, weight=2)
def says_that_it_is_done(play: Play, draw: Draw) -> Iterator[Move]:
    yield Move("finish", {"text": "Everything that was asked for is done."})


@deed(MODEL, weight=3, fits=has_tools)
def calls_a_tool_of_high_stakes(play: Play, draw: Draw) -> Iterator[Move]:
    stakes = [t for t in play.tools if t in (play.lab.target.high_stakes or ())]
    yield calls(good_call(play, draw, stakes or None))


@deed(MODEL, weight=2, fits=lambda play: any(t in play.tools for t in play.lab.target.human or ()))
def asks_a_human(play: Play, draw: Draw) -> Iterator[Move]:
    spec = next(play.tools[t] for t in play.lab.target.human or () if t in play.tools)
    arguments = example_arguments(spec.parameters, text="Which one do you mean?")
    yield calls({"tool": spec.name, "arguments": arguments})


@deed(MODEL, fits=has_tools)
def makes_two_calls_at_once(play: Play, draw: Draw) -> Iterator[Move]:
    yield calls(good_call(play, draw), good_call(play, draw))


@deed(MODEL)
def talks(play: Play, draw: Draw) -> Iterator[Move]:
    if not play.tools:
        yield Move("say", {"text": "Let me think."})
        return
    call = good_call(play, draw)
    written = ", ".join(f"{k}={v!r}" for k, v in call["arguments"].items())
    spoken = f"{call['tool']} {json.dumps(call['arguments'], ensure_ascii=False)}"
    text = f"I have called {call['tool']}({written}) for you.\nAction: {call['tool']}\n{spoken}"
    yield Move("say", {"text": text})


@deed(MODEL, fits=has_tools)
def insists(play: Play, draw: Draw) -> Iterator[Move]:
    human = play.lab.target.human or ()
    among = [t for t in play.tools if t not in human]
    yield Move("keep calling", {"times": play.bound, "calls": [good_call(play, draw, among)]})


@deed(MODEL, trouble="tools fail", fits=has_tools)
def insists_on_what_fails(play: Play, draw: Draw) -> Iterator[Move]:
    limit = play.lab.target.limits.consecutive_failures
    do, times = draw(st.sampled_from([("keep failing", limit + 1), ("fail by turns", 2 * limit + 2)]))
    among = [t for t in play.tools if t not in (play.lab.target.human or ())]
    yield Move(do, {"times": times, "calls": [good_call(play, draw, among)], "how": PLAIN})


@deed(MODEL, trouble="the model is wrong", weight=3, fits=has_tools)
def calls_something_broken(play: Play, draw: Draw) -> Iterator[Move]:
    call = good_call(play, draw)
    yield calls(draw(st.sampled_from(_broken(call, play.tools[call["tool"]]))))


def _broken(call: Mapping[str, Any], spec: ToolSpec) -> list[dict[str, Any]]:
    """Ways to break a call: its name, its text, its schema."""
    text = json.dumps(call["arguments"], ensure_ascii=False)
    several: list[dict[str, Any]] = [{**call, "tool": UNKNOWN}, {**call, "arguments": text[:-1] + ', "'}]
    schema = Schema(spec.parameters)
    ways = schema.broken(call["arguments"]).values() if schema.usable else ()
    return [*several, *({**call, "arguments": arguments} for arguments in ways)]


@deed(MODEL, trouble="the model is wrong", weight=2, fits=has_tools)
def reply_is_cut_off(play: Play, draw: Draw) -> Iterator[Move]:
    call, missing = good_call(play, draw), draw(st.sampled_from([None, 2, 1]))
    yield Move("model fails", {"how": {"kind": "LengthLimit", "missing": missing}, "calls": [call]})


@deed(MODEL, trouble="the model fails", weight=3)
def model_fails(play: Play, draw: Draw) -> Iterator[Move]:
    yield from outage(play, draw, draw(st.sampled_from(OUTAGES)))


@deed(MODEL, trouble="the model fails")
def model_stays_down(play: Play, draw: Draw) -> Iterator[Move]:
    """Until the agent gives up, or does something else."""
    how = draw(st.sampled_from(OUTAGES))
    for _ in range(LONG):
        if play.waits_for == MODEL:
            yield from outage(play, draw, how)


def outage(play: Play, draw: Draw, how: Mapping[str, Any]) -> Iterator[Move]:
    if play.can_fail_with(how):
        decision = [good_call(play, draw)] if play.tools else []
        yield Move("model fails", {"how": how, "calls": decision})
