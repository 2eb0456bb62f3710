"""What a host keeps on disk, read and copied without knowing its format: SQLite, JSON, JSON Lines, any other file."""

import base64
import binascii
import contextlib
import json
import os
import pickletools
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agentcheck.wording import decoded, leaves

_SQLITE: Final = b"SQLite format 3\x00"
_SIDE_FILES: Final = ("-wal", "-shm", "-journal", ".lock")
_CODE: Final = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE"})


def files(store: Path) -> list[Path]:
    """The files of a store that hold something; locks and the side files of SQLite are left out."""
    found = [p for p in sorted(store.rglob("*")) if p.is_file() and not p.name.endswith(_SIDE_FILES)]
    return [p for p in found if p.stat().st_size]


def is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file, its write-ahead log folded in; what is done in the block is committed."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file that stays as it is."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


# --- copying ----------------------------------------------------------------------------------------


class Uncopied(Exception):
    """A store holds what no copy can; the text says what and why, as in "its store holds …"."""


def copy(store: Path, to: Path) -> None:
    """Copy a store into a folder: files, what links lead to, and FIFOs and sockets, which hold nothing, as new ones.

    Raises Uncopied where that cannot be done, for a device for instance.
    """
    try:
        shutil.copytree(store, to, dirs_exist_ok=True, copy_function=_copied)
    except RecursionError:
        raise Uncopied("folders that lie too deep") from None
    except shutil.Error as failed:
        path, _, why = failed.args[0][0]
        raise Uncopied(f"{os.path.relpath(path, store)}, of which there is no copy: {_reason(why)}") from None
    except OSError as failed:
        raise Uncopied(f"what cannot be copied: {_reason(failed)}") from None


def _copied(source: str, to: str) -> None:
    if not os.path.exists(source):
        os.symlink(os.readlink(source), to)
        return
    kind = os.stat(source).st_mode
    if stat.S_ISREG(kind):
        shutil.copy2(source, to)
    elif stat.S_ISFIFO(kind):
        os.mkfifo(to, stat.S_IMODE(kind))
    elif stat.S_ISSOCK(kind):
        os.mknod(to, kind)
    else:
        raise OSError(f"it is a {'device' if stat.S_ISCHR(kind) or stat.S_ISBLK(kind) else 'special file'}")


def _reason(failed: object) -> str:
    return (failed.strerror if isinstance(failed, OSError) else None) or str(failed)


# --- reading ----------------------------------------------------------------------------------------


def values(path: Path) -> Iterator[str | bytes]:
    """Every text and every piece of bytes in a file: the cells of a database, else the file itself."""
    if not is_sqlite(path):
        yield path.read_bytes()
        return
    with contextlib.suppress(sqlite3.Error), reading(path) as rows:
        for table in tables(rows):
            for row in rows.execute(f'SELECT * FROM "{table}"').fetchall():
                yield from (cell for cell in row if isinstance(cell, (str, bytes)))


def text(store: Path) -> str:
    """All that can be read in a store: cells and files, those that are JSON also without its escapes."""
    parts = [decoded(_readable(value)) for path in files(store) for value in values(path)]
    lines = [decoded(line) for part in parts for line in part.splitlines() if line.startswith(("{", "["))]
    return "\n".join([*parts, *lines])


def code(store: Path) -> str | None:
    """Where a store holds code or the names of code, in words; None where it is data."""
    for path in files(store):
        for value in values(path):
            named = _code_in(value)
            if named:
                return f"{path.relative_to(store)} holds {named}"
    return None


def _code_in(value: str | bytes) -> str | None:
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    for data in (raw, *_unwrapped(raw)):
        start = max(data.find(b"\x80\x04\x95"), data.find(b"\x80\x05\x95"))
        for piece in (data, data[start:] if start > 0 else b""):
            names = pickled_names(piece)
            if names:
                return f"a pickle of {', '.join(names[:3])}"
    if b'"py/object"' in raw or b'"py/reduce"' in raw:
        return "a jsonpickle, which names classes to load"
    return "YAML that constructs Python objects" if b"!!python/" in raw else None


def pickled_names(data: bytes) -> list[str]:
    """What a pickle imports when it is loaded; nothing where these bytes are no pickle, or one of plain data."""
    if data[:1] != b"\x80" and data[:1] not in (b"c", b"(", b"]", b"}"):
        return []
    names, texts, runs = [], [], False
    try:
        for operation, argument, _ in pickletools.genops(data):
            if "UNICODE" in operation.name and isinstance(argument, str):
                texts.append(argument)
            if operation.name in ("GLOBAL", "INST"):
                names.append(str(argument).replace(" ", "."))
            elif operation.name == "STACK_GLOBAL":
                names.append(".".join(texts[-2:]))
            runs = runs or operation.name in _CODE
    except Exception:  # no pickle: genops raises whatever its readers raise
        return []
    return names if runs else []


def _unwrapped(raw: bytes) -> Iterator[bytes]:
    """Bytes that are written as base64 or hexadecimal, here or in a JSON document."""
    candidates = [raw]
    with contextlib.suppress(ValueError):
        candidates += [leaf.encode("utf-8", "surrogatepass") for leaf in leaves(json.loads(raw))]
    for candidate in candidates:
        if len(candidate) >= 16:
            for decode in (binascii.unhexlify, lambda text: base64.b64decode(text, validate=True)):
                with contextlib.suppress(ValueError):
                    yield decode(candidate.strip())


def _readable(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def tables(rows: sqlite3.Connection) -> list[str]:
    found = rows.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in found.fetchall()]
