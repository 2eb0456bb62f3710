"""What a process is about to write to its store: told before it happens, file by file and statement by statement."""

import contextlib
import os
import re
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Final

from agentcheck.stage.guard import WRITES, opens_to_write

LOCKING: Final = re.compile(r"\s*(insert|update|delete|replace|begin\s+(immediate|exclusive))\b", re.IGNORECASE)
CHANGING: Final = re.compile(
    r"\s*(insert|update|delete|replace|create|drop|alter|commit|end|release|vacuum)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Write:
    """A change that is about to be made.

    `how` is the audit event ("open", "os.rename", …) or "sql"; `what` the path within the store or
    the statement's beginning. `fresh`: the file loses its content first; `appends`: it only grows.
    """

    how: str
    what: str
    fresh: bool = False
    appends: bool = False


@cache
def holders() -> list[tuple[ModuleType, str]]:
    """Where sqlite3.connect is found under a name of its own; a long search, which a zygote makes for its forks."""
    return [
        (module, name)
        for module in list(sys.modules.values())
        for name, value in list(getattr(module, "__dict__", {}).items())
        if value is sqlite3.connect
    ]


class Writes:
    """Calls `tell` before every write to the folder `store`, in the thread that is about to write."""

    def __init__(self, store: str, tell: Callable[[Write], None], *, statements: re.Pattern[str]):
        self.store = os.path.realpath(store)
        self._tell = tell
        self._statements = statements
        self._busy = threading.local()

    def begin(self) -> None:
        """Look out for writes from now on."""
        self._listen_to_sqlite()
        sys.addaudithook(self._hook)

    def _listen_to_sqlite(self) -> None:
        """No audit event tells of a statement, so each connection that is opened from now on tells of its own."""
        original = sqlite3.connect

        def connect(database: Any, *args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = original(database, *args, **kwargs)
            if self._within(database):
                connection.set_trace_callback(self._statement)
            return connection

        for module, name in holders():
            setattr(module, name, connect)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if (event != "open" and event not in WRITES) or getattr(self._busy, "now", False):
            return
        if event == "open":
            self._opening(*(*args, None, 0)[:3])
        elif event != "sqlite3.connect":
            named = [args[index] for index in WRITES[event] if index < len(args) and self._within(args[index])]
            if named and _changes(event, named[-1]):
                self._say(Write(event, self._name(named[-1])))

    def _opening(self, path: Any, mode: Any, flags: Any) -> None:
        if opens_to_write(mode, flags) and self._within(path):
            asked = mode if isinstance(mode, str) else ""
            fresh = "w" in asked or bool((flags or 0) & os.O_TRUNC)
            self._say(Write("open", self._name(path), fresh, "a" in asked or bool((flags or 0) & os.O_APPEND)))

    def _statement(self, sql: str) -> None:
        if self._statements.match(sql) and not getattr(self._busy, "now", False):
            self._say(Write("sql", " ".join(sql.split())[:60]))

    def _within(self, path: Any) -> bool:
        with contextlib.suppress(TypeError, ValueError):
            name = os.path.realpath(os.fsdecode(path).removeprefix("file:").partition("?")[0])
            return name.startswith(self.store)
        return False

    def _name(self, path: Any) -> str:
        return os.path.relpath(os.path.realpath(os.fsdecode(path)), self.store)

    def _say(self, write: Write) -> None:
        self._busy.now = True
        try:
            self._tell(write)
        finally:
            self._busy.now = False


def _changes(event: str, path: Any) -> bool:
    """Whether there is anything to change: a folder that is not there yet, or a file that is."""
    return os.path.lexists(path) == (event != "os.mkdir") if event in ("os.mkdir", "os.remove", "os.rmdir") else True
