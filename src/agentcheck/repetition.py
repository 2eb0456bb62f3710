"""Whether a call after a kill is the one in the midst of which the process died, made anew."""

from typing import Any

from agentcheck.recall import told
from agentcheck.trace import Event, Trace
from agentcheck.wording import leaves


def is_again(trace: Trace, called: Event) -> bool:
    """Whether a call is that in the midst of which its process was killed, made anew."""
    killed = next(reversed(trace.of("killed")), None)
    played = [e for e in trace.of("tool_called", before=called, session=called.session) if _was_played(trace, e)]
    if killed is None or not played or played[-1].seq > killed.seq:
        return False
    last = played[-1]
    if any(last[k] != called[k] for k in ("tool", "arguments")):
        return False
    asked = trace.of("model_request", after=last, before=called, session=called.session)
    first = next(e for e in trace.of("killed") if e.seq > last.seq)
    return not any(e.seq < first.seq or _knows_result(trace, e, last) for e in asked)


def _was_played(trace: Trace, called: Event) -> bool:
    ended = trace.first("effect", "fault_fired", "tool_returned", "tool_failed", after=called, call=called["call"])
    return ended is not None


def _knows_result(trace: Trace, asked: Event, called: Event) -> bool:
    returned = trace.first("tool_returned", after=called, call=called["call"])
    return returned is not None and _tells(asked, returned["value"])


def _tells(asked: Event, value: Any) -> bool:
    text = told(asked.request)
    return all(leaf in text for leaf in leaves(value))
