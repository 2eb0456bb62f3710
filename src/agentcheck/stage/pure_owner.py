"""A thing with names (a module, a class, an object, a function), and whether one came to stand for something else."""

import enum
import functools
import marshal
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any, Final

from agentcheck.stage.pure_words import Words, attributes

_FIXED: Final = (bool, int, float, complex, str, bytes, type(None), type, ModuleType, FunctionType, enum.Enum)
_LARGEST: Final = 100_000  # bytes of a copy; what is larger is compared in words, which look at its beginning
_DEEP: Final = 20  # levels at which two copies are compared
_DEPTH: Final = 4
_MOST: Final = 500  # items of a list of objects that are looked at
_ABSENT: Final = object()

Names = Mapping[str, Any]


class Owner:
    """Names and what they stood for; `read` gives the names as they are now."""

    def __init__(self, label: str, read: Callable[[], Names], words: Words, *, depth: int = _DEPTH):
        self.label = label
        self._depth = depth  # how far the objects in it are looked into
        self._read, self._words = read, words
        self.learn()

    def learn(self) -> None:
        """Take what there is now for what is right."""
        self._kept = dict(self._read())
        changeable = {n: v for n, v in self._kept.items() if not is_machinery(n) and not is_fixed(v)}
        self._marks = {n: self._mark(v) for n, v in changeable.items() if self._words.tell(v)}

    def changed(self) -> list[str]:
        """The names that stand for something else than when it was last learned."""
        now = self._read()
        same = _same(now, self._kept)
        if same and not self._marks:
            return []
        rebound = [] if same else self._rebound(now)
        inside = [n for n, mark in self._marks.items() if n not in rebound and self._differs(mark, now.get(n))]
        return [*rebound, *inside]

    def value(self, name: str) -> str:
        """What a name stands for now, in words."""
        return self._words.of(self._read().get(name))

    def _rebound(self, now: Names) -> list[str]:
        names = [n for n in {**self._kept, **now} if not is_machinery(n)]
        return [n for n in names if self._is_other(self._kept.get(n, _ABSENT), now.get(n, _ABSENT))]

    def _is_other(self, before: Any, now: Any) -> bool:
        if before is now or isinstance(now, ModuleType):  # a submodule appears where it is imported
            return False
        return type(before) is not type(now) or self._words.of(before) != self._words.of(now)

    def _mark(self, value: Any) -> Any:
        """A copy of plain data, in bytes; objects as owners in their turn; of the rest a description in words."""
        try:
            copy = marshal.dumps(value, 0)
        except ValueError:
            read = self._inside(value)
            return self._words.of(value) if read is None else Owner("", read, self._words, depth=self._depth - 1)
        return copy if len(copy) < _LARGEST else self._words.of(value)

    def _inside(self, value: Any) -> Callable[[], Names] | None:
        """How to read what is in a value; None where words must do."""
        if self._depth == 0:
            return None
        if type(value) is dict:
            return lambda: value
        if isinstance(value, (list, tuple)):
            return lambda: dict(enumerate(value[:_MOST]))  # type: ignore[arg-type]  # names need not be text here
        return functools.partial(attributes, value) if self._words.is_users(type(value)) else None

    def _differs(self, mark: Any, value: Any) -> bool:
        if isinstance(mark, Owner):
            return bool(mark.changed())
        new = self._mark(value)
        if new == mark or not (isinstance(new, bytes) and isinstance(mark, bytes)):
            return bool(new != mark)
        return self._words.of(marshal.loads(new), _DEEP) != self._words.of(marshal.loads(mark), _DEEP)


def is_fixed(value: Any) -> bool:
    """Whether nothing about this value can change in place."""
    return isinstance(value, _FIXED) or (isinstance(value, (tuple, frozenset)) and all(map(is_fixed, value)))


def is_machinery(name: object) -> bool:
    """Whether Python itself keeps this name: `__dict__`, and what an Enum notes of itself, like `_member_map_`."""
    return isinstance(name, str) and (name[:2] == "__" or (name[:1] == name[-1:] == "_" and len(name) > 2))


def _same(now: Names, before: Names) -> bool:
    """Whether two sets of names stand for the same; compared by identity first, in C."""
    try:
        return bool(now == before)
    except Exception:  # an array whose comparison is no yes or no
        return False
