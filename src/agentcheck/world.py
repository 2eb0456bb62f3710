"""The world around the agent: what the model, the tools and the humans say, and the record of it."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentcheck.dialects import dialect_of
from agentcheck.faults import (
    CutStream,
    Faults,
    Hangs,
    Http,
    LengthLimit,
    ModelFails,
    Raises,
    Reset,
    Returns,
    TimesOut,
    ToolFails,
)
from agentcheck.finding import HarnessError, Undecided, Untestable
from agentcheck.messages import Decision, Request, ToolCall
from agentcheck.model import Model, Recited, Replay, Script, catalog, intent_call
from agentcheck.reducer import Answer, Approved, Denied, Text, to_data
from agentcheck.scenario import HumanPlan, Scenario
from agentcheck.target import Target
from agentcheck.trace import Event, Trace
from agentcheck.wire import Dialect, WireError, WireReply, WireRequest

LONG = 1_000  # characters of a result that a tool might cut short
MORE_THAN_ENOUGH = 50  # model calls beyond the bound after which a run is cut off


class CutOff(Exception):
    """The lab ends the run here; `point` says where, for people. `planned`: a Stop asked for it."""

    def __init__(self, point: str, *, planned: bool = False):
        super().__init__(point)
        self.point = point
        self.planned = planned


@dataclass(frozen=True, slots=True)
class Stop:
    """At the nth crossing of a boundary: kill the process, or ask it to stop.

    `when` is "before" (nothing has happened yet) or "after" (it has, but the agent does not know).
    Asked to stop (`ask`), the agent hears of it with the answer to that crossing. `then` is a
    further stop: crossings are counted on through every resumption.
    """

    nth: int
    when: str = "before"
    ask: bool = False  # the host's own `interrupt`, or SIGTERM, instead of SIGKILL
    then: "Stop | None" = None


@dataclass(frozen=True, slots=True)
class Silence:
    """The human plan of somebody who never answers."""


@dataclass(frozen=True, slots=True)
class InTurn:
    """What a tool returns call after call of a session; the last of them for ever."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PerSession:
    """What a tool returns in each session: pairs of session and value."""

    values: tuple[tuple[str, Any], ...]


