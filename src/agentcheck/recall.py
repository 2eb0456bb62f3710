"""What a run has come to know, whether a later request still knows it, and how the run ended."""

from collections.abc import Iterator, Mapping
from typing import Final

from agentcheck.messages import Message, Request
from agentcheck.trace import Event, Trace
from agentcheck.wording import decoded, leaves

SHORTEST: Final = 3  # characters of a fact; shorter ones are found anywhere by accident


def facts(trace: Trace, *, before: Event | None = None) -> dict[str, Event]:
    """Each text that came up in a run, in the order of their coming, with the event that brought it."""
    found: dict[str, Event] = {}
    for event in trace.of(before=before):
        for text in _brought(event):
            if len(text.strip()) >= SHORTEST:
                found.setdefault(text.strip(), event)
    return found


def how_ended(run: Trace) -> str:
    """How a run ended, in words: its status, and the error where there was one."""
    error = run.finished.get("error") if run.finished is not None else None
    return f"{run.status} ({error['kind']}: {str(error['message'])[:200]})" if error else run.status


def forgotten(known: Mapping[str, Event], reference: Request, other: Request) -> dict[str, Event]:
    """The facts that one request shows and the other does not."""
    here, there = told(reference), told(other)
    return {fact: event for fact, event in known.items() if fact in here and fact not in there}


def told(request: Request) -> str:
    """Everything that a request says, read as JSON too where it is: results, calls and their arguments."""
    parts = [m.text for m in request.messages]
    parts += [text for m in request.messages for c in m.calls for text in (c.name, c.arguments)]
    return "\n".join(decoded(part) for part in parts)


def is_within(earlier: Request, later: Request) -> bool:
    """Whether the later request begins with all messages of the earlier one, ids left out."""
    one, other = ([_said(m) for m in request.messages] for request in (earlier, later))
    return other[: len(one)] == one


def _said(message: Message) -> tuple[object, ...]:
    return (message.role, message.text, tuple((c.name, c.arguments) for c in message.calls))


def _brought(event: Event) -> Iterator[str]:
    if event.type == "launched":
        for trigger in event["triggers"].values():
            yield from leaves(trigger)
    elif event.type == "model_reply":
        for text in (event.decision.text, *(c.arguments for c in event.decision.calls)):
            yield from decoded(text).splitlines()[1:]
    elif event.type == "tool_returned":
        yield from leaves(event["value"])
    elif event.type == "tool_failed":
        yield str(event["message"])
    elif event.type == "answered":
        yield from (text for key, text in event["answer"].items() if key in ("text", "reason"))
