"""An audit hook that keeps the agent on the stage: no processes, no strays, no writes outside.

Everything refused is reported to the lab with the line of the user's code that tried it.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

SPAWNS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn"}
)
CONNECTS: Final = ("socket.connect", "socket.getaddrinfo", "socket.sendto")
WRITES: Final = {
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.link": (0, 1),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "shutil.rmtree": (0,),
    "shutil.move": (0, 1),
    "sqlite3.connect": (0,),
}
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CODE: Final = (".py", ".pyc", ".so", ".pth")  # of other people: what a prompt came from is data, or the user's own
_HARMLESS: Final = (
    "/proc/self/",
    *(f"/dev/{name}" for name in ("null", "zero", "full", "tty", "pts/", "fd/", "std", "random", "urandom")),
)

Report = Callable[[str, str, str], None]  # what, detail, where


class Guard:
    """Refuses and reports; `armed` is off while the stage itself works."""

    def __init__(self) -> None:
        self.armed = False
        self.may_spawn = False
        self.writable: tuple[str, ...] = ()
        self.project: tuple[str, ...] = ()
        self.report: Report = lambda what, detail, where: None
        self.files_read: set[str] = set()
        self.watch: Callable[[str, tuple[Any, ...]], None] | None = None  # a purity watch, if one is on
        self._within: set[int] = set()  # the threads in which the guard itself is at work

    def install(self) -> None:
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        handler = _HANDLERS.get(event)
        if handler is None or threading.get_ident() in self._within:
            return
        with self._at_work():
            if self.watch is not None:
                self.watch(event, args)
            refused = handler(self, event, args)
        if refused:
            self._refuse(*refused)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """What the guard itself does in this thread meanwhile is not looked at; other threads are."""
        thread = threading.get_ident()
        self._within.add(thread)
        try:
            yield
        finally:
            self._within.discard(thread)

    def _refuse(self, what: str, detail: str) -> None:
        with self._at_work():
            self.report(what, detail, where(self.project))
        raise PermissionError(f"agentcheck refuses this {what}: {detail}")

    def _spawn(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        if self.may_spawn:
            return None
        return "process", f"{event} {_short(args[0]) if args else ''}".strip()

    def _connect(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        if event == "socket.getaddrinfo":
            return None if args[0] in (None, "localhost", "127.0.0.1", "::1") else ("connection", _short(args[0]))
        address = args[1] if len(args) > 1 else None
        if isinstance(address, (str, bytes)):
            return None  # a local socket
        return "connection", _short(address)

    def _open(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        path, mode, flags = (*args, None, 0)[:3]
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        name = os.path.realpath(os.fsdecode(path))
        if opens_to_write(mode, flags):
            return self._write(name)
        if name.startswith(self.project) or not name.endswith(_CODE):
            self.files_read.add(name)
        return None

    def _change(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        for index in WRITES[event]:
            path = args[index] if index < len(args) else None
            if isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path) not in ("", ":memory:"):
                folder, base = os.path.split(os.path.abspath(os.fsdecode(path)))
                refused = self._write(os.path.join(os.path.realpath(folder), base))
                if refused:
                    return refused
        return None

    def _write(self, name: str) -> tuple[str, str] | None:
        inside = name in self.writable or name.startswith(tuple(f"{folder}{os.sep}" for folder in self.writable))
        if inside or name.startswith(_HARMLESS) or "__pycache__" in name or name.startswith("file:"):
            return None
        return "write", name


_HANDLERS: Final[dict[str, Callable[[Guard, str, tuple[Any, ...]], tuple[str, str] | None]]] = {
    **dict.fromkeys(SPAWNS, Guard._spawn),
    **dict.fromkeys(CONNECTS, Guard._connect),
    "open": Guard._open,
    **dict.fromkeys(WRITES, Guard._change),
}


def opens_to_write(mode: Any, flags: Any) -> bool:
    """Whether a file opened like this, as the audit event says, may be changed."""
    return bool((isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & _WRITE_FLAGS)


def where(project: tuple[str, ...]) -> str:
    """The innermost line of the user's own code on the stack, as file:line; else where a package began to act."""
    frame: FrameType | None = sys._getframe(1)
    package = ""
    while frame is not None:
        name = frame.f_code.co_filename
        _, installed, within = name.rpartition("site-packages/")
        if name.startswith(project) and not installed:
            return f"{Path(name).name}:{frame.f_lineno}"
        package = f"{within}:{frame.f_lineno}" if installed else package
        frame = frame.f_back
    return package


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
