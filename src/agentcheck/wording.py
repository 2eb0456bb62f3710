"""What the model was told, read off the requests: the small questions that many checks ask."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from agentcheck.messages import Message, Request
from agentcheck.trace import Event, Trace


def new_messages(trace: Trace, after: Event) -> list[Message]:
    """The messages of the next request of the session that the request before `after` did not have."""
    following = trace.next_request(after)
    if following is None:
        return []
    earlier = trace.of("model_request", before=after, session=after.session)
    return added(earlier[-1].request if earlier else None, following.request)


def added(earlier: Request | None, later: Request) -> list[Message]:
    """The messages that a request has and an earlier one had not."""
    known = [_key(m) for m in earlier.messages] if earlier else []
    fresh = []
    for message in later.messages:
        if _key(message) in known:
            known.remove(_key(message))
        else:
            fresh.append(message)
    return fresh


def told_after(trace: Trace, event: Event) -> str:
    """What the next request says anew, the model's own decisions left out: results, errors, notes."""
    return told(new_messages(trace, event))


def told(messages: Iterable[Message]) -> str:
    """What these messages say, the model's own decisions left out."""
    return "\n".join(m.text for m in messages if m.role != "assistant" or not m.calls)


def decoded(text: str) -> str:
    """A text and all texts found in it when it is read as JSON, for comparing in any encoding."""
    return "\n".join([text, *_texts(text)])


def leaves(value: Any) -> Iterator[str]:
    """All texts and numbers in a JSON value, as text."""
    if isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _texts(text: str) -> Iterator[str]:
    try:
        value = json.loads(text)
    except ValueError:
        return
    if isinstance(value, (dict, list)):
        yield from leaves(value)
    elif isinstance(value, str) and value != text:
        yield from [value, *_texts(value)]


def _key(message: Message) -> tuple[Any, ...]:
    return (message.role, message.text, tuple((c.name, c.arguments, c.id) for c in message.calls), message.call_id)
