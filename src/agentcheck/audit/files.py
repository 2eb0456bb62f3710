"""The files that may be recordings: those that were named, and those of that kind in the folders that were named."""

import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from agentcheck.finding import HarnessError

KINDS: Final = (".yaml", ".yml", ".json", ".jsonl")
_SKIPPED: Final = frozenset(("node_modules", "site-packages", "__pycache__", "venv"))
# How a recording of any known format begins a list of exchanges, or its first line.
_SIGNS: Final = re.compile(
    rb'^["\']?(?:interactions|requests|responses)["\']?\s*:|[{,]\s*"(?:interactions|requests|responses)"\s*:\s*\[|'
    rb'^(?:\xef\xbb\xbf)?\{"agentcheck"',
    re.MULTILINE,
)
_LOOKED_AT: Final = 1 << 20  # bytes


def found(paths: Iterable[Path]) -> Iterator[Path]:
    """Every file that may be a recording, each once, in the order of the paths and of their names.

    Raises:
        HarnessError: a path does not exist; one sentence.
    """
    known: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise HarnessError(f"there is no file or folder {path}")
        for file in _within(path) if path.is_dir() else (path,):
            if file.resolve() not in known:
                known.add(file.resolve())
                yield file


def _within(folder: Path) -> Iterator[Path]:
    for inside, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
        yield from (Path(inside, name) for name in sorted(names) if name.lower().removesuffix(".gz").endswith(KINDS))


def resembles(path: Path) -> bool:
    """Whether a file that cannot be read has the marks of a recording: it is broken, then, and not something else."""
    try:
        with path.open("rb") as file:
            head = file.read(_LOOKED_AT)
    except OSError:
        return True
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(31).decompress(head, _LOOKED_AT)
        except (zlib.error, gzip.BadGzipFile):
            return False
    return bool(_SIGNS.search(head))
