"""Habits of models that bring agents into trouble, as wrappers of any model that decides.

| habit | what it does with each decision |
|---|---|
| stubborn | repeats its first call for ever |
| forgetful | decides everything twice, as if it had not seen the result |
| chatty | talks about its calls instead of making them |
| sloppy | breaks the schema: leaves an argument out, or gives one of the wrong type |
| inventive | calls tools that do not exist |
| greedy | makes each call ten times at once |
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agentcheck.dialects import named
from agentcheck.messages import Decision, Request, ToolCall
from agentcheck.model import Model, Script
from agentcheck.wire import WireError, WireReply, WireRequest

AT_ONCE: Final = 10  # calls of a greedy model


@dataclass
class Habitual:
    """A model with a habit; `inner` may be a script, a recording, or a model with another habit."""

    inner: Model
    habit: str
    _last: dict[str, Decision] = field(default_factory=dict)  # session → the decision that is still to be repeated
    _repeated: Decision | None = None  # the last reply, where it was a repetition

    def __post_init__(self) -> None:
        if self.habit not in HABITS:
            raise ValueError(f"no habit {self.habit!r}; the habits are {', '.join(HABITS)}")

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> Decision | WireReply | None:
        self._repeated = self._last.get(session)
        if self._repeated is not None:
            if self.habit == "forgetful":
                del self._last[session]
            return self._repeated
        decision = _decision(self.inner.reply(session, request, wire), request)
        if decision is None or not decision.calls:
            return decision
        if self.habit in ("stubborn", "forgetful"):
            self._last[session] = _without_ids(decision)
        return HABITS[self.habit](decision, request)

    def take_back(self, session: str) -> None:
        """The last reply never arrived: the next request gets it."""
        if self._repeated is not None:
            self._last[session] = self._repeated
        elif isinstance(self.inner, (Script, Habitual)):
            self._last.pop(session, None)
            self.inner.take_back(session)

    def continue_from(self, other: "Habitual") -> None:
        """Stand where another model with this habit stands, but for what lies beneath."""
        self._last = dict(other._last)


def script_of(model: Model) -> Script | None:
    """The script that a model plays, whatever its habits; None where it plays none."""
    while isinstance(model, Habitual):
        model = model.inner
    return model if isinstance(model, Script) else None


def _decision(answer: Decision | WireReply | None, request: Request) -> Decision | None:
    """What was decided; of a recorded failure nothing is left to have a habit with."""
    if not isinstance(answer, WireReply):
        return answer
    try:
        return named(request.dialect).parse_reply(answer)
    except WireError:
        return None


def _without_ids(decision: Decision) -> Decision:
    return replace(decision, calls=tuple(replace(call, id="") for call in decision.calls))


def _as_it_is(decision: Decision, request: Request) -> Decision:
    return decision


def _chatty(decision: Decision, request: Request) -> Decision:
    said = "; ".join(f"I will now call {call.name} with {call.arguments}" for call in decision.calls)
    return Decision(f"{decision.text} {said}.".strip())


def _sloppy(decision: Decision, request: Request) -> Decision:
    return replace(decision, calls=tuple(_broken(call, request) for call in decision.calls))


def _broken(call: ToolCall, request: Request) -> ToolCall:
    spec = request.tool(call.name)
    required = spec.parameters.get("required") if spec and isinstance(spec.parameters, Mapping) else None
    try:
        given = call.parsed()
    except ValueError:
        return call
    if not isinstance(given, dict):
        return call
    missing = next((name for name in required or () if name in given), None)
    changed: dict[str, Any] = (
        {name: value for name, value in given.items() if name != missing}
        if missing
        else {name: [value] for name, value in given.items()} or {"agentcheck_unknown": [[]]}
    )
    return replace(call, arguments=json.dumps(changed, ensure_ascii=False))


def _inventive(decision: Decision, request: Request) -> Decision:
    return replace(decision, calls=tuple(replace(call, name=f"{call.name}_v2") for call in decision.calls))


def _greedy(decision: Decision, request: Request) -> Decision:
    several = tuple(replace(call, id="") for call in decision.calls for _ in range(AT_ONCE))
    return replace(decision, calls=several)


HABITS: Final[dict[str, Callable[[Decision, Request], Decision]]] = {
    "stubborn": _as_it_is,
    "forgetful": _as_it_is,
    "chatty": _chatty,
    "sloppy": _sloppy,
    "inventive": _inventive,
    "greedy": _greedy,
}
