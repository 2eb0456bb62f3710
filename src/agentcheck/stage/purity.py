"""What a pure function may not do, watched while it runs and named with the line that did it."""

import sys
from types import FrameType, TracebackType
from typing import Any, Final

from agentcheck.stage.guard import Guard

_IMPURE_MODULES: Final = {
    "time": "the clock",
    "random": "randomness",
    "_random": "randomness",
    "secrets": "randomness",
    "uuid": "randomness",
    "socket": "the network",
    "_socket": "the network",
    "subprocess": "a process",
    "threading": "a thread",
    "_thread": "a thread",
}
_IMPURE_CALLS: Final = {
    "urandom": "randomness",
    "getrandom": "randomness",
    "getpid": "the process id",
    "getcwd": "the working directory",
    "input": "the terminal",
    "print": "output",
}
_CLOCK_METHODS: Final = {"now", "utcnow", "today"}
_IMPURE_EVENTS: Final = {"open": "a file", "socket.connect": "the network", "socket.getaddrinfo": "the network"}
_HARMLESS_TIME: Final = {"strftime", "strptime", "gmtime", "mktime", "struct_time"}


class Watch:
    """Watches one call: `seen` lists what it did that a pure function may not."""

    def __init__(self, guard: Guard):
        self.guard = guard
        self.seen: list[dict[str, str]] = []

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
        kind = type(owner).__module__ if owner is not None and not isinstance(owner, type(sys)) else module
        if kind in ("random", "_random") and name in ("random", "getrandbits"):
            return f"randomness (random.{name})"
        return None

    def _of_function(self, frame: FrameType) -> str | None:
        code, module = frame.f_code, str(frame.f_globals.get("__name__", ""))
        if module == "os" and code.co_qualname in ("_Environ.__getitem__", "_Environ.__setitem__", "_Environ.__iter__"):
            return "the environment (os.environ)"
        if module in ("uuid", "secrets", "random", "threading", "subprocess") and not code.co_name.startswith("__"):
            if (
                module == "random"
                and frame.f_locals.get("self").__class__.__name__ != "Random"
                and "self" in frame.f_locals
            ):
                return None
            return f"{_IMPURE_MODULES[module]} ({module}.{code.co_name})"
        return None

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _IMPURE_EVENTS and not (event == "open" and str(args[0]).endswith((".pyc", ".py"))):
            self._see(f"{_IMPURE_EVENTS[event]} ({event} {str(args[0])[:60]})", sys._getframe(1))

    def _see(self, what: str, frame: FrameType | None) -> None:
        chain = []
        while frame is not None:
            name = frame.f_code.co_filename
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
        return type(value).__name__ + (self._words(_attributes(value), depth - 1) if self._is_users(value) else "")

    def _is_users(self, value: Any) -> bool:
        module = sys.modules.get(type(value).__module__)
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
