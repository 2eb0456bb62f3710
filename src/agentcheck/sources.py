"""Files that may hold a prompt: which are the user's own, and what text is in each."""

import ast
import json
import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from agentcheck.passages import SHINGLE, Rows, rows, words

LARGEST: Final = 2 * 2**20  # bytes of one file
MOST_BYTES: Final = 96 * 2**20  # read in one search
_DOCUMENTS: Final = (".md", ".mdx", ".txt", ".rst", ".html", ".xml", ".csv", ".yaml", ".yml", ".toml", ".json", ".ini")
_TEMPLATES: Final = (".prompt", ".prompty", ".poml", ".baml", ".jinja", ".jinja2", ".j2", ".tmpl", ".mustache", ".hbs")
_PROGRAMS: Final = (".js", ".mjs", ".ts", ".tsx", ".jsx", ".go", ".rs", ".rb", ".java", ".kt", ".php", ".cs", ".sh")
TEXT: Final = frozenset((*_DOCUMENTS, *_TEMPLATES, *_PROGRAMS))
_TOOLING: Final = (".git", ".hg", ".svn", ".tox", ".nox", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")
_INSTALLED: Final = (".venv", "venv", "node_modules", "site-packages", "dist-packages", "build", "dist")
# Copies of what was sent are no source of it.
_COPIES: Final = ("cassettes", "recordings", "__snapshots__", ".agentcheck", ".hypothesis", "htmlcov")
SKIPPED: Final = frozenset((*_TOOLING, *_INSTALLED, *_COPIES))
_PLACEHOLDER: Final = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{[^{}\n]{0,80}\}|\$\{?\w+\}?|%\(\w+\)[sdr]|%[sdr]\b|<\w+>"
)
_ESCAPE: Final = re.compile(r"\\[nrtbf]")


class Source:
    """One file, read when it is first needed; `touched` where the agent has read or loaded it."""

    def __init__(self, path: Path, *, touched: bool = False):
        self.path = path
        self.touched = touched

    @cached_property
    def text(self) -> str:
        """What is in the file; "" where it is too large, unreadable or no text."""
        try:
            if self.path.stat().st_size > LARGEST:
                return ""
            content = self.path.read_bytes()
        except OSError:
            return ""
        return "" if b"\0" in content[:4096] else content.decode("utf-8", "replace")

    @cached_property
    def _held(self) -> Container[str]:
        """The words of the file, one way or the other: it is dearer to take a text apart than to search it once."""
        return frozenset(words(_ESCAPE.sub(" ", self.text))) if self.touched else self.text.lower()

    def line_of(self, excerpt: str) -> int:
        """The line in which the words of an excerpt begin, as far as they stand there as they are; 0 else."""
        for length in (6, SHINGLE, 3):
            wanted = r"\W+".join(map(re.escape, words(excerpt)[:length]))
            found = re.search(wanted, self.text, re.IGNORECASE) if wanted else None
            if found:
                return self.text.count("\n", 0, found.start()) + 1
        return 0

    def may_hold(self, rows_of_anchors: Iterable[Sequence[str]]) -> bool:
        """Whether most of the words of one of these rows are in the file, so that it is worth reading closely."""
        return any(sum(a in self._held for a in anchors) * 2 > len(anchors) for anchors in rows_of_anchors)

    @cached_property
    def rows(self) -> Rows:
        """The rows of words in the file's texts, which are taken one after the other."""
        return rows([words("\n".join(self._texts)), *self._parts])

    @cached_property
    def raw_rows(self) -> Rows:
        """The rows of words in the file as it is written: nearly the same, and much cheaper for a program."""
        return rows([words(_ESCAPE.sub(" ", self.text))])

    @cached_property
    def short_rows(self) -> Rows:
        """Short texts, and what stands between the blanks of templates: at least two words, each entire."""
        return rows(self._parts, whole=2)

    @cached_property
    def _parts(self) -> list[list[str]]:
        return [words(part) for text in self._texts for part in _parts(text)]

    @cached_property
    def _texts(self) -> list[str]:
        constants = _constants(self.text) if self.path.suffix == ".py" else None
        if constants is not None:
            return constants
        inside = _json_texts(self.text) if self.path.suffix == ".json" and "\\u" in self.text else ()
        return [*inside, _ESCAPE.sub(" ", self.text)]


def _constants(code: str) -> list[str] | None:
    """The string constants of Python source in the order in which they stand; None where it is not Python."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [str(n.value) for n in sorted(found, key=lambda n: (n.lineno, n.col_offset))]


def _json_texts(text: str) -> Iterator[str]:
    from agentcheck.instructions import spoken

    try:
        yield from spoken(json.loads(text))
    except (ValueError, RecursionError):
        return


def _parts(text: str) -> list[str]:
    """What stands between the blanks of a template; a short text is a part by itself."""
    parts = _PLACEHOLDER.split(text)
    return parts if len(parts) > 1 or len(text) < 80 else []


# --- which files -------------------------------------------------------------------------------


def walk(folder: Path, *, skipped: Iterable[str] = (), suffixes: frozenset[str] = TEXT | {".py"}) -> Iterator[Path]:
    """The files under a folder that may hold text, in a fixed order; environments and recordings are left out."""
    unwanted = SKIPPED | set(skipped)
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in unwanted and not _is_environment(Path(place, f)))
        yield from (Path(place, n) for n in sorted(names) if Path(n).suffix in suffixes and n != "agentcheck.lock")


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").exists()


def within(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a file is in one of the folders and belongs there: not to a package installed in it."""
    for folder in folders:
        if path == folder:
            return True
        if path.is_relative_to(folder):
            inside = path.relative_to(folder).parts[:-1]
            ours = (folder.joinpath(*inside[: n + 1]) for n in range(len(inside)))
            if not SKIPPED & set(inside) and not any(_is_environment(f) for f in ours):
                return True
    return False


def package_folders(files: Iterable[Path]) -> list[Path]:
    """The folders of the installed packages to which these module files belong."""
    found: dict[Path, None] = {}
    for file in files:
        for parent in file.parents:
            if parent.parent.name in ("site-packages", "dist-packages"):
                found[parent] = None
    return list(found)
