"""Request bodies as they were before a client packed them."""

import zlib
from collections.abc import Mapping
from typing import Final

from agentcheck.wire import WireError, header

LARGEST: Final = 64 * 2**20  # bytes of a request, unpacked
_WINDOWS: Final = {"gzip": 31, "deflate": 15}


class TooLarge(Exception):
    """A request beyond what any model takes."""


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Raises TooLarge, or WireError where the body is not packed as its header says."""
    encoding = header(headers, "content-encoding").lower().strip()
    if not body or encoding in ("", "identity"):
        return body
    if encoding not in _WINDOWS:
        raise WireError(f"a body with content-encoding {encoding!r} cannot be read; send it as gzip, or plain")
    try:
        engine = zlib.decompressobj(_WINDOWS[encoding])
        found = engine.decompress(body, LARGEST)
    except zlib.error as error:
        raise WireError(f"the body is not {encoding}: {error}") from None
    if engine.unconsumed_tail:
        raise TooLarge
    return found
