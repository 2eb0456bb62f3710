"""Request bodies as they were before a client packed them."""

import importlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from agentcheck.wire import WireError, header

LARGEST: Final = 64 * 2**20  # bytes of a request, unpacked
_NOT_RAW: Final = 32 + zlib.MAX_WBITS  # gzip or zlib, by the first bytes


class TooLarge(Exception):
    """A request beyond what any model takes."""


def unpacked(body: bytes, headers: Mapping[str, str], *, largest: int = LARGEST) -> bytes:
    """Raises TooLarge, or WireError where the body is not packed as its header says (RFC 9110, 8.4)."""
    named = header(headers, "content-encoding").lower()
    for encoding in reversed([name.strip() for name in named.split(",")]):
        if not body or encoding in ("", "identity"):
            continue
        if encoding not in _ENGINES:
            raise WireError(f"a body with content-encoding {encoding!r} cannot be read; send it as gzip, or plain")
        body = _ENGINES[encoding](body, largest)
        if len(body) > largest:
            raise TooLarge
    return body


def _gzip(body: bytes, largest: int) -> bytes:
    """All members of it, one after the other."""
    found, rest = b"", body
    while rest and len(found) <= largest:
        more, rest = _inflated(rest, _NOT_RAW, largest - len(found), "gzip")
        found += more
    return found


def _deflate(body: bytes, largest: int) -> bytes:
    """With the zlib header that the standard wants, or raw, as some clients send it."""
    zlib_header = body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _inflated(body, _NOT_RAW if zlib_header else -zlib.MAX_WBITS, largest, "deflate")[0]


def _inflated(body: bytes, window: int, largest: int, encoding: str) -> tuple[bytes, bytes]:
    """The content, of which at most one byte too many is made, and what follows its end."""
    engine = zlib.decompressobj(window)
    try:
        found = engine.decompress(body, largest + 1)
    except zlib.error as error:
        raise WireError(f"the body is not {encoding}: {error}") from None
    if not engine.eof and len(found) <= largest:
        raise WireError(f"the body is not {encoding}: it was cut off")
    return found, engine.unused_data


def _brotli(body: bytes, largest: int) -> bytes:
    try:
        brotli: Any = importlib.import_module("brotli")
    except ImportError:
        raise WireError("a body with content-encoding 'br' needs the package brotli: pip install brotli") from None
    engine, found, given = brotli.Decompressor(), b"", body
    try:
        while not engine.is_finished() and len(found) <= largest:
            more = engine.process(given, output_buffer_limit=largest + 1 - len(found))
            given = b""
            if not more and engine.can_accept_more_data() and not engine.is_finished():
                raise WireError("the body is not brotli: it was cut off")
            found += more
    except brotli.error as error:
        raise WireError(f"the body is not brotli: {error}") from None
    return found


_ENGINES: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
}
