"""Text as words, and which words of one text also stand in others: compared without whitespace and punctuation."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SHINGLE: Final = 4  # words in a row that make two texts related
_CJK: Final = "⺀-鿿가-힯豈-﫿"  # scripts without spaces: each sign is a word
_WORD: Final = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])\w)+")


def words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


@dataclass(frozen=True, slots=True)
class Gap:
    """Words `first` to `last` (exclusive) of a passage, of which nothing is known yet."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of words by their length."""

    of: Mapping[int, set[tuple[str, ...]]]


class Passage:
    """One text of which each word is to be attributed to an owner; the first that claims a word keeps it."""

    def __init__(self, text: str):
        self._places = list(_WORD.finditer(text))
        self.text = text
        self.words = [place[0].lower() for place in self._places]
        self.owners: list[str | None] = [None] * len(self.words)

    def claim(self, owner: str, rows: "Rows") -> None:
        """Attribute the words that stand here in one of these rows; longer rows first."""
        for size in sorted(rows.of, reverse=True):
            known = rows.of[size]
            for at in range(len(self.words) - size + 1):
                if tuple(self.words[at : at + size]) in known:
                    self._take(owner, at, at + size)

    def unclaimed(self) -> set[tuple[str, ...]]:
        """The rows of `SHINGLE` words in which nobody has claimed any."""
        spans = ((gap.first, gap.last) for gap in self.gaps())
        return {tuple(self.words[at : at + SHINGLE]) for a, b in spans for at in range(a, b - SHINGLE + 1)}

    def _take(self, owner: str, first: int, last: int) -> None:
        for index in range(first, last):
            if self.owners[index] is None:
                self.owners[index] = owner

    def gaps(self) -> Iterator[Gap]:
        """The rows of words that nobody has claimed."""
        first = None
        for index, owner in enumerate([*self.owners, "end"]):
            if owner is None and first is None:
                first = index
            elif owner is not None and first is not None:
                yield Gap(first, index)
                first = None

    def fill(self, gap: Gap, owner: str) -> None:
        self._take(owner, gap.first, gap.last)

    def neighbours(self, gap: Gap) -> set[str | None]:
        """Who owns the words directly before and after."""
        before = {self.owners[gap.first - 1]} if gap.first else set()
        return before | ({self.owners[gap.last]} if gap.last < len(self.words) else set())

    def excerpt(self, gap: Gap, most: int = 80) -> str:
        """The words of a gap as they were written."""
        text = self.text[self._places[gap.first].start() : self._places[gap.last - 1].end()]
        line = " ".join(text.split())
        return line if len(line) <= most else line[: most - 1] + "…"

    def weight(self, *owners: str | None) -> int:
        """How many characters the words of these owners have; of all, where none is named."""
        pairs = zip(self.words, self.owners, strict=True)
        return sum(len(word) for word, owner in pairs if not owners or owner in owners)


def rows(pieces: Iterable[Sequence[str]], *, whole: int = SHINGLE) -> Rows:
    """The rows of `SHINGLE` words in these pieces, and shorter pieces entire where they have `whole` words or more."""
    found: dict[int, set[tuple[str, ...]]] = {}
    for piece in pieces:
        size = min(SHINGLE, len(piece))
        if size == SHINGLE or size >= whole:
            parts = found.setdefault(size, set())
            parts.update(zip(*(piece[n:] for n in range(size)), strict=False))
    return Rows({size: parts for size, parts in found.items() if size})
