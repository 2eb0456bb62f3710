"""What all dialects share: reading JSON that may be anything, arguments as text, replies as bytes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentcheck.messages import Decision
from agentcheck.wire import Uncarriable, WireError, WireReply, json_bytes

CREATED: Final = 1_700_000_000  # no clock in a reply: two runs of one script differ in ids alone
UNKNOWN: Final = "agentcheck_made_this_up"  # a finish reason that no client has heard of


def objects(body: Mapping[str, Any], key: str, format: str) -> list[dict[str, Any]]:
    """The list of objects under this key; none where it is absent or null. Raises WireError."""
    items = body.get(key)
    if not isinstance(items, list | None) or not all(isinstance(item, dict) for item in items or ()):
        raise WireError(f"{key!r} in {format} must be a list of objects, found {brief(items)}")
    return items or []


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, an empty one where it is anything else."""
    return value if isinstance(value, Mapping) else {}


def brief(value: Any) -> str:
    """A value for a message, at most 200 characters of it."""
    text = value if isinstance(value, str) else json_text(value)
    return text if len(text) <= 200 else text[:199] + "…"


def quoted(value: Any) -> str:
    """A value for a message as Python writes it, so that a text is told from what is none; at most 200 characters."""
    return brief(repr(value))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON. Raises WireError where it is nested too deeply, which can be so of what was read."""
    try:
        return json.dumps(value, ensure_ascii=False, default=repr, indent=indent)
    except RecursionError:
        raise WireError("what was sent is JSON nested too deeply to write again") from None


def text_of(content: Any) -> str:
    """All text of a content; a part that is not text stays as its JSON, so that nothing sent is hidden."""
    if isinstance(content, str) or content is None:
        return content or ""
    parts = content if isinstance(content, list) else [content]
    return "\n".join(_part(part) for part in parts if part is not None)


def _part(part: Any) -> str:
    text = part
    if isinstance(part, dict):
        text = part.get("refusal" if part.get("type") == "refusal" else "text")
    return text if isinstance(text, str) else json_text(part)


def arguments_text(value: Any) -> str:
    """Arguments of a call as text: as they are where they are text, else as JSON; none is empty."""
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def arguments_object(text: str, format: str) -> dict[str, Any]:
    """Arguments as the object that a format carries them as. Raises Uncarriable where they are none."""
    try:
        found = json.loads(text or "{}", parse_constant=_no_json)
    except RecursionError:
        raise Uncarriable(f"{format} carries arguments as JSON, so that ones nested too deeply cannot arrive") from None
    except ValueError:
        raise Uncarriable(f"{format} carries arguments as JSON, so that malformed ones cannot arrive") from None
    if not isinstance(found, dict):
        raise Uncarriable(f"{format} carries arguments as an object, so that a {type(found).__name__} cannot arrive")
    return found


def _no_json(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def spoken_finish(finish: str, has_calls: bool) -> str:
    """One meaning of `finish` for all providers: calls when, and only when, there are calls to run."""
    return ("calls" if has_calls else "stop") if finish in ("stop", "calls") else finish


def reason_for(decision: Decision, reasons: Mapping[str, str], format: str) -> str:
    """The format's own word for how a decision ended. Raises Uncarriable where it has none."""
    finish = spoken_finish(decision.finish, bool(decision.calls))
    if finish not in reasons:
        raise Uncarriable(f"{format} has no reason for an end by {finish!r}")
    return reasons[finish]


def pieces(text: str) -> Iterator[str]:
    """A text in the pieces in which a stream brings it: at least 12 characters, at most some 64 pieces."""
    size = max(12, len(text) // 64)
    return (text[at : at + size] for at in range(0, len(text), size))


def json_reply(status: int, body: Any, headers: Mapping[str, str] | None = None) -> WireReply:
    return WireReply(status, {"content-type": "application/json", **(headers or {})}, (json_bytes(body),))


def event(payload: Any, name: str = "") -> bytes:
    """One server-sent event with a JSON payload."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json_bytes(payload) + b"\n\n"


def event_stream(*events: bytes) -> WireReply:
    return WireReply(200, {"content-type": "text/event-stream; charset=utf-8"}, events)


def retry_header(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"retry-after": f"{seconds:g}"}


def refuse_failure(reply: WireReply) -> None:
    """Raises WireError where the reply is the provider's word that it failed."""
    if reply.status >= 400:
        raise WireError(f"the model answered {reply.status}: {brief(reply.body.decode('utf-8', 'replace'))}")
