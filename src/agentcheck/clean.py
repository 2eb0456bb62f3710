"""What may be kept of an exchange: allowed headers alone, and no credential in any part of it."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from agentcheck.dialects import bedrock, dialect_of, eventstream
from agentcheck.replay import leaves
from agentcheck.secrets import find, scrub, scrub_url
from agentcheck.wire import Exchange, WireError, WireReply, WireRequest, sse_events

# What a reader needs to understand the body, or an agent to wait rightly; nothing that names an account.
REQUEST_HEADERS: Final = frozenset(
    {"accept", "content-type", "anthropic-version", "anthropic-beta", "openai-beta", "api-version", "x-amz-target"}
    | {"x-amzn-bedrock-accept", "x-amzn-bedrock-trace", "x-amzn-bedrock-performanceconfig-latency"}
)
REPLY_HEADERS: Final = frozenset(
    {"content-type", "retry-after", "retry-after-ms", "x-should-retry", "x-amzn-errortype"}
    | {"x-amzn-bedrock-content-type", "x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count"}
)


def cleaned(exchange: Exchange, known: tuple[str, ...] = ()) -> Exchange:
    """The exchange with allowed headers alone, and without secrets in URL, headers and bodies."""
    request, reply = exchange.request, exchange.reply
    return Exchange(
        WireRequest(
            request.method,
            scrub_url(request.url, known=known),
            _clean_headers(request.headers, REQUEST_HEADERS, known),
            _clean_bytes(request.body, known),
        ),
        WireReply(reply.status, _clean_headers(reply.headers, REPLY_HEADERS, known), _clean_chunks(reply, known)),
        exchange.times,
    )


def _clean_headers(headers: Mapping[str, str], allowed: frozenset[str], known: tuple[str, ...]) -> dict[str, str]:
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in allowed}
    return {name: scrub(value, known=known) for name, value in sorted(kept.items())}


def _clean_bytes(body: bytes, known: tuple[str, ...]) -> bytes:
    """Frames with checksums get right ones again."""
    if eventstream.begins(body):
        return bedrock.rewritten(body, lambda said: _clean_text(said, known))
    return _clean_text(body, known)


def _clean_text(body: bytes, known: tuple[str, ...]) -> bytes:
    try:
        text = body.decode()
    except UnicodeDecodeError:  # latin-1 keeps every byte, and credentials are ASCII
        return scrub(body.decode("latin-1"), known=known).encode("latin-1")
    return scrub(text, known=known).encode()


def _clean_chunks(reply: WireReply, known: tuple[str, ...]) -> tuple[bytes, ...]:
    """Piece by piece, so that the boundaries stay; as one piece where a secret lies across a boundary."""
    whole = _clean_bytes(reply.body, known)
    pieces = tuple(_clean_bytes(chunk, known) for chunk in reply.chunks)
    return pieces if b"".join(pieces) == whole else (whole,)


def spread_over_stream(exchange: Exchange, known: tuple[str, ...]) -> list[tuple[str, str]]:
    """Credentials that show only once the events of a stream are put together."""
    if not exchange.reply.is_stream:
        return []
    said = [*_fields(exchange.reply), *_decided(exchange)]
    return [(kind, f"{where} of the streamed text") for text in said for kind, where in find(text, known=known)]


def _decided(exchange: Exchange) -> Iterator[str]:
    dialect = dialect_of(exchange.request)
    if dialect is not None:
        with contextlib.suppress(WireError):
            decision = dialect.parse_reply(exchange.reply)
            yield decision.text
            yield from (call.arguments for call in decision.calls)


def _fields(reply: WireReply) -> Iterable[str]:
    """Each field of the events, put together over all of them: in any format, and of a stream that was cut too."""
    fields: dict[str, list[str]] = {}
    events = [data for _, data in sse_events(reply.body)] or _readable(reply.body).splitlines()
    for event in events:
        with contextlib.suppress(ValueError, RecursionError):
            for path, value in leaves(json.loads(event)):
                if isinstance(value, str):
                    fields.setdefault(path, []).append(value)
    return map("".join, fields.values())


def secrets_in(exchanges: Sequence[Exchange], path: Path, known: tuple[str, ...] = ()) -> list[str]:
    """A sentence for each credential in the exchanges of this file; `known` values are credentials too."""
    found = []
    for number, exchange in enumerate(exchanges, 1):
        for part, text in _parts(exchange):
            found += [
                f"{path} holds a credential: {kind} ({where}) in the {part} of exchange {number}; "
                "remove it, make it invalid at its issuer, and record again"
                for kind, where in find(text, known=known)
            ]
    return found


def removed(before: Exchange, after: Exchange) -> Iterator[str]:
    """What cleaning has taken out of an exchange, a phrase each, without a word of it."""
    for (part, old), (_, new) in zip(_parts(before), _parts(after), strict=True):
        kinds = [f"{kind} ({where})" for kind, where in find(old)]
        if kinds and "headers" not in part:
            yield f"{part}: {', '.join(kinds)}"
        elif part == "URL" and old != new:
            yield "URL: user, password or keys"
    headers = (before.request.headers, after.request.headers), (before.reply.headers, after.reply.headers)
    for part, (had, has) in zip(("request", "reply"), headers, strict=True):
        names = sorted({name.lower() for name in had} - set(has))
        if names:
            yield f"{part} headers: {', '.join(names)}"


def _parts(exchange: Exchange) -> Iterator[tuple[str, str]]:
    request, reply = exchange.request, exchange.reply
    yield "URL", request.url
    yield "request headers", "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    yield "request body", _readable(request.body)
    yield "reply headers", "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
    yield "reply body", _readable(reply.body)


def _readable(body: bytes) -> str:
    return bedrock.readable(body) if eventstream.begins(body) else body.decode("utf-8", "replace")
