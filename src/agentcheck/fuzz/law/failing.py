"""Factor 9: what becomes of a failure."""

import json
from itertools import takewhile

from agentcheck import recall
from agentcheck.canonical import arguments
from agentcheck.fuzz.law.deciding import decided, flaw
from agentcheck.fuzz.laws import Said, Tale, broke, law
from agentcheck.fuzz.secrets import held
from agentcheck.hearsay import heard, names_the_failure, speaks_of_failure, stack_trace
from agentcheck.marks import size
from agentcheck.trace import Event
from agentcheck.wording import decoded, leaves


def _setbacks(tale: Tale, asked: Event) -> list[Event]:
    """The failures since the last request, as they came to the agent."""
    earlier = tale.last(asked, "model_request")
    if tale.killed_since(asked, earlier):
        return []
    return [e for e in tale.since(asked, earlier, "tool_failed") if _decided(tale, e)]


def _decided(tale: Tale, failed: Event) -> bool:
    called = tale.run.first("tool_called", call=failed["call"])
    return called is not None and called["decision"] is not None


@law("F09-error-reaches-model", "model_request")
def failures_are_told(tale: Tale, asked: Event) -> Said:
    failed = _setbacks(tale, asked)
    if not failed:
        return None
    told = heard(tale.run, failed[-1])
    whole = recall.told(asked.request)  # what was said before in the same words is not said anew
    if speaks_of_failure(told) or any(names_the_failure(tale.run, failed[-1], text) for text in (told, whole)):
        return ""
    return f"{failed[-1]['tool']} failed ({failed[-1]['kind']}), and the next request says nothing of it: {told[:80]!r}"


@law("F09-error-reaches-model", "finished")
def failures_end_nothing(tale: Tale, ended: Event) -> Said:
    """A failure that goes right through the agent."""
    last = tale.last(ended, "tool_failed", "tool_returned", "model_request", "resumed")
    how = broke(tale, ended)
    if last is None or last.type != "tool_failed" or how is None:
        return None
    return f"{last['tool']} failed ({last['kind']}), and that ended the run: {how}"


@law("F09-error-is-compact", "model_request")
def failures_are_compact(tale: Tale, asked: Event) -> Said:
    failed = _setbacks(tale, asked)
    if len(failed) != 1:
        return None
    told, limit = heard(tale.run, failed[0]), tale.target.limits.error_characters
    if stack_trace(told):
        return f"a stack trace reached the model: {stack_trace(told)}"
    long = len(failed[0]["message"]) > 4 * limit
    if long and len(told) > limit and size(asked) - size(tale.last(asked, "model_request") or asked) > 2 * limit:
        return f"an error of {len(failed[0]['message']):,} characters reached the model as {len(told):,}"
    return "" if long else None


@law("F09-error-holds-no-secret", "model_request")
def failures_hold_no_secret(tale: Tale, asked: Event) -> Said:
    said = any(held(str(e["message"]), tale.lab.planted) for e in tale.before(asked, "tool_failed"))
    if not said:
        return None
    leaked = held(asked.request.text(), tale.lab.planted)
    return f"{leaked}, which was in an error of a tool, is in a model request" if leaked else ""


@law("F09-error-is-not-retried-silently", "tool_called", "model_request")
def failures_are_not_retried(tale: Tale, event: Event) -> Said:
    last = tale.last(event, "tool_failed", "model_request", "killed", "resumed")
    if last is None or last.type != "tool_failed" or not _decided(tale, last):
        return None
    if tale.run.of("killed", before=event):
        return None  # of two equal calls, which one a fresh process carries out first cannot be told
    if event.type == "model_request":
        return ""
    first = tale.run.first("tool_called", call=last["call"])
    again = first is not None and event["tool"] == last["tool"] and _bare(event) == _bare(first)
    same = event["decision"] is None or event["wire"] == first["wire"] if first is not None else False
    return (
        f"{event['tool']} failed ({last['kind']}), and ran again before anybody heard of it" if again and same else None
    )


def _bare(called: Event) -> str:
    return json.dumps(arguments(called), sort_keys=True)


