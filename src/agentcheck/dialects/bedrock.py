"""What both of Bedrock's formats share: addresses, errors, and events in Amazon's framing."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from agentcheck.dialects.eventstream import MEDIA_TYPE, Frame, encoded, frames
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
            raise WireError(f"the stream broke off with an error: {kind} {brief(_said(frame.payload))}".rstrip())
        yield frame.headers.get(":event-type", ""), json_object(frame.payload, "an event of the stream")


def _said(payload: bytes) -> str:
    try:
        return str(json.loads(payload)["message"])
    except (ValueError, TypeError, KeyError):
        return payload.decode("utf-8", "replace")


def is_stream(reply: WireReply) -> bool:
    """By its header or, where that is lost, by what no JSON begins with."""
    return reply.is_stream or reply.body[:1] == b"\x00"
