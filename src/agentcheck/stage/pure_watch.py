"""Two watches over one call: a cheap one in C that tells whether there is anything to look at, and an exact one."""

import cProfile
import functools
import os
import random
import sys
import zoneinfo
from collections.abc import Iterator
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

from agentcheck.stage import pure_calls as calls
from agentcheck.stage.guard import CONNECTS, SPAWNS, WRITES, Guard
from agentcheck.stage.pure_lines import Lines, is_machinery, item, named

_EVENTS: Final = {
    **dict.fromkeys(SPAWNS, calls.PROCESS),
    **dict.fromkeys(WRITES, calls.FILE),
    **dict.fromkeys(CONNECTS, calls.NETWORK),
    "open": calls.FILE,
}
_LIBRARY: Final = os.path.dirname(random.__file__)
_CODE: Final = (".pyc", ".py")


def _is_no_data(path: str) -> bool:
    """Whether a file is code, or what a package or Python brings along with its code: zones, schemas, tables."""
    return path.endswith(_CODE) or "/site-packages/" in path or path.startswith((_LIBRARY, *zoneinfo.TZPATH))


class _Ears:
    """Hears every audit event of the process, once and for all, and passes on those that a watch is on for.

    The guard hears some of them too; but it refuses what it hears, and is not there in every process.
    """

    def __init__(self) -> None:
        self.listener: Any = None
        self.installed = False

    def install(self) -> None:
        if not self.installed:
            sys.addaudithook(self._heard)
            self.installed = True

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if self.listener is not None and event in _EVENTS:
            self.listener(event, args)


_ears = _Ears()


class _Listening:
    """What both watches do: hear audit events while they are on, and write down what was seen."""

    def __init__(self, guard: Guard, lines: Lines | None = None):
        self.guard = guard
        self.lines = lines or Lines(guard.project)
        self.seen: list[dict[str, str]] = []
        _ears.install()

    def _listen(self) -> None:
        self.guard.watch = _ears.listener = self._audit

    def _stop(self) -> None:
        self.guard.watch = _ears.listener = None

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not (event == "open" and _is_no_data(str(args[0]))):
            self._see(f"{_EVENTS[event]} ({event} {str(args[0])[:60] if args else ''})", sys._getframe(1))

    def _see(self, what: str, frame: FrameType | None) -> None:
        chain = self.lines.chain(frame)
        if chain:  # importing a module or encoding JSON in the standard library is not the reducer's doing
            one = item(what, chain)
            if one not in self.seen:
                self.seen.append(one)


class Watch(_Listening):
    """Watches one call exactly: `seen` lists what it did that a pure function may not, with the user's lines."""

    def __init__(self, guard: Guard, lines: Lines | None = None):
        super().__init__(guard, lines)
        self.considered: set[str] = set()  # the names of all C functions that were called, and of Python's
        self._chance = calls.Chance()

    def __enter__(self) -> "Watch":
        self._listen()
        sys.setprofile(self._profile)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        sys.setprofile(None)
        self._stop()

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            self.considered.add(arg.__name__)
            what = self._of_builtin(arg, frame)
        elif event == "call":
            self.considered.add(frame.f_code.co_name)
            what = self._of_function(frame)
        else:
            return
        if what:
            self._see(what, frame)

    def _of_builtin(self, function: Any, frame: FrameType) -> str | None:
        name, owner = function.__name__, getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, type(sys)):
            return self._chance.of_builtin(owner, name) or calls.of_method(function, frame)
        module = function.__module__
        what = calls.of_module(module, name)
        if what is None and module == "time":
            what = calls.of_zone(module, name, calls.given(frame))
        if what is None and self.lines.owns(frame.f_code.co_filename):
            what = calls.of_direct(module, name)
        return what

    def _of_function(self, frame: FrameType) -> str | None:
        module, code = str(frame.f_globals.get("__name__", "")), frame.f_code
        if module == "random":
            return self._chance.of_function(frame)
        what = calls.of_python(module, code.co_qualname)
        if what is None and frame.f_back is not None and self.lines.owns(frame.f_back.f_code.co_filename):
            what = calls.of_direct(module, code.co_name)
        return what


class Screen(_Listening):
    """Watches one call at little cost: `seen` has what the audit told, `doubts` what an exact watch must look at."""

    def __init__(self, guard: Guard, lines: Lines | None = None):
        super().__init__(guard, lines)
        self._profiler = cProfile.Profile(subcalls=True, builtins=True)
        self._stats: list[Any] = []

    def __enter__(self) -> "Screen":
        self.seen = []
        self._profiler.clear()
        self._listen()
        self._profiler.enable()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._profiler.disable()
        self._stop()
        self._stats = self._profiler.getstats()

    @property
    def doubts(self) -> set[str]:
        """The names of the functions called that may be impure."""
        return {found[0] for entry in self._stats if (found := _doubt(entry.code))}

    def unexplained(self, considered: set[str]) -> list[dict[str, str]]:
        """What was done here, and not when the same was watched exactly: by whom, as far as a profile tells."""
        certain = [(what, caller) for name, what, caller in self._certain() if name not in considered]
        return [one for what, caller in certain for one in self._told(what, caller)]

    def _certain(self) -> Iterator[tuple[str, str, Any]]:
        for caller in self._stats:
            for callee in caller.calls or ():
                found = _doubt(callee.code)
                if found and found[1]:
                    yield found[0], found[1], caller.code

    def _told(self, what: str, caller: Any) -> list[dict[str, str]]:
        path = self._path(caller)
        users = [code for code in path if self.lines.owns(code.co_filename)]
        if not users or any(map(is_machinery, path[: path.index(users[0])])):
            return []
        return [item(f"{what}, once and not again,", [named(code, code.co_firstlineno) for code in users])]

    def _path(self, code: Any) -> list[CodeType]:
        """The functions from this one outwards, up to the call that was watched."""
        path: list[CodeType] = []
        while isinstance(code, CodeType) and code not in path:
            path.append(code)
            code = next((e.code for e in self._stats if any(c.code is code for c in e.calls or ())), None)
        return path


def _doubt(code: Any) -> tuple[str, str | None] | None:
    return _doubt_of_builtin(code) if isinstance(code, str) else _doubt_of_code(code)


_doubt_of_builtin = functools.cache(calls.doubtful)


@functools.cache
def _doubt_of_code(code: CodeType) -> tuple[str, str | None] | None:
    module = _module(code.co_filename)
    if module is None:
        return None
    if module == "random":  # whose generator it is only shows while it runs
        return (code.co_name, None)
    what = calls.of_python(module, code.co_qualname) or calls.of_direct(module, code.co_name)
    return (code.co_name, what) if what else None


def _module(file: str) -> str | None:
    """The module of the standard library that this file is."""
    if file.startswith("<frozen "):
        return file[len("<frozen ") : -1]
    if not file.startswith(_LIBRARY) or "site-packages" in file:
        return None
    return file[len(_LIBRARY) + 1 :].removesuffix(".py").removesuffix("/__init__").replace(os.sep, ".")
