"""Untrusted text on a page of fixed width: neutralised, measured, trimmed and wrapped.

Nothing that an agent, a tool or a model said reaches a terminal with a control character, an escape
sequence or a change of writing direction in it: such characters are shown by their escapes.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TextIO

_PLAIN: Final = str.maketrans(
    {"…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "→": "->", "≥": ">=", "≤": "<="}
)
_INDENT: Final = re.compile(" *")
_MOST_INDENT: Final = 16


def clean(text: str) -> str:
    """Text without control, format, unassigned or surrogate characters; line feeds stay, tabs become spaces."""
    text = text.replace("\r\n", "\n").expandtabs(4)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(map(_visible, text))


def visible(document: str) -> str:
    """A JSON document with the same meaning, in which those characters stand as JSON escapes."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in document)


def _visible(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def columns(text: str) -> int:
    """Columns that cleaned text takes, never too few: combining marks count as one, wide characters as two."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@dataclass(frozen=True, slots=True)
class Paper:
    """What is written on: its width in columns, and the characters that it can show."""

    width: int = 80
    encoding: str = "utf-8"

    @classmethod
    def of(cls, stream: TextIO, *, width: int = 80) -> "Paper":
        return cls(width, getattr(stream, "encoding", None) or "ascii")

    def shows(self, text: str) -> bool:
        try:
            text.encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    @property
    def ellipsis(self) -> str:
        return "…" if self.shows("…") else "..."

    def clean(self, text: str) -> str:
        """Text as it can safely be shown here: see the function `clean`."""
        text = clean(text)
        if self.shows(text):
            return text
        plain = text.translate(_PLAIN)
        encoding = self.encoding if self.shows("") else "ascii"
        return plain.encode(encoding, "backslashreplace").decode(encoding)

    def line(self, text: str, width: int | None = None) -> str:
        """All of `text` on one line, trimmed to the width."""
        return self.trim(" ".join(self.clean(text).split()), self.width if width is None else width)

    def trim(self, text: str, width: int) -> str:
        """Cleaned text cut to at most `width` columns, with an ellipsis where something is missing."""
        if columns(text) <= width:
            return text
        room = width - len(self.ellipsis)
        fitting = sum(1 for total in accumulate(map(_columns, text[: max(room, 0)])) if total <= room)
        return text[:fitting] + self.ellipsis[: max(width, 0)]

    def wrap(self, text: str, *, first: str = "", rest: str | None = None, most: int | None = None) -> list[str]:
        """Text as lines that fit: `first` and `rest` go before them, at most `most` lines are shown.

        Line ends and indentation of the text are kept; a word longer than a line is trimmed.
        """
        rest = " " * columns(first) if rest is None else rest
        room = self.width - max(columns(first), columns(rest))
        body = [line for source in self.clean(text).split("\n") for line in self._fold(source.rstrip(), room)]
        if most is not None and len(body) > most:
            body = [*body[: most - 1], f"{self.ellipsis} ({len(body) - most + 1} more lines)"]
        return [(rest if n else first) + line for n, line in enumerate(body)]

    def _fold(self, source: str, room: int) -> list[str]:
        if columns(source) <= room:
            return [source]
        indent = " " * min(len(_INDENT.match(source)[0]), _MOST_INDENT, room // 2)  # type: ignore[index]
        lines = [indent]
        for word in source.split():
            word = self.trim(word, room - len(indent))
            apart = " " if lines[-1].strip() else ""
            if columns(lines[-1]) + len(apart) + columns(word) <= room:
                lines[-1] += apart + word
            else:
                lines.append(indent + word)
        return lines


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and how it looks where there is colour: names such as bold and red."""

    text: str = ""
    markup: tuple[str, ...] = ()


Emit = Callable[..., object]
_ANSI: Final = {"bold": 1, "red": 31, "green": 32, "yellow": 33, "cyan": 36}


def printer(stream: TextIO, environ: Mapping[str, str]) -> Emit:
    """`emit(text, **markup)` onto a stream; coloured only on a terminal, and never where NO_COLOR is set."""
    coloured = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

    def emit(text: str, **markup: bool) -> None:
        codes = ";".join(str(_ANSI[name]) for name, on in markup.items() if on)
        stream.write(f"\x1b[{codes}m{text}\x1b[0m\n" if coloured and codes else text + "\n")

    return emit
