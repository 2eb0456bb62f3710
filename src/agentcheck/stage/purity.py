"""What a pure function may not do, watched while it runs and named with the line that did it."""

import linecache
import random
import sys
from types import FrameType, TracebackType
from typing import Any, Final

from agentcheck.stage.guard import CONNECTS, SPAWNS, WRITES, Guard

_IMPURE_MODULES: Final = {"secrets": "randomness", "threading": "a thread", "subprocess": "a process"}
_UNIQUE_IDS: Final = {"uuid1", "uuid4", "uuid6", "uuid7", "getnode"}  # the others are made of what they are given
_IMPURE_CALLS: Final = {
    "urandom": "randomness",
    "getrandom": "randomness",
    "getpid": "the process id",
    "getcwd": "the working directory",
    "input": "the terminal",
    "print": "output",
}
_FILE_CALLS: Final = {"stat", "lstat", "access", "listdir", "scandir", "readlink", "open", "read", "write", "statvfs"}
_CLOCK_METHODS: Final = {"now", "utcnow", "today"}
_IMPURE_EVENTS: Final = {
    **dict.fromkeys(SPAWNS, "a process"),
    **dict.fromkeys(WRITES, "a file"),
    **dict.fromkeys(CONNECTS, "the network"),
    "open": "a file",
}
_SHARED: Final = random.random.__self__  # type: ignore[attr-defined]  # the generator behind the module's functions
_HARMLESS_TIME: Final = {"strftime", "strptime", "gmtime", "mktime", "struct_time"}


_READING_CODE: Final = ("<frozen importlib", "<frozen zipimport", linecache.__file__)  # on whose behalf files are read


class Watch:
    """Watches one call: `seen` lists what it did that a pure function may not."""

    def __init__(self, guard: Guard):
        self.guard = guard
        self.seen: list[dict[str, str]] = []
        self._seeded: list[random.Random] = []  # generators that this call has made, and seeded itself

    def __enter__(self) -> "Watch":
        self.guard.watch = self._audit
        sys.setprofile(self._profile)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        sys.setprofile(None)
        self.guard.watch = None

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            what = self._of_builtin(arg)
        elif event == "call":
            what = self._of_function(frame)
        else:
            return
        if what:
            self._see(what, frame)

    def _of_builtin(self, function: Any) -> str | None:
        name, module = getattr(function, "__name__", ""), getattr(function, "__module__", None)
        owner = getattr(function, "__self__", None)
        if name in _CLOCK_METHODS and isinstance(owner, type) and owner.__module__ == "datetime":
            return f"the clock (datetime.{name})"
        if module == "time" and name not in _HARMLESS_TIME:
            return f"the clock (time.{name})"
        if name in _IMPURE_CALLS and module in (None, "posix", "nt", "builtins", "os"):
            return f"{_IMPURE_CALLS[name]} ({name})"
        if name in _FILE_CALLS and module in ("posix", "nt"):
            return f"a file (os.{name})"
        if isinstance(owner, random.Random) and name in ("random", "getrandbits") and not self._is_seeded(owner):
            return f"randomness (random.{name})"
        return None

    def _is_seeded(self, generator: random.Random) -> bool:
        return any(generator is one for one in self._seeded)

    def _of_function(self, frame: FrameType) -> str | None:
        code, module = frame.f_code, str(frame.f_globals.get("__name__", ""))
        if module == "os" and code.co_qualname in ("_Environ.__getitem__", "_Environ.__setitem__", "_Environ.__iter__"):
            return "the environment (os.environ)"
        if module == "random":
            return self._of_random(frame)
        if code.co_name in _UNIQUE_IDS if module == "uuid" else module in _IMPURE_MODULES and code.co_name[:2] != "__":
            return f"{_IMPURE_MODULES.get(module, 'randomness')} ({module}.{code.co_name})"
        return None

    def _of_random(self, frame: FrameType) -> str | None:
        """Randomness, unless it comes from a generator that this very call has seeded with a value."""
        generator, name = frame.f_locals.get("self"), frame.f_code.co_name
        if not isinstance(generator, random.Random) or name.startswith("__") or self._is_seeded(generator):
            return None
        if name == "seed" and frame.f_locals.get("a") is not None and generator is not _SHARED:
            self._seeded.append(generator)
            return None
        return f"randomness (random.{name})"

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _IMPURE_EVENTS and not (event == "open" and str(args[0]).endswith((".pyc", ".py"))):
            self._see(f"{_IMPURE_EVENTS[event]} ({event} {str(args[0])[:60] if args else ''})", sys._getframe(1))

    def _see(self, what: str, frame: FrameType | None) -> None:
        chain: list[str] = []
        while frame is not None:
            name = frame.f_code.co_filename
            if not chain and name.startswith(_READING_CODE):
                return
            if name.startswith(self.guard.project) and "site-packages" not in name and "/agentcheck/stage/" not in name:
                chain.append(f"{name.rpartition('/')[2]}:{frame.f_lineno} in {frame.f_code.co_name}")
            frame = frame.f_back
        if chain:  # importing a module or encoding JSON in the standard library is not the reducer's doing
            item = {"what": what, "where": chain[0], "chain": " < ".join(chain[:6])}
            if item not in self.seen:
                self.seen.append(item)


