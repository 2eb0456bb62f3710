"""Amazon's event-stream framing (application/vnd.amazon.eventstream): frames of headers and a payload, with checksums.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html. A frame is its length and that of its headers, a CRC-32 of
both, the headers, the payload, and a CRC-32 of all before it; numbers are big-endian.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from agentcheck.wire import WireError

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"

_PRELUDE: Final = struct.Struct("!III")
_CRC: Final = struct.Struct("!I")
_LARGEST: Final = 24 * 2**20  # bytes of one frame, as Amazon bounds it
_STRING: Final = 7
# Bytes of a header's value by its type; those of types 6 and 7 say their own length.
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


@dataclass(frozen=True, slots=True)
class Frame:
    """One event; headers of text alone, which is all that Bedrock sends."""

    headers: Mapping[str, str]
    payload: bytes


def encoded(frame: Frame) -> bytes:
    """The bytes of one frame."""
    headers = b"".join(_header(name, value) for name, value in frame.headers.items())
    total = _PRELUDE.size + len(headers) + len(frame.payload) + _CRC.size
    lengths = struct.pack("!II", total, len(headers))
    body = lengths + _CRC.pack(crc32(lengths)) + headers + frame.payload
    return body + _CRC.pack(crc32(body))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text


def frames(body: bytes) -> Iterator[Frame]:
    """The frames of a body, in order. Raises WireError where one is cut off or its checksum does not hold."""
    at = 0
    while at < len(body):
        size = _size(body, at)
        yield _frame(body[at : at + size])
        at += size


def _size(body: bytes, at: int) -> int:
    if len(body) - at < _PRELUDE.size:
        raise WireError("the event stream was cut off inside the head of a frame")
    size, headers, checksum = _PRELUDE.unpack_from(body, at)
    if crc32(body[at : at + 8]) != checksum:
        raise WireError("the event stream is damaged: the checksum of a frame's head does not hold")
    if size > _LARGEST or size < _PRELUDE.size + headers + _CRC.size:
        raise WireError(f"the event stream has a frame of {size} bytes, which cannot be")
    if len(body) - at < size:
        raise WireError("the event stream was cut off inside a frame")
    return int(size)


def _frame(whole: bytes) -> Frame:
    if crc32(whole[: -_CRC.size]) != _CRC.unpack(whole[-_CRC.size :])[0]:
        raise WireError("the event stream is damaged: the checksum of a frame does not hold")
    headers_end = _PRELUDE.size + _PRELUDE.unpack_from(whole)[1]
    headers = dict(_headers(whole[_PRELUDE.size : headers_end]))
    return Frame(headers, whole[headers_end : -_CRC.size])


def _headers(raw: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(raw):
        try:
            name_end = at + 1 + raw[at]
            name, kind = raw[at + 1 : name_end].decode(), raw[name_end]
            start = name_end + (3 if kind in (6, _STRING) else 1)
            size = struct.unpack_from("!H", raw, name_end + 1)[0] if kind in (6, _STRING) else _SIZES[kind]
        except (IndexError, KeyError, UnicodeDecodeError, struct.error):
            raise WireError("the event stream has a frame whose headers cannot be read") from None
        if kind == _STRING:
            yield name, raw[start : start + size].decode("utf-8", "replace")
        at = start + size


def reframed(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The same frames with `change` made to each payload, and checksums that hold. Raises WireError."""
    return b"".join(encoded(Frame(frame.headers, change(frame.payload))) for frame in frames(body))
