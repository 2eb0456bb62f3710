"""The Hypothesis state machine that plays the world: each rule is a move, drawn where it can be made."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agentcheck.arguments import Schema
from agentcheck.boundary import marker
from agentcheck.drawn import values
from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import GONE, HUMAN, MODEL, TOOL, CannotMove, Play, begin, calls
from agentcheck.fuzz.secrets import leaking
from agentcheck.jsonvalues import example_arguments
from agentcheck.messages import ToolSpec

MOST_LATE = 2  # events after the end of a run
UNKNOWN = "agentcheck_unknown_tool"
FLOOD = "connection to registry-7 refused. " + "Nothing in the rest of this message helps the model. " * 95
LARGE = "All work and no play makes a long log line that says very little. " * 3_000
_FAILURES: Final[tuple[Mapping[str, Any], ...]] = (
    {"kind": "Raises", "message": "connection to registry-7 refused"},
    {"kind": "Http", "status": 503},
    {"kind": "TimesOut", "after_effect": True},
    {"kind": "Reset"},
    {"kind": "Raises", "message": FLOOD},
    {"kind": "Http", "status": 404},
)
_ODD = ("", '{"broken": ', "\udcff\udcfe not UTF-8")
_OUTAGES: Final[tuple[Mapping[str, Any], ...]] = tuple(
    [{"kind": "Http", "status": s} for s in (429, 500, 529)]
    + [{"kind": k} for k in ("TimesOut", "Reset", "EmptyReply", "Refusal", "UnknownFinish")]
)


_EVERYWHERE: Final = (
    *("call", "say", "finish", "keep calling", "keep failing", "fail by turns", "return", "answer"),
    *("model fails: LengthLimit", *(f"model fails: {how['kind']}{how.get('status', '')}" for how in _OUTAGES)),
    *("tool fails: Hangs", *dict.fromkeys(f"tool fails: {how['kind']}{how.get('status', '')}" for how in _FAILURES)),
)
DEEDS: Final = {  # what the world can do to each kind of target
    "R": (*_EVERYWHERE, "silence", "stray answer", "crash", "switch", "fork", "rebuild", "late"),
    "C": (*_EVERYWHERE, "repeat"),
    "H": (
        *_EVERYWHERE,
        "silence",
        "answer again",
        "stray answer",
        "take up",
        "crash",
        "stop",
        "spoil: empty",
        "repeat",
    ),
}


class Broken(AssertionError):
    """A law is broken."""


class _Kinds(dict[str, type[Broken]]):
    """An exception for each check, so that Hypothesis shrinks to a story that breaks the same law."""

    def __missing__(self, check: str) -> type[Broken]:
        self[check] = type("Broken", (Broken,), {"check": check})
        return self[check]


BROKEN: Final = _Kinds()


class WorldMachine(RuleBasedStateMachine):
    """One story. `stage.started()` makes its play, `stage.after(play)` is told of each move."""

    stage: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.play: Play = self.stage.started()
        self.begun = False

    def make(self, move: Move) -> None:
        with suppress(CannotMove):
            self.play.make(move)
            self.stage.after(self.play)

    def teardown(self) -> None:
        self.stage.ended(self.play)

    def turn_of(self, whose: str) -> bool:
        return self.begun and self.play.waits_for == whose

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.begun = True
        two = self.play.may("two sessions") and data.draw(st.sampled_from([False, False, True]))
        watch = {"watch": True} if self.play.kind == "R" and data.draw(st.booleans()) else {}
        self.make(begin(2 if two else 1, **watch))

    # --- the model ------------------------------------------------------------------------------

    @precondition(lambda self: self.turn_of(MODEL) and bool(self.play.tools))
    @rule(data=st.data())
    def calls_a_tool(self, data: st.DataObject) -> None:
        self.make(calls(self.good_call(data)))

    @precondition(lambda self: self.turn_of(MODEL) and bool(self.play.tools))
    @rule(data=st.data())
    def calls_a_tool_of_high_stakes(self, data: st.DataObject) -> None:
        stakes = [t for t in self.play.tools if t in (self.play.lab.target.high_stakes or ())]
        self.make(calls(self.good_call(data, stakes or None)))

    @precondition(lambda self: self.turn_of(MODEL) and bool(self.play.tools))
    @rule(data=st.data())
    def calls_something_broken(self, data: st.DataObject) -> None:
        call = self.good_call(data)
        self.make(calls(data.draw(st.sampled_from(_broken(call, self.play.tools[call["tool"]])))))

    @precondition(lambda self: self.turn_of(MODEL) and len(self.play.tools) > 0)
    @rule(data=st.data())
    def makes_two_calls_at_once(self, data: st.DataObject) -> None:
        self.make(calls(self.good_call(data), self.good_call(data)))

    @precondition(lambda self: self.turn_of(MODEL))
    @rule(data=st.data())
    def talks(self, data: st.DataObject) -> None:
        if not self.play.tools:
            return self.make(Move("say", {"text": "Let me think."}))
        call = self.good_call(data)
        written = ", ".join(f"{k}={v!r}" for k, v in call["arguments"].items())
        spoken = f"{call['tool']} {json.dumps(call['arguments'], ensure_ascii=False)}"
        text = f"I have called {call['tool']}({written}) for you.\nAction: {call['tool']}\n{spoken}"
        return self.make(Move("say", {"text": text}))

    @precondition(lambda self: self.turn_of(MODEL))
    @rule()
    def says_that_it_is_done(self) -> None:
        self.make(Move("finish", {"text": "Everything that was asked for is done."}))

    @precondition(lambda self: self.turn_of(MODEL))
    @rule(data=st.data(), how=st.sampled_from(_OUTAGES))
    def model_fails(self, data: st.DataObject, how: Mapping[str, Any]) -> None:
        if self.play.can_fail_with(how):
            decision = [self.good_call(data)] if self.play.tools else []
            self.make(Move("model fails", {"how": how, "calls": decision}))

    @precondition(lambda self: self.turn_of(MODEL) and bool(self.play.tools))
    @rule(data=st.data())
    def reply_is_cut_off(self, data: st.DataObject) -> None:
        call = self.good_call(data)
        missing = data.draw(st.sampled_from([None, 2, 1]))
        self.make(Move("model fails", {"how": {"kind": "LengthLimit", "missing": missing}, "calls": [call]}))

    @precondition(lambda self: self.turn_of(MODEL) and bool(self.play.lab.target.human))
    @rule()
    def asks_a_human(self) -> None:
        spec = next((self.play.tools[t] for t in self.play.lab.target.human or () if t in self.play.tools), None)
        if spec is not None:
            arguments = example_arguments(spec.parameters, text="Which one do you mean?")
            self.make(calls({"tool": spec.name, "arguments": arguments}))

    @precondition(lambda self: self.turn_of(MODEL) and bool(self.play.tools))
    @rule(data=st.data(), do=st.sampled_from(["keep calling", "keep failing", "fail by turns"]))
    def insists(self, data: st.DataObject, do: str) -> None:
        limit = self.play.lab.target.limits.consecutive_failures
        times = {"keep calling": self.play.bound, "keep failing": limit + 1, "fail by turns": 2 * limit + 2}[do]
        how = {"how": _FAILURES[0]} if do != "keep calling" else {}
        ordinary = [t for t in self.play.tools if t not in (self.play.lab.target.human or ())]
        self.make(Move(do, {"times": times, "calls": [self.good_call(data, ordinary or None)], **how}))

    # --- a tool ---------------------------------------------------------------------------------

    @precondition(lambda self: self.turn_of(TOOL))
    @rule()
    def returns(self) -> None:
        self.make(Move("return"))

    @precondition(lambda self: self.turn_of(TOOL))
    @rule(text=st.sampled_from(_ODD))
    def returns_something_odd(self, text: str) -> None:
        self.return_with(text)

    @precondition(lambda self: self.turn_of(TOOL))
    @rule()
    def returns_a_flood(self) -> None:
        self.return_with(LARGE)

    def return_with(self, text: str) -> None:
        """What the tool usually returns, with this text in it."""
        value = self.play.returning(text)
        if value is not None:
            self.make(Move("return", {"value": value}))

    @precondition(lambda self: self.turn_of(TOOL))
    @rule(how=st.sampled_from(_FAILURES))
    def fails(self, how: Mapping[str, Any]) -> None:
        if self.play.can_fail_with(how):
            self.make(Move("tool fails", {"how": how}))

    @precondition(lambda self: self.turn_of(TOOL))
    @rule()
    def fails_with_a_secret(self) -> None:
        how = {"kind": "Raises", "message": leaking(self.play.lab.planted)}
        if self.play.can_fail_with(how):
            self.make(Move("tool fails", {"how": how}))

    @precondition(lambda self: self.turn_of(TOOL))
    @rule()
    def hangs(self) -> None:
        if self.play.can_fail_with({"kind": "Hangs"}):
            self.make(Move("tool fails", {"how": {"kind": "Hangs"}}))

    # --- a human --------------------------------------------------------------------------------

    @precondition(lambda self: self.turn_of(HUMAN))
    @rule()
    def approves(self) -> None:
        self.make(Move("answer", {"answer": {"type": "Approved"}}))

    @precondition(lambda self: self.turn_of(HUMAN))
    @rule()
    def denies(self) -> None:
        self.make(Move("answer", {"answer": {"type": "Denied", "reason": "not during the freeze"}}))

    @precondition(lambda self: self.turn_of(HUMAN))
    @rule()
    def answers(self) -> None:
        text = marker(f"answer {len(self.play.moves)}")
        self.make(Move("answer", {"answer": {"type": "Text", "text": text}}))

    @precondition(lambda self: self.turn_of(HUMAN))
    @rule(do=st.sampled_from(["silence", "stray answer", "take up"]))
    def says_nothing_to_the_point(self, do: str) -> None:
        if self.play.may(do):
            self.make(Move(do))

    # --- whoever runs the agent -----------------------------------------------------------------

    @precondition(lambda self: self.begun and self.play.waits_for != GONE)
    @rule(far=st.booleans(), after_effect=st.booleans())
    def is_killed(self, far: bool, after_effect: bool) -> None:
        details = {"far": True} if far else {}
        if after_effect and self.play.waits_for == TOOL and self.play.kind == "H":
            details["after_effect"] = True
        if self.play.may("crash"):
            self.make(Move("crash", details))

    @precondition(lambda self: self.begun)
    @rule(do=st.sampled_from(["stop", "switch", "fork", "rebuild", "answer again", "spoil", "take up", "repeat"]))
    def is_handled(self, do: str) -> None:
        if self.play.may(do):
            self.make(Move(do, {"how": "empty"} if do == "spoil" else {}))

    @precondition(lambda self: self.begun and self.play.waits_for == GONE)
    @rule()
    def has_nothing_more_to_decide(self) -> None:
        pass

    @precondition(lambda self: self.begun and self.play.over and self.play.lates < MOST_LATE)
    @rule(what=st.sampled_from(["time", "a stop", "the last event again"]))
    def hears_something_late(self, what: str) -> None:
        if self.play.may("late"):
            self.make(Move("late", {"what": what}))

    # --- drawing --------------------------------------------------------------------------------

    def good_call(self, data: st.DataObject, among: list[str] | None = None) -> dict[str, Any]:
        """A call of a tool with arguments that its schema accepts."""
        name = data.draw(st.sampled_from(among or list(self.play.tools)))
        return {"tool": name, "arguments": data.draw(_arguments(self.play, self.play.tools[name]))}


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


def _broken(call: Mapping[str, Any], spec: ToolSpec) -> list[dict[str, Any]]:
    """Ways to break a call: its name, its text, its schema."""
    text = json.dumps(call["arguments"], ensure_ascii=False)
    several: list[dict[str, Any]] = [{**call, "tool": UNKNOWN}, {**call, "arguments": text[:-1] + ', "'}]
    schema = Schema(spec.parameters)
    ways = schema.broken(call["arguments"]).values() if schema.usable else ()
    return [*several, *({**call, "arguments": arguments} for arguments in ways)]
