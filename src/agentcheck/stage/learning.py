"""Importing in the zygote what its forks had to import, but for what would keep it from being forked."""

import contextlib
import importlib
import os
import threading
from collections.abc import Sequence
from typing import Final

_RESTARTED: Final = ("OtelBatch",)  # threads that their owner, OpenTelemetry, starts anew in a fork
_MOST_TRIALS: Final = 4


def in_the_way() -> list[str]:
    """The names of threads that a fork would be without."""
    others = (t.name for t in threading.enumerate() if t is not threading.main_thread())
    return [name for name in others if not name.startswith(_RESTARTED)]


def import_all(names: Sequence[str]) -> None:
    """Import modules, and leave out the package of any that starts a thread, as trials in forks show."""
    left = list(names)
    for _ in range(_MOST_TRIALS):
        if not left or in_the_way():
            return
        at = _trial(left)
        _import(left[:at])
        if at == len(left):
            return
        package = left[at].partition(".")[0]
        left = [name for name in left[at + 1 :] if name.partition(".")[0] != package]


def _trial(names: Sequence[str]) -> int:
    """How many of the modules a fork can import, one after the other, before one starts a thread."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _count(names, writing)
    os.close(writing)
    with open(reading, "rb") as told:
        count = len(told.read())
    os.waitpid(child, 0)
    return count


def _count(names: Sequence[str], writing: int) -> None:
    """In a fork: write a byte for each module that is imported without a thread, and end."""
    try:
        for name in names:
            _import([name])
            if in_the_way():
                break
            os.write(writing, b".")
    finally:
        os._exit(0)


def _import(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
