"""Factor 8: how a run goes on, and how it ends."""

from agentcheck.ending import done_twice, unclear
from agentcheck.fuzz.laws import Said, Tale, broke, law
from agentcheck.trace import Event, Trace

_MOST: int = 200


@law("F08-loop-is-bounded", "model_request", "finished")
def loop_is_bounded(tale: Tale, event: Event) -> Said:
    bound = tale.target.limits.model_calls or _MOST
    if event.type == "model_request":
        count = len(tale.before(event, "model_reply", "model_failed")) + 1
        return f"the model was asked {count} times; {bound} are the most" if count > bound else None
    replies = tale.before(event, "model_reply")
    insists = len(replies) > 2 and bool(replies[-1].decision.calls)
    return "" if insists and event["status"] == "finished" else None


@law("F08-truncated-reply-acts-on-nothing", "tool_called")
def cut_calls_do_not_run(tale: Tale, called: Event) -> Said:
    reply = tale.last(called, "model_reply")
    if reply is None or reply.decision.finish != "length":
        return None
    own = called["decision"] is None or called["decision"] == reply.seq
    return f"of a call that was cut off, {called['tool']} ran with {called['arguments']}" if own else None


@law("F08-truncated-reply-acts-on-nothing", "model_request", "finished")
def cut_replies_are_noticed(tale: Tale, event: Event) -> Said:
    reply = tale.last(event, "model_reply")
    cut = reply is not None and reply.decision.finish == "length" and not tale.killed_since(event, reply)
    return "" if cut else None


@law("F08-model-outage-is-survived", "finished")
def outage_ends_clearly(tale: Tale, ended: Event) -> Said:
    last = tale.last(ended, "model_reply", "model_failed")
    if last is None or last.type != "model_failed" or ended.get("questions"):
        return None
    how = broke(tale, ended)
    if tale.lab.kind == "R" and how:
        return f"after the model failed ({last['failure']}) the reducer broke: {how}"
    own = [e for e in tale.run.events if e.session == ended.session and e.seq <= ended.seq]
    why = unclear(Trace(events=own), tale.lab.happy())
    return f"after the model failed ({last['failure']}) the run ended as {ended['status']}, and {why}" if why else ""


@law("F08-model-outage-is-survived", "effect")
def outage_repeats_nothing(tale: Tale, effect: Event) -> Said:
    if not tale.before(effect, "model_failed") or tale.run.first("killed"):
        return None
    twice = done_twice(tale.run)
    return f"after the model failed {twice} was done twice for one decision" if twice else ""