class World:
    """The globals of the user's modules, and the attributes of their classes and of the reducer, in words."""

    def __init__(self, reducer: Any, project: tuple[str, ...]):
        self.reducer = reducer
        self.project = project
        self._known: dict[str, str] = {}

    def begin(self) -> None:
        """Look for the first time."""
        if not self._known:
            self._known = self._look()

    def changes(self) -> list[str]:
        """The names whose value is another than at the last look."""
        before, self._known = self._known, self._look()
        return sorted(n for n in before.keys() | self._known.keys() if before.get(n) != self._known.get(n))

    def _look(self) -> dict[str, str]:
        world = {f"self.{k}": self._words(v) for k, v in _attributes(self.reducer).items()}
        for kind in type(self.reducer).__mro__:
            if self._is_users(kind):
                world |= {f"{kind.__qualname__}.{k}": self._words(v) for k, v in _own(kind) if _is_data(v)}
        for module in list(sys.modules.values()):
            path = str(getattr(module, "__file__", "") or "")
            if not path.startswith(self.project) or "site-packages" in path or "/agentcheck/stage/" in path:
                continue
            for name, value in _own(module):
                if isinstance(value, type) and value.__module__ == module.__name__:
                    world |= {f"{value.__qualname__}.{k}": self._words(v) for k, v in _own(value) if _is_data(v)}
                elif _is_data(value):
                    world[f"{module.__name__}.{name}"] = self._words(value)
        return world

    def _words(self, value: Any, depth: int = 4) -> str:
        """A deep description of plain data; the user's objects by their attributes, the rest by its type."""
        if depth == 0:
            return type(value).__name__
        if isinstance(value, dict):
            items = list(value.items())[:500]
            words = ",".join(f"{self._words(k, 1)}:{self._words(v, depth - 1)}" for k, v in items)
            return f"{{{len(value)} {words}}}"
        if isinstance(value, (list, tuple)):
            return f"[{len(value)} " + ",".join(self._words(v, depth - 1) for v in value[:500]) + "]"
        if isinstance(value, (set, frozenset)):
            return "{" + ",".join(sorted(self._words(v, depth - 1) for v in value)) + "}"
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return repr(value)
        if type(value).__name__ in ("deque", "Counter", "count", "cycle"):
            return repr(value)[:2000]
        return type(value).__name__ + (
            self._words(_attributes(value), depth - 1) if self._is_users(type(value)) else ""
        )

    def _is_users(self, kind: type) -> bool:
        module = sys.modules.get(kind.__module__)
        path = str(getattr(module, "__file__", "") or "")
        return path.startswith(self.project) and "site-packages" not in path


def _own(thing: Any) -> list[tuple[str, Any]]:
    """The names that somebody wrote, Python's own machinery left out."""
    return [(name, value) for name, value in list(vars(thing).items()) if not name.startswith("__")]


def _attributes(thing: Any) -> dict[str, Any]:
    slots = {s: getattr(thing, s, None) for k in type(thing).__mro__ for s in getattr(k, "__slots__", ())}
    return {**slots, **getattr(thing, "__dict__", {})}


def _is_data(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str, bytes, list, dict, set, tuple, type(None))) or (
        hasattr(value, "__dict__") and not callable(value) and not isinstance(value, type(sys))
    )
