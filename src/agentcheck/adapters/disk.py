"""What an agent may do to the disk: how much it holds is looked at now and then, and all of it is removed."""

import contextlib
import itertools
import os
import select
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 2**30  # bytes on the disk that one run may hold in its folders
MOST_FILES: Final = 100_000
DEEPEST: Final = 200  # folders in one another; what walks down a tree gives up not far below
LONGEST_PATH: Final = 3_800  # bytes; no system call takes more than 4096
PAUSE: Final = 0.25  # seconds between two looks; what is over before costs nothing
_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Filled(Exception):
    """The agent holds more of the disk than it may; the text says how, as in "the agent …"."""


class Watch:
    """Waits for messages of a run, and looks at its folders meanwhile.

    Args:
        folders: where the run may write.
        most_bytes, most_files: what all of them together may hold.
    """

    def __init__(
        self, folders: Iterable[Path], *, most_bytes: int | None = None, most_files: int | None = None
    ) -> None:
        self.folders = list(folders)
        self.most_bytes = MOST_BYTES if most_bytes is None else most_bytes
        self.most_files = MOST_FILES if most_files is None else most_files
        self._next = time.monotonic() + PAUSE

    def wait(self, channel: socket.socket, deadline: float) -> None:
        """Return when there is something to receive. Raises TimeoutError after `deadline`, or Filled."""
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        while True:
            now = time.monotonic()
            if now >= self._next:
                self._look()
                now = time.monotonic()
            if poll.poll(max(0.0, min(self._next, deadline) - now) * 1000 + 1):
                return
            if time.monotonic() >= deadline:
                raise TimeoutError

    def _look(self) -> None:
        began = time.monotonic()
        self.measure()
        ended = time.monotonic()
        self._next = ended + max(PAUSE, 10 * (ended - began))

    def measure(self) -> None:
        """Raises Filled where the folders hold more than they may."""
        held = files = 0
        for size in _sizes(self.folders):
            held, files = held + size, files + 1
            if held > self.most_bytes:
                raise Filled(f"wrote more than the {_amount(self.most_bytes)} that a run may hold on the disk")
            if files > self.most_files:
                raise Filled(f"wrote more than the {self.most_files} files that a run may have")


def _sizes(folders: Iterable[Path]) -> Iterator[int]:
    """The bytes that each file and folder takes on the disk, however sparse it is; links are not followed."""
    waiting = [str(folder) for folder in folders]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(_not_too_deep(waiting.pop())) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    yield entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)


def _not_too_deep(path: str) -> str:
    if path.count(os.sep) > DEEPEST or len(path) > LONGEST_PATH:
        raise Filled(f"made folders that lie more than {DEEPEST} deep, or deeper than a path can name")
    return path


def _amount(count: int) -> str:
    for shift, unit in ((30, "GiB"), (20, "MiB")):
        if count >> shift:
            return f"{count >> shift} {unit}"
    return f"{count} bytes"


def last_line(path: Path) -> str:
    """The last line of a file that the agent could write to; empty where it is no longer a file."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return ""
            file.seek(max(0, found.st_size - 2000))
            lines = file.read(2000).decode("utf-8", "replace").strip().splitlines()
    except OSError:  # the agent has deleted it, or closed it to us
        return ""
    return lines[-1][:300] if lines else ""


def remove(folder: Path) -> None:
    """Remove a folder and all that is in it, whatever an agent made of it. Links are removed, never followed."""
    with contextlib.suppress(OSError, RecursionError):  # what is closed or too deep is done below
        shutil.rmtree(folder)
        return
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            _empty(folder)
            folder.rmdir()
        else:
            folder.unlink()


def _empty(folder: Path) -> None:
    """Remove all that is in a folder: with few files open, and by no path longer than its own."""
    folder.chmod(0o700)
    top = os.open(folder, _FLAGS)
    try:
        numbers = itertools.count(time.monotonic_ns())  # names that nothing has
        while sum(_gone(name, top, numbers) for name in os.listdir(top)):
            """What was lifted by one round is there for the next."""
    finally:
        os.close(top)


def _gone(name: str, top: int, numbers: Iterator[int]) -> bool:
    """Remove one entry; folders in a folder are lifted beside it first, so that none lies deep."""
    with contextlib.suppress(OSError):
        if not _opened_up(name, top):
            os.unlink(name, dir_fd=top)
            return True
        inner = os.open(name, _FLAGS, dir_fd=top)
        try:
            for child in os.listdir(inner):
                _lift(child, inner, top, str(next(numbers)))
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=top)
        return True
    return False


def _lift(name: str, inner: int, top: int, to: str) -> None:
    with contextlib.suppress(OSError):
        if _opened_up(name, inner):
            os.rename(name, to, src_dir_fd=inner, dst_dir_fd=top)
        else:
            os.unlink(name, dir_fd=inner)


def _opened_up(name: str, within: int) -> bool:
    """Whether this is a folder; one that its owner closed is opened, without which it can be neither read nor moved."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=within).st_mode):
        return False
    os.chmod(name, 0o700, dir_fd=within)
    return True
