"""What both of Bedrock's formats share: addresses, errors, and events in Amazon's framing."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from agentcheck.dialects.eventstream import MEDIA_TYPE, Frame, encoded, frames, reframed, split
from agentcheck.dialects.reading import brief, json_reply, retry_header
from agentcheck.wire import WireError, WireReply, WireRequest, json_bytes, json_object

_PATH: Final = re.compile(
    r"/model/(?P<model>.+)/(?P<method>converse|converse-stream|invoke|invoke-with-response-stream)$"
)
_ERRORS: Final = {
    400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException",
    404: "ResourceNotFoundException", 408: "ModelTimeoutException", 424: "ModelErrorException",
    429: "ThrottlingException", 503: "ServiceUnavailableException",
}  # fmt: skip


def called(request: WireRequest) -> tuple[str, str] | None:
    """The model and the method of a request by its address; None where it is another address."""
    found = _PATH.search(request.path.rstrip("/"))
    return (unquote(found["model"]), found["method"]) if found else None


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    kind = _ERRORS.get(status, "InternalServerException" if status >= 500 else "ValidationException")
    wait = {} if retry_after is None else {"x-amz-retry-after": f"{retry_after * 1000:.0f}"}  # milliseconds
    return json_reply(status, {"message": message}, {"x-amzn-errortype": kind, **retry_header(retry_after), **wait})


def event(kind: str, payload: Mapping[str, Any]) -> bytes:
    """One frame that carries an event of this kind."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encoded(Frame(headers, json_bytes(payload)))


def stream(events: Iterable[bytes]) -> WireReply:
    return WireReply(200, {"content-type": MEDIA_TYPE}, tuple(events))


def events(reply: WireReply) -> Iterator[tuple[str, dict[str, Any]]]:
    """The kinds and payloads of a stream. Raises WireError, for an exception in it too."""
    for frame in frames(reply.body):
        if frame.headers.get(":message-type") in ("exception", "error"):
            kind = frame.headers.get(":exception-type") or frame.headers.get(":error-code") or "error"
            raise WireError(f"the stream broke off with an error: {brief(kind)} {brief(_said(frame.payload))}".rstrip())
        yield frame.headers.get(":event-type", ""), json_object(frame.payload, "an event of the stream")


def _said(payload: bytes) -> str:
    try:
        return str(json.loads(payload)["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return _text(payload)


# --- what is in a stream, for reading and for taking out --------------------------------


def readable(body: bytes) -> str:
    """All that a stream of frames says, a payload per line, opened where it is packed as base64."""
    return "\n".join(_text(_inner(payload) or payload) for payload in _payloads(body))


def rewritten(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The same stream with `change` made to what each frame says, also where that is packed as base64."""
    return reframed(body, lambda payload: _repacked(payload, change))


def unpacked(payload: Mapping[str, Any]) -> bytes:
    """What an event of an invoked model carries. Raises WireError."""
    try:
        return base64.b64decode(str(payload.get("bytes") or ""), validate=True)
    except ValueError:
        raise WireError("an event of the stream is not base64") from None


def packed(inner: bytes) -> dict[str, str]:
    """The payload of an event of an invoked model."""
    return {"bytes": base64.b64encode(inner).decode()}


def _payloads(body: bytes) -> Iterator[bytes]:
    for piece in split(body):
        try:
            yield from (frame.payload for frame in frames(piece))
        except WireError:
            yield piece


def _repacked(payload: bytes, change: Callable[[bytes], bytes]) -> bytes:
    inner = _inner(payload)
    if inner is None or (changed := change(inner)) == inner:
        return change(payload)
    return change(json_bytes(json_object(payload, "an event") | packed(changed)))


def _inner(payload: bytes) -> bytes | None:
    try:
        found = json_object(payload, "an event")
        return unpacked(found) if isinstance(found.get("bytes"), str) else None
    except WireError:
        return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
