"""Amazon's event-stream framing (application/vnd.amazon.eventstream): frames of headers and a payload, with checksums.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html. A frame is its length and that of its headers, a CRC-32 of
both, the headers, the payload, and a CRC-32 of all before it; numbers are big-endian.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from agentcheck.wire import WireError

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"

_PRELUDE: Final = struct.Struct("!III")
_CRC: Final = struct.Struct("!I")
_LARGEST: Final = 24 * 2**20  # bytes of one frame's payload, as Amazon bounds it
_LARGEST_HEADERS: Final = 128 * 2**10  # bytes
_STRING: Final = 7
_LONG: Final = (6, _STRING)  # types of header whose values say their own length
# Bytes of a header's value by its type, of the others.
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


@dataclass(frozen=True, slots=True)
class Frame:
    """One event; of its headers those that are text, which is all that Bedrock sends."""

    headers: Mapping[str, str]
    payload: bytes


def encoded(frame: Frame) -> bytes:
    """The bytes of one frame."""
    return _sealed(b"".join(_header(name, value) for name, value in frame.headers.items()), frame.payload)


def _sealed(headers: bytes, payload: bytes) -> bytes:
    total = _PRELUDE.size + len(headers) + len(payload) + _CRC.size
    lengths = struct.pack("!II", total, len(headers))
    body = lengths + _CRC.pack(crc32(lengths)) + headers + payload
    return body + _CRC.pack(crc32(body))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text


def begins(body: bytes) -> bool:
    """Whether a body begins as a frame does, whatever its media type says, and as no text does."""
    return body[:1] == b"\0"


def frames(body: bytes) -> Iterator[Frame]:
    """The frames of a body, in order. Raises WireError where one is cut off or its checksum does not hold."""
    for whole in _wholes(body):
        headers, payload = _opened(whole)
        yield Frame(_named(headers), payload)


def split(body: bytes) -> tuple[bytes, ...]:
    """A body frame by frame; what is no whole frame, at its end, as one more piece."""
    found: list[bytes] = []
    with suppress(WireError):
        for whole in _wholes(body):
            found.append(whole)
    rest = body[sum(map(len, found)) :]
    return (*found, rest) if rest else tuple(found)


def reframed(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The same frames with `change` made to each payload, and checksums that hold; headers stay byte for byte.

    `change` is made to what is no whole frame as it is.
    """
    return b"".join(_changed(piece, change) for piece in split(body))


def _changed(piece: bytes, change: Callable[[bytes], bytes]) -> bytes:
    try:
        headers, payload = _opened(next(_wholes(piece)))
    except WireError:
        return change(piece)
    return _sealed(headers, change(payload))


def _wholes(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        size = _size(body, at)
        yield body[at : at + size]
        at += size


def _size(body: bytes, at: int) -> int:
    if len(body) - at < _PRELUDE.size:
        raise WireError("the event stream was cut off inside the head of a frame")
    size, headers, checksum = _PRELUDE.unpack_from(body, at)
    if crc32(body[at : at + 8]) != checksum:
        raise WireError("the event stream is damaged: the checksum of a frame's head does not hold")
    payload = size - headers - _PRELUDE.size - _CRC.size
    if not (0 <= payload <= _LARGEST and headers <= _LARGEST_HEADERS):
        raise WireError(f"the event stream has a frame of {size} bytes, {headers} of them headers, which cannot be")
    if len(body) - at < size:
        raise WireError("the event stream was cut off inside a frame")
    return int(size)


def _opened(whole: bytes) -> tuple[bytes, bytes]:
    """The headers and the payload of one frame, as bytes."""
    if crc32(whole[: -_CRC.size]) != _CRC.unpack(whole[-_CRC.size :])[0]:
        raise WireError("the event stream is damaged: the checksum of a frame does not hold")
    end = _PRELUDE.size + _PRELUDE.unpack_from(whole)[1]
    return whole[_PRELUDE.size : end], whole[end : -_CRC.size]


def _named(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(raw):
        name, value, at = _header_at(raw, at)
        if isinstance(value, str):
            found[name] = value
    return found


def _header_at(raw: bytes, at: int) -> tuple[str, str | None, int]:
    """The name of the header at this place, its value where that is text, and where the next one begins."""
    try:
        name_end = at + 1 + raw[at]
        name, kind = raw[at + 1 : name_end].decode(), raw[name_end]
        start = name_end + (3 if kind in _LONG else 1)
        end = start + (struct.unpack_from("!H", raw, name_end + 1)[0] if kind in _LONG else _SIZES[kind])
        value = raw[start:end].decode() if kind == _STRING else None
    except (IndexError, KeyError, UnicodeDecodeError, struct.error):
        raise WireError("the event stream has a frame whose headers cannot be read") from None
    if end > len(raw):
        raise WireError("the event stream has a frame whose headers cannot be read: the last one is cut off")
    return name, value, end
