"""Ways to spoil a host's snapshot on purpose: what a full disk, a bad copy or an old program leaves behind."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agentcheck.stored import is_sqlite, opened, reading, tables

UNKNOWN: Final = 987_654  # a version that no program has
_VERSIONS: Final = ("version", "schema_version", "format_version", "user_version", "schema", "format", "v")
_GARBAGE: Final = b"\x00\xffthis is no snapshot\xfe\n" * 40


@dataclass(frozen=True, slots=True)
class Damage:
    """One way to spoil a file; `apply` says whether the file has what it spoils.

    It is given the same file of another, later run too, where there is one: a number that
    changed since is a counter, and no version of the format.
    """

    name: str
    apply: Callable[[Path, Path], bool]


def _truncated(path: Path, later: Path) -> bool:
    return _written(path, path.read_bytes()[: path.stat().st_size // 2])


def _emptied(path: Path, later: Path) -> bool:
    return _written(path, b"")


def _unparsable(path: Path, later: Path) -> bool:
    return _written(path, _GARBAGE)


def _of_unknown_version(path: Path, later: Path) -> bool:
    here, there = versions(path), versions(later) if later.is_file() else {}
    fixed = [where for where, value in here.items() if there.get(where, value) == value]
    for where in fixed:
        _set_version(path, where)
    return bool(fixed)


def _without_its_schema(path: Path, later: Path) -> bool:
    """The largest table under another name, or all parts of a document under other names."""
    if is_sqlite(path):
        with opened(path) as rows:
            sizes = {t: rows.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in tables(rows)}
            largest = max(sizes, key=lambda t: sizes[t], default=None)
            if largest is not None:
                rows.execute(f'ALTER TABLE "{largest}" RENAME TO "another_{largest}"')
        return largest is not None
    document = _json(path)
    if not isinstance(document, (dict, list)) or not document:
        return False
    parts = document.items() if isinstance(document, dict) else enumerate(document)
    return _written(path, json.dumps({f"another_{k}": v for k, v in parts}).encode())


DAMAGES: Final = (
    Damage("truncated", _truncated),
    Damage("empty", _emptied),
    Damage("unparsable", _unparsable),
    Damage("of an unknown version", _of_unknown_version),
    Damage("without its schema", _without_its_schema),
)

# --- versions -------------------------------------------------------------------------------------


def versions(path: Path) -> dict[tuple[str, ...], Any]:
    """Where a file seems to keep the version of its format, and which it is: small whole numbers only."""
    if not is_sqlite(path):
        document = _json(path)
        parts = document.items() if isinstance(document, dict) else ()
        return {(k,): v for k, v in parts if k.lower() in _VERSIONS and _is_version(v)}
    with reading(path) as rows:
        found: dict[tuple[str, ...], Any] = {("PRAGMA",): rows.execute("PRAGMA user_version").fetchone()[0]}
        for table in tables(rows):
            with contextlib.suppress(sqlite3.Error):
                found |= _in_table(rows, table)
    return {where: v for where, v in found.items() if _is_version(v)}


def _in_table(rows: sqlite3.Connection, table: str) -> dict[tuple[str, ...], Any]:
    """Columns of that name, and rows of a table of keys and values."""
    columns = [name for _, name, *_ in rows.execute(f'PRAGMA table_info("{table}")').fetchall()]
    found: dict[tuple[str, ...], Any] = {}
    for column in (c for c in columns if c.lower() in _VERSIONS):
        held = rows.execute(f'SELECT DISTINCT "{column}" FROM "{table}"').fetchall()
        found[table, column] = held[0][0] if len(held) == 1 else None
    if len(columns) == 2:
        for key, value in rows.execute(f'SELECT * FROM "{table}"').fetchall():
            if isinstance(key, str) and key.lower() in _VERSIONS:
                found[table, columns[0], columns[1], key] = value
    return found


def _set_version(path: Path, where: tuple[str, ...]) -> None:
    if not is_sqlite(path):
        document = _json(path)
        document[where[0]] = UNKNOWN if isinstance(document[where[0]], int) else str(UNKNOWN)
        path.write_text(json.dumps(document), encoding="utf-8")
        return
    with opened(path) as rows:
        if where == ("PRAGMA",):
            rows.execute(f"PRAGMA user_version = {UNKNOWN}")
        elif len(where) == 2:
            rows.execute(f'UPDATE "{where[0]}" SET "{where[1]}" = ?', (UNKNOWN,))
        else:
            table, key, value, name = where
            rows.execute(f'UPDATE "{table}" SET "{value}" = ? WHERE "{key}" = ?', (str(UNKNOWN), name))


def _is_version(value: Any) -> bool:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 1_000


def _written(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    return True


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None
