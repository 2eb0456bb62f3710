"""The tools: which decision a call carries out, what becomes of it, and the ledger of effects."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agentcheck.boundary import marker
from agentcheck.conditions import CutOff, InTurn, PerSession
from agentcheck.faults import (
    Hangs,
    Http,
    Raises,
    Reset,
    Returns,
    TimesOut,
    ToolFails,
)
from agentcheck.finding import Untestable
from agentcheck.human_side import HumanSide
from agentcheck.messages import ToolCall
from agentcheck.repetition import is_again
from agentcheck.target import OVER_HTTP
from agentcheck.trace import Event

LONG = 1_000  # characters of a result that a tool might cut short


class ToolSide(HumanSide):
    """Plays calls of tools; their effects are in the ledger when a verdict is given."""

    def _on_tool_called(self, message: Mapping[str, Any]) -> dict[str, Any]:
        called = self.take_up(message, message["tool"], message["arguments"])
        if self.is_human(message["tool"]):
            return self._human_tool(message, called)
        self.cross(message["tool"], "before")
        return {"call": called["call"], **self.play(called, stub=True)}

    def take_up(self, message: Mapping[str, Any], tool: str, arguments: Any, decided: ToolCall | None = None) -> Event:
        """Record that a tool was called, and which decision it carries out."""
        matching = [o for o in self._open if o["call"].name == tool and o["session"] == message.get("session", "main")]
        exact = [o for o in matching if decided is not None and o["call"].id == decided.id] or [
            o for o in matching if _same(o["call"], arguments)
        ]
        found = _of_last_reply(exact or matching)
        if found is not None:
            self._open.remove(found)
        carried_out = decided or (found["call"] if found else None)
        return self._record(
            message,
            "tool_called",
            call=f"t{len(self.trace)}",
            tool=tool,
            arguments=arguments,
            wire=carried_out.id if carried_out else None,
            decided=found["call"].arguments if found else None,
            decision=found["seq"] if found else None,
            host_key=self.target.binding(tool).key,
        )

    def play(self, called: Event, *, stub: bool) -> dict[str, Any]:
        """What becomes of a call: a verdict for the stage. Effects are in the ledger when this returns."""
        tool = called["tool"]
        first = not is_again(self.trace, called)  # the same call again is the same place in the scenario
        self._tools_called[tool] += first
        self._called_in[called.session, tool] += first
        fault = self.faults.on_tool(tool, self._tools_called[tool], self._tools_called.total())
        verdict = self._failing(fault, called, stub) if fault is not None else self._succeeding(called)
        self.cross(tool, "after", count=False)
        return verdict

    def continue_from(self, events: Sequence[Event], session: str = "main") -> None:
        """Count on from what happened in `events`, for a run that is resumed; as `session`."""
        self._model_called[session] += sum(e.type == "model_request" for e in events)
        called = Counter(e["tool"] for e in events if e.type == "tool_called")
        self._tools_called += called
        self._called_in.update({(session, tool): count for tool, count in called.items()})

    def _failing(self, fault: ToolFails, called: Event, stub: bool) -> dict[str, Any]:
        beneath = self.target.binding(called["tool"]).inject
        if stub and not beneath:
            self._insist_that_body_handles_nothing(fault, called["tool"])
        failure = _failure(fault)
        if stub and beneath == OVER_HTTP and isinstance(fault.how, Hangs):
            self.problem = Untestable(
                f"whether {called['tool']} waits for ever cannot be seen in its HTTP requests",
                mend=f'[tool.agentcheck.tools.{called["tool"]}]\ninject = "module:function"  # what makes the request',
            )
            raise CutOff(self.problem.message)
        if stub and beneath:
            return {**failure, "do": "beneath", "how": failure["do"]}
        self.answered(called, "fault_fired", fault=str(fault), tool=called["tool"], call=called["call"])
        if isinstance(fault.how, TimesOut) and fault.how.after_effect:
            self._effect(called)
        if isinstance(fault.how, Returns):
            self._effect(called)
        return failure

    def _insist_that_body_handles_nothing(self, fault: ToolFails, tool: str) -> None:
        handles = set(self.bound.get(tool, {}).get("handles", ()))
        concerns = {"errors"}
        if isinstance(fault.how, Returns):
            concerns = {"bounds"} if len(str(fault.how.value)) > LONG else set()
        if isinstance(fault.how, Hangs):
            concerns = {"errors", "timeouts"}
        if handles & concerns:
            name = {"errors": "errors", "timeouts": "time-outs", "bounds": "the size of its result"}[
                min(handles & concerns)
            ]
            self.problem = Untestable(
                f"{tool} may handle {name} itself, so a failure must enter beneath it",
                mend=f'[tool.agentcheck.tools.{tool}]\ninject = "module:function"  # what {tool} calls',
            )
            raise CutOff(self.problem.message)

    def _succeeding(self, called: Event) -> dict[str, Any]:
        tool = called["tool"]
        nth = self._called_in[called.session, tool]
        value = self._declared_value(tool, nth, called.session)
        earlier = self._effect(called)
        if earlier is not None:
            return (
                {"do": "return", "value": earlier["value"]}
                if "value" in earlier
                else {"do": "sample", "marker": earlier["marker"]}
            )
        if value is not None:
            return self._keep(called, {"do": "return", "value": value[0]})
        if self.target.binding(tool).allow:
            return {"do": "real"}
        whose = "" if called.session == "main" else f"-{called.session}"
        return self._keep(called, {"do": "sample", "marker": marker(f"{tool}{whose}-{nth}")})

    def _declared_value(self, tool: str, nth: int, session: str) -> tuple[Any] | None:
        if tool in self.returns:
            return (_in_force(self.returns[tool], nth, session),)
        values = self.scenario.returns.get(tool)
        if values:
            return (values[min(nth, len(values)) - 1],)
        declared = self.target.binding(tool).returns
        return None if declared is None else (declared,)

    def _effect(self, called: Event) -> dict[str, Any] | None:
        """Write the effect; a key seen before has none, and what was given then is given again."""
        key_name = self.target.binding(called["tool"]).key
        key = (
            called["arguments"].get(key_name)
            if key_name and isinstance(called["arguments"], dict)
            else called.get("key")
        )
        ledger_key = None if key is None else f"{called['tool']}:{key}"
        if ledger_key is not None:
            fresh = {"marker": marker(ledger_key)}
            known: dict[str, Any] = self.ledger.setdefault(ledger_key, fresh)  # two processes may come at once
            if known is not fresh:
                return known
        self.answered(called, "effect", tool=called["tool"], key=key, call=called["call"])
        return None

    def _keep(self, called: Event, verdict: dict[str, Any]) -> dict[str, Any]:
        key_name = self.target.binding(called["tool"]).key
        key = (
            called["arguments"].get(key_name)
            if key_name and isinstance(called["arguments"], dict)
            else called.get("key")
        )
        if key is not None:
            self.ledger[f"{called['tool']}:{key}"] = {k: v for k, v in verdict.items() if k != "do"}
        return verdict

    def _on_stuck(self, message: Mapping[str, Any]) -> None:
        """A call hangs in a process with one thread and no timer. Waiting would show nothing more."""
        why = f"{message['tool']} hung, in a process in which no other thread and no timer could end it"
        self._record(message, "finished", status="timeout", seconds=self.target.limits.seconds, reason=why)
        raise CutOff(why)

    def _on_tool_returned(self, message: Mapping[str, Any]) -> None:
        self._record(message, "tool_returned", call=message["call"], tool=message["tool"], value=message["value"])

    def _on_tool_failed(self, message: Mapping[str, Any]) -> None:
        data = {k: message[k] for k in ("call", "tool", "kind", "message")}
        self._record(message, "tool_failed", **data)


def _in_force(given: Any, nth: int, session: str) -> Any:
    if isinstance(given, InTurn):
        return given.values[min(nth, len(given.values)) - 1]
    return dict(given.values)[session] if isinstance(given, PerSession) else given


def _failure(fault: ToolFails) -> dict[str, Any]:
    how = fault.how
    told = {"fault": str(fault)}
    if isinstance(how, Raises):
        return {"do": "raise", "kind": how.kind, "message": how.message, **told}
    if isinstance(how, Http):
        return {"do": "raise", "status": how.status, "message": how.body, "retry_after": how.retry_after, **told}
    if isinstance(how, Reset):
        return {"do": "raise", "kind": "ConnectionResetError", "message": "Connection reset by peer", **told}
    if isinstance(how, TimesOut):
        return {"do": "raise", "kind": "TimeoutError", "message": "timed out", **told}
    if isinstance(how, Hangs):
        return {"do": "hang", **told}
    value = how.value.decode("utf-8", "surrogateescape") if isinstance(how.value, bytes) else how.value
    return {"do": "return", "value": value, **told}


def _of_last_reply(decided: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The first of the decisions made last; an older one that nobody carried out was refused."""
    last = max((o["seq"] for o in decided), default=None)
    return next((o for o in decided if o["seq"] == last), None)


def _same(call: ToolCall, arguments: Any) -> bool:
    try:
        return bool(call.parsed() == arguments)
    except ValueError:
        return False
