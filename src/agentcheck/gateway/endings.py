"""Which piece of a stream could be its last: what it says, after which a client has all that it waits for."""

import base64
import re
from typing import Final

_FRAMED: Final = rb":event-type\x07\x00\x08metadata"  # a header of Amazon's framing
_IN_BASE64: Final = (b'"message_stop"', b'"messageStop"')  # of a model invoked at Amazon
OVERLAP: Final = 64  # bytes before a piece in which what it says may begin


def _in_base64(word: bytes) -> list[bytes]:
    """How a word looks in base64, wherever in a group of three bytes it begins."""
    shifts = ((shift, base64.b64encode(bytes(shift) + word)) for shift in range(3))
    return [packed[-(-shift * 8 // 6) : (shift + len(word)) * 8 // 6] for shift, packed in shifts]


# A reason that is null, as most pieces of Chat Completions say, ends nothing.
_LAST: Final = re.compile(
    b"|".join(
        [
            rb"\[DONE\]", rb"message_stop", rb"messageStop", rb"message-end", rb'"done": ?true', _FRAMED,
            rb"response\.(?:completed|incomplete|failed)", rb'finish_?[rR]eason"\s*:\s*[^n\s]',
            *(re.escape(packed) for word in _IN_BASE64 for packed in _in_base64(word)),
        ]
    )
)  # fmt: skip


def may_end(piece: bytes, before: bytes = b"") -> bool:
    """Whether a client could take a stream as whole with this piece; `before`: the OVERLAP bytes before it."""
    return bool(_LAST.search(before + piece))
