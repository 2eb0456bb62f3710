"""One of two processes on one store: before it begins, and before each of its writes, it waits for the other.

A host that reads, decides and only then writes down what it has decided loses such a race every time,
where left to chance it would lose it once in a thousand times.
"""

import contextlib
import os
import re
import sqlite3
import sys
import threading
from typing import Any, Final

from agentcheck.stage.guard import WRITES, opens_to_write
from agentcheck.stage.link import Link

_WRITING: Final = re.compile(r"\s*(insert|update|delete|replace|begin\s+(immediate|exclusive))\b", re.IGNORECASE)


class Together:
    """Tells the lab of every write that this process is about to make to the store, and waits for its word."""

    def __init__(self, link: Link, store: str):
        self.link = link
        self.store = os.path.realpath(store)
        self._busy = threading.local()

    def begin(self) -> None:
        """Wait for the other process, and look out for writes from now on."""
        self.link.ask("begins")
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

        for module in list(sys.modules.values()):
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if value is original:
                    setattr(module, name, connect)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if getattr(self._busy, "now", False):
            return
        changed = () if event == "sqlite3.connect" else WRITES.get(event, ())
        if event == "open":
            changed = (0,) if opens_to_write(*args[1:3]) else ()
        if any(self._within(args[index]) for index in changed if index < len(args)):
            self._meet()

    def _statement(self, sql: str) -> None:
        if _WRITING.match(sql):
            self._meet()

    def _within(self, path: Any) -> bool:
        with contextlib.suppress(TypeError, ValueError):
            name = os.fsdecode(path).removeprefix("file:").partition("?")[0]
            return os.path.realpath(name).startswith(self.store)
        return False

    def _meet(self) -> None:
        self._busy.now = True
        try:
            self.link.ask("writes")
        finally:
            self._busy.now = False
