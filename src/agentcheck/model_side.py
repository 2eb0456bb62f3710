"""The model: each request recorded, then a decision, recorded bytes, or a failure in the provider's own words."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from agentcheck.conditions import CutOff
from agentcheck.dialects import dialect_of
from agentcheck.faults import Broken, CutStream, EmptyReply, Http, ModelFails, Reset, Spoilt, StallStream, TimesOut
from agentcheck.finding import HarnessError, NotApplicable, Untestable
from agentcheck.messages import Decision, Request
from agentcheck.model import Recited, Replay, Script, catalog, intent_call
from agentcheck.model_habits import Habitual
from agentcheck.replies import broken_off, carried, spoilt
from agentcheck.tool_side import ToolSide
from agentcheck.trace import Event
from agentcheck.wire import Dialect, Uncarriable, WireError, WireReply, WireRequest

_BROKEN: Final = {Reset: "reset", TimesOut: "timeout", CutStream: "cut", StallStream: "stall"}
MORE_THAN_ENOUGH = 50  # model calls beyond the bound after which a run is cut off


class ModelSide(ToolSide):
    """Answers HTTP requests to a model; all others are refused."""

    def _on_http(self, message: Mapping[str, Any]) -> dict[str, Any]:
        wire = WireRequest(message["method"], message["url"], message["headers"], base64.b64decode(message["body"]))
        dialect = dialect_of(wire)
        if dialect is None:
            if isinstance(self.model, Replay) and (other := self.model.player.answer(wire)):
                self._record(message, "probe", name="replayed", value=wire.url)  # embeddings, a list of models, …
                return _sent(other)
            if isinstance(self.model, Replay) and self.model.player.knows(wire):
                raise self._missed_beside(message, wire, self.model)
            self._record(message, "refused", what="connection", detail=f"{wire.method} {wire.url}", where="")
            return {"do": "reply", "broken": "refused", "why": f"agentcheck lets nothing out: {wire.url}"}
        try:
            request = dialect.parse(wire)
        except WireError as error:
            self._record(message, "miss", url=wire.url, reason=str(error))
            return _sent(dialect.failure(400, str(error)))
        asked = self.asked_model(message, request, wire)
        self._waiting = (wire, dialect, request, asked)
        unknown = [s.name for s in catalog(request, self.scenario) if not s.hosted and s.name not in self.bound]
        if unknown:
            return {"do": "bind", "tools": unknown}
        return self._answer_model()

    def _on_bound_early(self, message: Mapping[str, Any]) -> None:
        self.bound |= message["tools"]

    def _on_bound(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self.bound |= message["tools"]
        return self._answer_model()

    def asked_model(self, message: Mapping[str, Any], request: Request, wire: WireRequest | None) -> Event:
        session = message.get("session", "main")
        self._model_called[session] += 1
        raw = (
            {"method": wire.method, "url": wire.url, "headers": _kept(wire.headers), "body": _text(wire.body)}
            if wire
            else None
        )
        asked = self._record(message, "model_request", n=self._model_called[session], request=request, raw=raw)
        for spec in catalog(request, self.scenario):
            self.offered.setdefault(spec.name, spec)
        bound = (self.target.limits.model_calls or 200) + MORE_THAN_ENOUGH
        if self._model_called[session] > bound:
            raise CutOff(f"{bound} model calls and no end")
        return asked

    def _answer_model(self) -> dict[str, Any]:
        assert self._waiting is not None, "the stage spoke of bound tools without a request"
        wire, dialect, request, asked = self._waiting
        self.cross("the model", "before")
        answer = self.decide(asked, request, wire)
        if isinstance(answer, ModelFails):
            return self._broken_reply(answer, dialect, request, asked)
        reply = answer if isinstance(answer, WireReply) else self._carried(answer, dialect, request)
        try:
            decision = dialect.parse_reply(reply)
            self._insist_on_bound_tools(decision)
            self.decided(asked, request, decision)
        except WireError as error:  # a failure that was recorded is replayed too
            self.answered(asked, "model_failed", failure=str(error))
        self.cross("the model", "after", count=False)
        return _sent(reply)

    def _carried(self, decision: Decision, dialect: Dialect, request: Request) -> WireReply:
        """The decision as bytes. Raises CutOff where the format cannot say it: no model could send it either."""
        try:
            return dialect.reply(decision, request)
        except Uncarriable as error:
            raise self._unsayable(error) from None

    def _unsayable(self, error: Uncarriable) -> CutOff:
        self.problem = NotApplicable(str(error))
        return CutOff(self.problem.message)

    def _insist_on_bound_tools(self, decision: Decision) -> None:
        """No decision leaves that could make a real tool run. Raises CutOff."""
        for call in decision.calls:
            said = self.bound.get(call.name)
            if said is None or call.name == self.target.finish or self.is_human(call.name):
                continue
            has_value = said.get("value") or call.name in self.returns or self.scenario.returns.get(call.name)
            if said["bound"] and has_value:
                continue
            why = said["why"] or "nothing says what it returns"
            line = f'{call.name} = {{returns = "…"}}' if said["bound"] else f'{call.name} = "module:function"'
            mend = f"[tool.agentcheck.tools]\n{line}"
            self.problem = Untestable(f"the model would call {call.name}, which may not run: {why}", mend=mend)
            raise CutOff(self.problem.message)

    def decide(self, asked: Event, request: Request, wire: WireRequest | None) -> Decision | WireReply | ModelFails:
        """The model's decision on one request, or a fault that strikes it. Raises CutOff on a miss."""
        fault = self.faults.on_model(asked["n"])
        if fault is not None:
            self.answered(asked, "fault_fired", fault=str(fault))
            return fault
        answer = self.model.reply(asked.session, request, wire)
        if answer is None:
            raise self._missed(asked, request, wire)
        return answer

    def _missed(self, asked: Event, request: Request, wire: WireRequest | None) -> CutOff:
        """A recording has no reply: that is never papered over, and the run says nothing of the agent."""
        reason = self.model.missed(request, wire) if isinstance(self.model, (Replay, Recited)) else "no reply"
        self.answered(asked, "miss", url=wire.url if wire else "", reason=reason)
        return self._unrecorded(f"model request {asked['n']}", reason)

    def _missed_beside(self, message: Mapping[str, Any], wire: WireRequest, model: Replay) -> CutOff:
        """As `_missed`, of a request that calls no model: embeddings, a list of models."""
        reason = model.player.nearest(wire)
        self._record(message, "miss", url=wire.url, reason=reason)
        return self._unrecorded(f"{wire.method} {wire.path}", reason)

    def _unrecorded(self, what: str, reason: str) -> CutOff:
        self.problem = HarnessError(
            f"{self.scenario.cassette} was not recorded with this agent as it is (record it anew with "
            f"--agentcheck-record=changed, or name what differs from run to run in `volatile`): "
            f"there is no reply to {what}; {reason}"
        )
        return CutOff("a request that was not recorded")

    def _broken_reply(self, fault: ModelFails, dialect: Dialect, request: Request, asked: Event) -> dict[str, Any]:
        how = fault.how
        if isinstance(how, Http):
            self.answered(asked, "model_failed", failure=f"HTTP {how.status}", retry_after=how.retry_after)
            return _sent(dialect.failure(how.status, how.body or f"HTTP {how.status}", retry_after=how.retry_after))
        if isinstance(how, (Reset, TimesOut, CutStream, StallStream)):
            return self._lost(how, dialect, request, asked)
        return self._spoilt_reply(how, dialect, request, asked)

    def _spoilt_reply(self, how: Spoilt, dialect: Dialect, request: Request, asked: Event) -> dict[str, Any]:
        """A whole reply that is not what the agent hopes for."""
        decision = spoilt(self.lost_reply(asked, request, again=isinstance(how, EmptyReply)), how)
        try:
            reply, said = carried(decision, dialect, request)
        except Uncarriable as error:
            raise self._unsayable(error) from None
        self.decided(asked, request, said)
        return _sent(reply)

    def _lost(self, how: Broken, dialect: Dialect, request: Request, asked: Event) -> dict[str, Any]:
        """A reply that does not arrive, or not whole."""
        broken = _BROKEN[type(how)]
        self.answered(asked, "model_failed", failure=broken)
        if broken not in ("cut", "stall"):
            return {"do": "reply", "broken": broken}
        try:
            return _sent(broken_off(self.lost_reply(asked, request, again=True), dialect, request)) | {"broken": broken}
        except Uncarriable as error:
            raise self._unsayable(error) from None

    def lost_reply(self, asked: Event, request: Request, *, again: bool) -> Decision:
        """The reply that does not arrive whole; `again`: the model makes it anew at the next request."""
        decision = self.model.reply(asked.session, request, None)
        if again and isinstance(self.model, (Script, Habitual)):
            self.model.take_back(asked.session)
        return decision if isinstance(decision, Decision) else Decision("…")

    def decided(self, asked: Event, request: Request, decision: Decision) -> None:
        self.answered(asked, "model_reply", n=asked["n"], decision=decision)
        for call in intent_call(decision, request, self.scenario):
            self._open.append({"session": asked.session, "call": call, "seq": len(self.trace) - 1})


def _sent(reply: WireReply) -> dict[str, Any]:
    chunks = [base64.b64encode(c).decode() for c in reply.chunks]
    return {"do": "reply", "status": reply.status, "headers": dict(reply.headers), "chunks": chunks}


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that carry credentials."""
    return {k: v for k, v in headers.items() if k.lower() in ("content-type", "user-agent", "accept")}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