@law("F09-repeated-errors-escalate", "tool_called", "asked", "finished")
def repeated_failures_escalate(tale: Tale, event: Event) -> Said:
    if tale.run.first("killed"):
        return None
    calls = tale.since(event, tale.last(event, "asked", "answered"), "tool_called")
    failed = {e["call"] for e in tale.before(event, "tool_failed")}
    streak = list(takewhile(lambda e: e["call"] in failed and _bare(e) == _bare(calls[-1]), reversed(calls)))
    limit = tale.target.limits.consecutive_failures
    if event.type != "tool_called":
        return "" if len(streak) >= limit else None
    if len(streak) >= limit and streak[0]["tool"] == event["tool"] and _bare(event) == _bare(streak[0]):
        return f"{event['tool']} failed {len(streak)} times in a row, and was called once more; {limit} are the limit"
    return None


@law("F09-counter-resets-on-success", "asked", "finished")
def counter_resets(tale: Tale, event: Event) -> Said:
    """A run that gives up though no call failed often enough in a row, and the model wanted to go on."""
    reply = tale.last(event, "model_reply")
    failed, limit = tale.before(event, "tool_failed"), tale.target.limits.consecutive_failures
    if reply is None or len(failed) < limit or tale.run.first("killed") or tale.before(event, "model_failed"):
        return None
    if _longest_streak(tale, event) >= limit or _other_failures(tale, event):
        return None
    called = {c.name for c in reply.decision.calls}  # a question among them may be what the run ends with
    wanted = bool(called) and not called & (tale.human | tale.stakes | {tale.target.finish})
    if event.type == "asked":
        wanted = event["kind"] == "question" and not _asks(tale, reply)
    spent = len(tale.before(event, "model_request")) >= (tale.target.limits.model_calls or 200)
    if spent or event.get("status") == "waiting" or event.get("kind") == "approval":
        return None
    return f"after {len(failed)} failures with a success between them the run gave up" if wanted else ""


def _asks(tale: Tale, reply: Event) -> bool:
    return any(call.name in tale.human for call in decided(tale, reply))


def _longest_streak(tale: Tale, event: Event) -> int:
    longest = streak = 0
    for ended in tale.before(event, "tool_failed", "tool_returned"):
        streak = streak + 1 if ended.type == "tool_failed" else 0
        longest = max(longest, streak)
    return longest


def _other_failures(tale: Tale, event: Event) -> bool:
    """Whether the model broke rules, so that the run may have ended for that."""
    return any(flaw(tale, r, c) for r in tale.before(event, "model_reply") for c in decided(tale, r))


@law("F09-hang-times-out", "finished", "tool_failed")
def hangs_time_out(tale: Tale, event: Event) -> Said:
    fired = [e for e in tale.before(event, "fault_fired") if "Hangs" in e["fault"]]
    if not fired:
        return None
    if event.type == "finished" and event["status"] == "timeout":
        return event.get("reason") or "a tool hung, and the run waited until its time was over"
    return ""


@law("F09-agent-recovers", "finished")
def agent_recovers(tale: Tale, ended: Event) -> Said:
    """The model brought the job to its end after a failure; then the result says so, as it does without one."""
    reply = tale.last(ended, "model_reply")
    struck = tale.before(ended, "tool_failed")
    if reply is None or not struck or tale.before(ended, "model_failed") or tale.run.first("killed"):
        return None
    if ended["status"] != "finished" or not _closes(tale, reply) or not _usually_closes(tale):
        return None
    said = _says(ended, _closing(reply))
    return "" if said else f"{struck[0]['tool']} failed once, and the result of the finished job is {ended['result']!r}"


def _closes(tale: Tale, reply: Event) -> bool:
    calls = decided(tale, reply)
    plain = reply.decision.finish in ("stop", "calls") and bool(reply.decision.text or calls)
    return plain and (not calls or any(c.name == tale.target.finish for c in calls))


def _closing(reply: Event) -> set[str]:
    """The texts with which the model ends the job."""
    said = [reply.decision.text, *(c.arguments for c in reply.decision.calls)]
    return {line for text in said for line in decoded(text).splitlines() if " " in line and not line.startswith("{")}


def _says(ended: Event | None, texts: set[str]) -> bool:
    return ended is not None and any(text in leaf for leaf in leaves(ended.get("result")) for text in texts)


def _usually_closes(tale: Tale) -> bool:
    happy = tale.lab.happy()
    replies = happy.of("model_reply")
    return bool(replies) and _says(happy.finished, _closing(replies[-1]))