@dataclass
class World:
    """Answers each crossing; everything is in the trace before it is answered."""

    target: Target
    scenario: Scenario
    trace: Trace
    model: Model
    faults: Faults = field(default_factory=Faults)
    returns: Mapping[str, Any] = field(default_factory=dict)
    humans: Sequence[HumanPlan] | Silence | None = None
    stop: Stop | None = None
    veto: str | None = None  # the tool of which the target's guard forbids every call
    bound: dict[str, dict[str, Any]] = field(default_factory=dict)  # tool -> what the stage said of it
    offered: dict[str, Any] = field(default_factory=dict)  # tool -> its spec on the wire
    ledger: dict[str, Any] = field(default_factory=dict)  # idempotency key -> the result given
    store: Path | None = None
    crossings: int = 0
    stopping: bool = False  # the next answer tells the agent to stop
    problem: Undecided | None = None
    _tools_called: Counter[str] = field(default_factory=Counter)
    _called_in: Counter[tuple[str, str]] = field(default_factory=Counter)
    _model_called: Counter[str] = field(default_factory=Counter)
    _open: list[dict[str, Any]] = field(default_factory=list)  # decided calls that no tool has taken up
    _waiting: tuple[WireRequest, Dialect, Request, Event] | None = None
    _digest: str = ""

    # --- messages from the stage -----------------------------------------------------------

    def handle(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one message of a callable or host. Raises CutOff where the run ends here."""
        self._note_save(message)
        handler = getattr(self, f"_on_{message['op']}", None)
        answer: dict[str, Any] = (handler(message) if handler is not None else None) or {}
        if self.stopping and answer.get("do") != "bind":
            self.stopping = False
            return {**answer, "stop": True}
        return answer

    def _on_http(self, message: Mapping[str, Any]) -> dict[str, Any]:
        wire = WireRequest(message["method"], message["url"], message["headers"], base64.b64decode(message["body"]))
        dialect = dialect_of(wire)
        if dialect is None:
            if isinstance(self.model, Replay) and (other := self.model.player.answer(wire)):
                self._record(message, "probe", name="replayed", value=wire.url)  # embeddings, a list of models, …
                return _sent(other)
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
        self.cross("the model was asked", "before")
        answer = self.decide(asked, request, wire)
        if isinstance(answer, ModelFails):
            return self._broken_reply(answer, dialect, request, asked)
        reply = answer if isinstance(answer, WireReply) else dialect.reply(answer, request)
        try:
            decision = dialect.parse_reply(reply)
            self._insist_on_bound_tools(decision)
            self.decided(asked, request, decision)
        except WireError as error:  # a failure that was recorded is replayed too
            self.answered(asked, "model_failed", failure=str(error))
        self.cross("the model replied", "after", count=False)
        return _sent(reply)

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
        self.problem = HarnessError(
            f"{self.scenario.cassette} was not recorded with this agent as it is (record it anew, or name what differs "
            f"from run to run in `volatile`): there is no reply to model request {asked['n']}; {reason}"
        )
        return CutOff("a request that was not recorded")

    def _broken_reply(self, fault: ModelFails, dialect: Dialect, request: Request, asked: Event) -> dict[str, Any]:
        how = fault.how
        if isinstance(how, Http):
            self.answered(asked, "model_failed", failure=f"HTTP {how.status}", retry_after=how.retry_after)
            return _sent(dialect.failure(how.status, how.body or f"HTTP {how.status}", retry_after=how.retry_after))
        if isinstance(how, LengthLimit):
            cut = cut_short(self.lost_reply(asked, request, again=False), how.missing)
            self.decided(asked, request, cut)
            return _sent(dialect.reply(cut, request))
        broken = {Reset: "reset", TimesOut: "timeout", CutStream: "cut"}[type(how)]
        self.answered(asked, "model_failed", failure=broken)
        if broken != "cut":
            return {"do": "reply", "broken": broken}
        whole = dialect.reply(self.lost_reply(asked, request, again=True), request)
        half = max(1, len(whole.chunks) // 2) if len(whole.chunks) > 1 else 0
        chunks = whole.chunks[:half] or (whole.body[: len(whole.body) // 2],)
        return _sent(WireReply(whole.status, whole.headers, chunks)) | {"broken": "cut"}

    def lost_reply(self, asked: Event, request: Request, *, again: bool) -> Decision:
        """The reply that does not arrive whole; `again`: the model makes it anew at the next request."""
        decision = self.model.reply(asked.session, request, None)
        if again and isinstance(self.model, Script):
            self.model.take_back(asked.session)
        return decision if isinstance(decision, Decision) else Decision("…")

    def decided(self, asked: Event, request: Request, decision: Decision) -> None:
        self.answered(asked, "model_reply", n=asked["n"], decision=decision)
        for call in intent_call(decision, request, self.scenario):
            self._open.append({"session": asked.session, "call": call, "seq": len(self.trace) - 1})

    # --- tools -------------------------------------------------------------------------------

    def _on_tool_called(self, message: Mapping[str, Any]) -> dict[str, Any]:
        called = self.take_up(message, message["tool"], message["arguments"])
        if self.is_human(message["tool"]):
            return self._human_tool(message, called)
        self.cross(f"{message['tool']} was called", "before")
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
        )

    def play(self, called: Event, *, stub: bool) -> dict[str, Any]:
        """What becomes of a call: a verdict for the stage. Effects are in the ledger when this returns."""
        tool = called["tool"]
        self._tools_called[tool] += 1
        self._called_in[called.session, tool] += 1
        fault = self.faults.on_tool(tool, self._tools_called[tool], self._tools_called.total())
        verdict = self._failing(fault, called, stub) if fault is not None else self._succeeding(called)
        try:
            self.cross(f"{tool} had its effect", "after", count=False)
        except CutOff:  # nobody heard of it: the same call again is the same place in the scenario
            self._tools_called[tool] -= 1
            self._called_in[called.session, tool] -= 1
            raise
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

    # --- humans --------------------------------------------------------------------------------

    def is_human(self, tool: str) -> bool:
        return tool in (self.target.human or ())

    def answer_to(self, kind: str, tool: str) -> Answer | None:
        """What the human says to a question of this kind about this tool; None: nothing, ever."""
        if isinstance(self.humans, Silence):
            return None
        for plan in (*(self.humans or ()), *self.scenario.humans):
            if plan.to in ("*", tool):
                return plan.answer
        return Approved() if kind == "approval" else Text(marker("answer"))

    def ask_human(self, message: Mapping[str, Any], **question: Any) -> tuple[Event, Answer | None]:
        """Record a question and its answer."""
        asked = self._record(message, "asked", **question)
        answer = self.answer_to(question["kind"], question.get("tool") or "*")
        if answer is not None:
            self._record(message, "answered", id=question["id"], answer=to_data(answer))
        return asked, answer

    def _human_tool(self, message: Mapping[str, Any], called: Event) -> dict[str, Any]:
        text = " ".join(str(v) for v in called["arguments"].values())
        question = {"id": called["call"], "kind": "question", "text": text, "tool": called["tool"], "via": "tool"}
        _, answer = self.ask_human(message, **question)
        if answer is None:
            return {"call": called["call"], "do": "hang"}
        return {"call": called["call"], "do": "return", "value": spoken(answer)}

    def _on_approval(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"approved": self._approval(message, str(message["arguments"]), "function")}

    def _on_input(self, message: Mapping[str, Any]) -> dict[str, Any]:
        prompt, tool = message["prompt"], self._open_high_stakes()
        kind = "question" if tool is None else "approval"
        question = {"id": f"i{len(self.trace)}", "kind": kind, "text": prompt, "tool": tool, "via": "input"}
        _, answer = self.ask_human(message, **question)
        return {"text": typed(answer, prompt, approval=tool is not None)}

    def _approval(self, message: Mapping[str, Any], text: str, via: str) -> bool:
        tool = self._open_high_stakes()
        question = {"id": f"a{len(self.trace)}", "kind": "approval", "text": text, "tool": tool, "via": via}
        _, answer = self.ask_human(message, **question)
        return answer is not None and _is_yes(answer)

    def _open_high_stakes(self) -> str | None:
        stakes = self.target.high_stakes or ()
        return next((o["call"].name for o in self._open if o["call"].name in stakes), None)

    # --- the rest --------------------------------------------------------------------------------

    def _on_refused(self, message: Mapping[str, Any]) -> None:
        self._record(message, "refused", **{k: message[k] for k in ("what", "detail", "where")})

    def _on_fault_fired(self, message: Mapping[str, Any]) -> None:
        self._record(message, "fault_fired", fault=message["fault"])

    def _on_probe(self, message: Mapping[str, Any]) -> None:
        self._record(message, "probe", name=message["name"], value=message["value"])

    def _on_finished(self, message: Mapping[str, Any]) -> None:
        data = {k: v for k, v in message.items() if k not in ("op", "session", "pid")}
        for question in message.get("questions", ()):
            call = question.get("call") or {}
            self._record(message, "asked", **{**question, "tool": call.get("name"), "via": "pause"})
        self._record(message, "finished", **data)

    def cross(self, what: str, when: str, *, count: bool = True) -> None:
        self.crossings += count
        stop = self.stop
        if stop is None or (stop.nth, stop.when) != (self.crossings, when):
            return
        self.stop, point = stop.then, f"{when} crossing {stop.nth}: {what}"
        if not stop.ask:
            raise CutOff(point, planned=True)
        self.stopping = True
        self.trace.append("probe", name="asked_to_stop", value=point)

    def _record(self, message: Mapping[str, Any], type: str, /, **data: Any) -> Event:
        return self.trace.append(type, session=message.get("session", "main"), pid=message.get("pid", 0), **data)

    def answered(self, to: Event, type: str, /, **data: Any) -> Event:
        return self.trace.append(type, session=to.session, pid=to.pid, **data)

    def _note_save(self, message: Mapping[str, Any]) -> None:
        if self.store is None:
            return
        digest = folder_digest(self.store)
        if digest != self._digest:
            self._digest = digest
            self._record(message, "saved", digest=digest[:12])


# --- small pure parts --------------------------------------------------------------------------


def marker(name: str) -> str:
    """A short text that nothing else contains; the same for the same name."""
    return f"agentcheck-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def typed(answer: Answer | None, prompt: str, *, approval: bool) -> str | None:
    """An answer as a human would type it at a prompt; None: nobody is there."""
    if isinstance(answer, Text) and not approval:
        return answer.text
    if answer is None and not approval:
        return None
    yes, no = ("yes", "no") if "yes" in prompt.lower() else ("y", "n")
    return yes if answer is not None and _is_yes(answer) else no


def _is_yes(answer: Answer) -> bool:
    return isinstance(answer, Approved) or (isinstance(answer, Text) and answer.text.lower() in ("y", "yes", "approve"))


def spoken(answer: Answer) -> str:
    """An answer as a human would type it."""
    if isinstance(answer, Text):
        return answer.text
    return (
        "yes, approved"
        if isinstance(answer, Approved)
        else f"no: {answer.reason or 'denied'}"
        if isinstance(answer, Denied)
        else ""
    )


def folder_digest(folder: Path) -> str:
    """A digest of all files of a store."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(("-shm", ".lock")):
            total.update(str(path.relative_to(folder)).encode())
            try:
                total.update(path.read_bytes())
            except OSError:  # gone between the listing and the reading
                continue
    return total.hexdigest()


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


def cut_short(decision: Decision, missing: int | None = None) -> Decision:
    """The same reply as it looks when the length limit cuts it off inside the last call, or the text."""
    if not decision.calls:
        return Decision(decision.text[: -missing if missing else len(decision.text) // 2], (), "length")
    last = decision.calls[-1]
    half = last.arguments[: -missing if missing else max(1, len(last.arguments) * 2 // 3)]
    if _parses(half):
        half = half[:-1]
    return Decision(decision.text, (*decision.calls[:-1], ToolCall(last.name, half, last.id)), "length")


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _of_last_reply(decided: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The first of the decisions made last; an older one that nobody carried out was refused."""
    last = max((o["seq"] for o in decided), default=None)
    return next((o for o in decided if o["seq"] == last), None)


def _same(call: ToolCall, arguments: Any) -> bool:
    try:
        return bool(call.parsed() == arguments)
    except ValueError:
        return False


def _sent(reply: WireReply) -> dict[str, Any]:
    chunks = [base64.b64encode(c).decode() for c in reply.chunks]
    return {"do": "reply", "status": reply.status, "headers": dict(reply.headers), "chunks": chunks}


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that carry credentials."""
    return {k: v for k, v in headers.items() if k.lower() in ("content-type", "user-agent", "accept")}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
