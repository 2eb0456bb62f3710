"""What a call can leave behind: the user's globals, class attributes, the reducer's own, defaults and closures.

Thousands of calls are looked at, so a look costs little: names are compared by identity in C, and only
values that can change in place are looked into. Modules and classes are gathered again only when a
module was imported; what it begins with is no change.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, Final

from agentcheck.stage.pure_lines import Lines
from agentcheck.stage.pure_owner import Names, Owner, is_fixed, is_machinery
from agentcheck.stage.pure_words import Words, attributes

_ABSENT: Final = object()
_DECORATIONS: Final = ("__func__", "fget", "__wrapped__", "func")  # where what a name stands for keeps its function

Change = tuple[str, Callable[[], str]]  # a name, and a look at what it stands for


class World:
    """All owners that belong to the user."""

    def __init__(self, reducer: Any, project: tuple[str, ...]):
        self.reducer = reducer
        self._lines = Lines(project)
        self._is_users = functools.cache(self._look_up)
        self._words = Words(self._is_users)
        self._owners: list[Owner] = []
        self._bare: dict[FunctionType, str] = {}  # functions without attributes, so far
        self._gathered: set[int] = set()
        self._modules = 0

    def begin(self) -> None:
        """Look for the first time."""
        if not self._owners:
            if not isinstance(self.reducer, ModuleType):
                self._own("self", functools.partial(attributes, self.reducer))
            self._gather()

    def changes(self) -> list[str]:
        """The names whose value is another than at the last look."""
        return [name for name, _ in self.changed()]

    def changed(self) -> list[Change]:
        """The same, each with a look at what it stands for."""
        found: list[Change] = []
        for owner in self._owners:
            names = owner.changed()
            if names:
                owner.learn()
            found += [(f"{owner.label}.{n}", functools.partial(owner.value, n)) for n in names]
        found += self._adorned()
        self._gather()
        return sorted(found, key=lambda change: change[0])

    def learn(self) -> None:
        """Take the world as it is now for what is right."""
        for owner in self._owners:
            owner.learn()

    def _adorned(self) -> list[Change]:
        """The functions that were given an attribute."""
        functions = [function for function in self._bare if function.__dict__]
        labels = [self._bare.pop(function) for function in functions]
        for function, label in zip(functions, labels, strict=True):
            self._own(label, functools.partial(vars, function))
        return [(label, lambda: "") for label in labels]

    def _gather(self) -> None:
        """Take in the modules that were imported since."""
        if len(sys.modules) == self._modules:
            return
        for module in list(sys.modules.values()):
            if isinstance(module, ModuleType) and self._lines.owns(str(getattr(module, "__file__", None) or "")):
                self._take(module.__name__, module)
        for kind in type(self.reducer).__mro__:
            if self._is_users(kind):
                self._take(kind.__qualname__, kind)
        self._modules = len(sys.modules)

    def _take(self, label: str, thing: Any) -> None:
        """Take in a module or a class, and what is defined in it."""
        if id(thing) in self._gathered:
            return
        self._gathered.add(id(thing))
        self._own(label, functools.partial(vars, thing))
        home = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__
        for name, value in list(vars(thing).items()):
            if isinstance(value, type) and value.__module__ == home:
                self._take(value.__qualname__, value)
            for function in _functions(value):
                self._take_function(f"{label}.{name}", function)

    def _take_function(self, label: str, function: FunctionType) -> None:
        if id(function) in self._gathered or not self._lines.owns(function.__code__.co_filename):
            return
        self._gathered.add(id(function))
        self._bare[function] = label
        if not all(map(is_fixed, _defaults(function).values())):
            self._own(f"the default arguments of {label}", functools.partial(_defaults, function))
        if _cells(function):
            self._own(f"the closure of {label}", functools.partial(_cells, function))

    def _own(self, label: str, read: Callable[[], Names]) -> None:
        self._owners.append(Owner(label, read, self._words))

    def _look_up(self, kind: type) -> bool:
        module = sys.modules.get(kind.__module__)
        return self._lines.owns(str(getattr(module, "__file__", "") or ""))


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions that a name stands for: itself, a method's, a property's, what is beneath a decorator."""
    for one in (value, *(getattr(value, name, None) for name in _DECORATIONS)):
        if isinstance(one, FunctionType):
            yield one


def _defaults(function: FunctionType) -> Names:
    code, given = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(given) :]
    return {**dict(zip(names, given, strict=False)), **(function.__kwdefaults__ or {})}


def _cells(function: FunctionType) -> Names:
    """What a function shares with the one it was made in; functions and classes there are its definition."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    named = {name: _content(cell) for name, cell in cells if not is_machinery(name)}
    return {n: v for n, v in named.items() if v is not _ABSENT and not isinstance(v, (type, FunctionType, ModuleType))}


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _ABSENT
