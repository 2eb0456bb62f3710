"""The wire to a model: requests and replies as bytes, and what a provider's format must be able to do."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from agentcheck.messages import Decision, Request


class WireError(ValueError):
    """Bytes that are not what their format promises; the message is one sentence."""


class Uncarriable(WireError):
    """A decision that a format has no way to say, such as arguments that are no JSON where they are an object."""


class CassetteError(ValueError):
    """A recording that cannot be read, written or trusted; the message is one sentence: what, where, the mend."""


# Media types of streams: server-sent events, Amazon's framed events, a JSON object per line.
STREAMS: Final = ("text/event-stream", "application/vnd.amazon.eventstream", "application/x-ndjson")


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request to a model, its body already decompressed."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path of the address; none where it is no address."""
        return path_of(self.url)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises WireError where it is none."""
        return json_object(self.body, "the request body")


@dataclass(frozen=True, slots=True)
class WireReply:
    """One HTTP reply; `chunks` is the body as delivered: one piece of JSON, or one per event of a stream."""

    status: int
    headers: Mapping[str, str]
    chunks: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def is_stream(self) -> bool:
        """Whether the body comes in events, by its header or, where that is lost, by its first bytes."""
        if header(self.headers, "content-type").lower().startswith(STREAMS):
            return True
        return self.body.lstrip()[:6].startswith((b"data:", b"event:", b": ")) or self.body[:1] == b"\0"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request with its reply; `times` are the seconds from the request to each chunk, if known."""

    request: WireRequest
    reply: WireReply
    times: tuple[float, ...] = ()


@runtime_checkable
class Dialect(Protocol):
    """One provider's wire format, both ways; a module with these names is one."""

    @property
    def name(self) -> str: ...

    @property
    def array(self) -> str:
        """The field of a request's body that holds the array of messages."""

    def recognises(self, request: WireRequest) -> bool:
        """Whether this request is a model call in this format."""

    def parse(self, request: WireRequest) -> Request:
        """The request in canonical form. Raises WireError."""

    def reply(self, decision: Decision, request: Request) -> WireReply:
        """A successful reply that carries this decision: JSON, or events where `request.stream`.

        Raises Uncarriable where the format has no way to say it.
        """

    def failure(self, status: int, message: str, *, retry_after: float | None = None) -> WireReply:
        """The provider's own error body; `retry_after` in seconds."""

    def parse_reply(self, reply: WireReply) -> Decision:
        """What a reply decided. Raises WireError, for error replies and cut streams too."""

    def schema_error(self, parameters: Mapping[str, Any]) -> str | None:
        """What is wrong with a tool's parameters in this format's schema language; None when valid."""

    def messages_json(self, request: WireRequest) -> str:
        """The exact array of messages that was sent, indented for reading. Raises WireError."""


def path_of(url: str) -> str:
    """The path of an address; none where it is no address (as of an IPv6 host that is none)."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def header(headers: Mapping[str, str], name: str) -> str:
    """The header of this name in any case, "" where there is none."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def json_object(body: bytes | str, what: str) -> dict[str, Any]:
    """`body` as a JSON object. Raises WireError, which calls it `what`."""
    try:
        data = json.loads(body)
    except RecursionError:
        raise WireError(f"{what} is JSON nested too deeply to read") from None
    except ValueError as error:
        raise WireError(f"{what} is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise WireError(f"{what} is a JSON {type(data).__name__}, not an object")
    return data


def json_bytes(data: Any) -> bytes:
    """Compact JSON as UTF-8; text that UTF-8 cannot hold (lone surrogates) is escaped."""
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(data, separators=(",", ":")).encode()


_EVENT_END = re.compile(r"\r\n\r\n|\n\n|\r\r|\Z")
_LINE_END = re.compile(r"\r\n|\n|\r")


def sse_events(body: bytes) -> Iterator[tuple[str, str]]:
    """The (event name, data) pairs of a stream of server-sent events (WHATWG HTML, 9.2).

    An event that the end of the body cuts short is still given: what is in it is for the reader to judge.
    """
    for block in _EVENT_END.split(body.decode("utf-8", "replace").removeprefix("\ufeff")):
        name, data = "", []
        for line in _LINE_END.split(block):
            field, _, value = line.partition(":")
            if field == "event":
                name = value.removeprefix(" ")
            elif field == "data":
                data.append(value.removeprefix(" "))
        if data:
            yield name, "\n".join(data)
