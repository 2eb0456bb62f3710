"""Factors 1 and 4: what a decision makes happen, and what it may not."""

import json
from typing import Any, cast

from agentcheck.arguments import rewritten
from agentcheck.fuzz.laws import Said, Tale, broke, law
from agentcheck.messages import ToolCall, ToolSpec
from agentcheck.model import intent_call
from agentcheck.scenario import Turn
from agentcheck.trace import Event
from agentcheck.trials import Trial, excerpt
from agentcheck.wording import told_after

_MALFORMED, _UNKNOWN, _INVALID = (
    "F01-malformed-json-is-refused",
    "F01-unknown-tool-is-refused",
    "F01-invalid-arguments-are-refused",
)


def parsed(text: str) -> Any:
    """Arguments as data; text where they are none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def flaw(tale: Tale, reply: Event, call: ToolCall) -> str | None:
    """The check that says what must become of a call which cannot be carried out; None where it can."""
    spec = tale.spec(call.name)
    return cast(str | None, tale.once(("flaw", reply.seq, call, spec is None), lambda: _flaw(tale, reply, call)))


def _flaw(tale: Tale, reply: Event, call: ToolCall) -> str | None:
    spec = tale.spec(call.name)
    if spec is None:
        return _UNKNOWN
    if reply.decision.finish == "length":
        return None
    given = parsed(call.arguments or "{}")
    if isinstance(given, str):
        return _MALFORMED if not _is_json(call.arguments) else None  # JSON inside JSON may be taken for what it means
    schema = tale.schema(spec)
    return _INVALID if schema.usable and not schema.accepts(given) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def decided(tale: Tale, reply: Event) -> tuple[ToolCall, ...]:
    return cast(tuple[ToolCall, ...], tale.once(("decided", reply.seq), lambda: _decided(tale, reply)))


def _decided(tale: Tale, reply: Event) -> tuple[ToolCall, ...]:
    asked = tale.last(reply, "model_request")
    return () if asked is None else intent_call(reply.decision, asked.request, tale.lab.scenario)


def _written(call: ToolCall) -> str:
    return f"{call.name} {excerpt(call.arguments)}"


def _refused(tale: Tale, event: Event, check: str) -> Said:
    """The call of the last reply that cannot be carried out, and was, or of which the model heard nothing."""
    reply = tale.last(event, "model_reply")
    if reply is None or tale.killed_since(event, reply) or tale.since(event, reply, "model_request", "finished"):
        return None
    bad = [call for call in decided(tale, reply) if flaw(tale, reply, call) == check]
    if not bad:
        return None
    ran = next((call for call in bad if tale.ran(reply, call)), None)
    if ran is not None:
        return f"{_written(ran)} ran"
    if event.type == "finished":
        how = broke(tale, event)
        return f"{how} ended the run after {_written(bad[0])}" if how else None
    known = {(c.name, flaw(tale, r, c)) for r in tale.before(reply, "model_reply") for c in decided(tale, r)}
    again = any((call.name, check) in known for call in bad)  # in the same words as before, which is no silence
    told = told_after(tale.run, reply) if again else Trial(Turn(), tale.run, reply).told
    return "" if told else f"the model was told nothing of {_written(bad[0])}"


@law(_MALFORMED, "model_request", "finished")
def malformed_is_refused(tale: Tale, event: Event) -> Said:
    return _refused(tale, event, _MALFORMED)


@law(_UNKNOWN, "model_request", "finished")
def unknown_is_refused(tale: Tale, event: Event) -> Said:
    return _refused(tale, event, _UNKNOWN)


@law(_INVALID, "model_request", "finished")
def invalid_is_refused(tale: Tale, event: Event) -> Said:
    return _refused(tale, event, _INVALID)


@law("F01-call-matches-schema", "tool_called")
def arrives_as_decided(tale: Tale, called: Event) -> Said:
    spec, given = tale.spec(called["tool"]), parsed(called["decided"] or "")
    if spec is None or called["tool"] in tale.human or not isinstance(given, dict) or not given:
        return None
    if not tale.schema(spec).accepts(given):
        return None
    change = rewritten(given, called["arguments"], spec.parameters)
    if change and any(_arrived(called, call, spec) for call in _beside(tale, called)):
        return ""  # of two calls of one tool in one reply, which one it carries out is a guess
    return f"{called['tool']}: {change}" if change else ""


def _beside(tale: Tale, called: Event) -> list[ToolCall]:
    """The calls of the same tool in the same reply."""
    reply = tale.run.events[called["decision"]] if called["decision"] is not None else None
    return [call for call in decided(tale, reply) if call.name == called["tool"]] if reply is not None else []


def _arrived(called: Event, call: ToolCall, spec: ToolSpec) -> bool:
    given = parsed(call.arguments or "{}")
    return isinstance(given, dict) and not rewritten(given, called["arguments"], spec.parameters)


@law("F01-prose-acts-on-nothing", "model_request", "finished", "asked")
def prose_acts_on_nothing(tale: Tale, event: Event) -> Said:
    reply = tale.last(event, "model_reply")
    if reply is None or tale.killed_since(event, reply) or decided(tale, reply) or not reply.decision.text:
        return None
    ran = [e for e in tale.since(event, reply, "tool_called") if e["decision"] is None]
    spoken = [e for e in ran if e["tool"] in reply.decision.text]
    if not any(name in reply.decision.text for name in tale.lab.offered):
        return None
    return f"{spoken[0]['tool']} ran, and the model had only spoken of it" if spoken else ""


@law("F04-accepted-arguments-run", "model_request", kinds="CH")
def accepted_arguments_run(tale: Tale, event: Event) -> Said:
    reply = tale.last(event, "model_reply")
    if reply is None or reply.decision.finish == "length" or _hindered(tale, event, reply):
        return None
    calls = decided(tale, reply)
    if len(calls) != 1 or tale.before(event, "tool_failed", "model_failed") or _decided_before(tale, reply, calls[0]):
        return None
    call, spec = calls[0], tale.spec(calls[0].name)
    refused = call.name in tale.human | {tale.target.finish} or flaw(tale, reply, call) is not None
    if spec is None or refused or not tale.schema(spec).usable:
        return None
    if call.name in tale.stakes and not tale.since(event, reply, "asked"):
        return None
    return "" if tale.ran(reply, call) else f"{_written(call)} did not run: {Trial(Turn(), tale.run, reply).outcome}"


def _hindered(tale: Tale, event: Event, reply: Event) -> bool:
    """Whether something other than the agent may have kept a call of this reply from running: a human, a crash."""
    asked = {e["id"] for e in tale.since(event, reply, "asked") if e["kind"] == "approval"}
    answered = tale.since(event, reply, "answered")
    approved = {e["id"] for e in answered if e["answer"]["type"] == "Approved"}
    consented = asked == approved and len(tale.since(event, reply, "asked")) == len(answered) == len(asked)
    ended = tale.since(event, reply, "killed") or any(not e["answers"] for e in tale.since(event, reply, "resumed"))
    return not consented or bool(ended)


def _decided_before(tale: Tale, reply: Event, call: ToolCall) -> bool:
    """Whether it is late in the run, or the same call once more, which an agent may spare itself."""
    earlier = tale.before(reply, "model_reply")
    known = {(c.name, c.arguments) for one in earlier for c in decided(tale, one)}
    return len(earlier) > 2 or (call.name, call.arguments) in known
