"""Bytes on disk: lines that are there once that was said, files that are replaced whole or not at all."""

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path


class Busy(OSError):
    """Another process, or another part of this one, is writing to the file."""


class Lines:
    """The end of a file, to which whole lines are added; held by one writer at a time until `close`.

    Raises OSError, Busy among them.
    """

    def __init__(self, path: Path):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise Busy(error.errno, "something else is recording into it") from None

    def add(self, line: bytes) -> None:
        """On disk when this returns. Where it fails, the file is left as it was. Raises OSError."""
        before = os.fstat(self._file).st_size
        try:
            _write(self._file, line)
        except OSError:
            with contextlib.suppress(OSError):
                self.cut(before)
            raise

    def cut(self, length: int) -> None:
        """Keep the first `length` bytes of the file alone. Raises OSError."""
        os.ftruncate(self._file, length)
        os.fsync(self._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()


def create(path: Path, content: bytes) -> None:
    """A new file, on disk with its name when this returns. Raises OSError, FileExistsError among them."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        _write(file, content)
    finally:
        os.close(file)
    sync_folder(path.parent)


def replace(path: Path, pieces: Iterable[bytes]) -> None:
    """A new content for the file: whenever this ends, in whatever way, the old or the new one is there whole.

    Raises OSError.
    """
    path = path.resolve()  # the file that a link names is what changes, not the link
    begun = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with begun.open("xb") as file:
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        begun.replace(path)
    except BaseException:
        begun.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def keep_aside(path: Path, content: bytes) -> Path:
    """Bytes that belong to no whole line of the file, saved beside it. Raises OSError."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.torn-{number}")
        with contextlib.suppress(FileExistsError):
            create(aside, content)
            return aside
        number += 1


def sync_folder(folder: Path) -> None:
    """Make new names in a folder last. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
    os.fsync(file)
