"""What goes wrong on the socket itself, as frozen descriptions that read as sentences.

`after` counts the pieces of the body that still arrive whole.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Resets:
    """The connection is reset (RST): before the reply begins, or after so many pieces of its body."""

    after: int | None = None


@dataclass(frozen=True, slots=True)
class Stalls:
    """After so many pieces (None: before the head) nothing comes: for these seconds, or until one side gives up."""

    after: int | None = 1
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Cuts:
    """The connection is closed (FIN) in the middle of a piece, and the body never ended."""

    after: int = 1


@dataclass(frozen=True, slots=True)
class SlowFirstByte:
    """The first byte of the reply comes after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HalfCloses:
    """After so many pieces the server shuts down its side, and goes on reading."""

    after: int = 0


SocketFault: TypeAlias = Resets | Stalls | Cuts | SlowFirstByte | HalfCloses
