"""Values in words: what two looks at something that may change in place are compared by."""

import functools
from collections.abc import Callable
from typing import Any, Final

_MOST: Final = 500  # items that are looked at, at each level
_PLAIN: Final = (list, dict, set, tuple, frozenset, bytearray)
_COUNTERS: Final = ("deque", "Counter", "count", "cycle")  # they show what they hold, or how far they are


class Words:
    """Describes values; the user's objects (as `is_users` knows their types) by their attributes."""

    def __init__(self, is_users: Callable[[type], bool]):
        self.is_users = is_users

    def tell(self, value: Any) -> bool:
        """Whether the words for a value could ever be others: those for a library's object are its type alone."""
        return isinstance(value, _PLAIN) or type(value).__name__ in _COUNTERS or self.is_users(type(value))

    def of(self, value: Any, depth: int = 4) -> str:
        """A deep description of plain data; the user's objects by their attributes, the rest by its type."""
        if depth == 0:
            return type(value).__name__
        if isinstance(value, dict):
            items = list(value.items())[:_MOST]
            words = ",".join(f"{self.of(k, 1)}:{self.of(v, depth - 1)}" for k, v in items)
            return f"{{{len(value)} {words}}}"
        if isinstance(value, (list, tuple)):
            return f"[{len(value)} " + ",".join(self.of(v, depth - 1) for v in value[:_MOST]) + "]"
        if isinstance(value, (set, frozenset)):
            return "{" + ",".join(sorted(self.of(v, depth - 1) for v in value)) + "}"
        if value is None or isinstance(value, (bool, int, float, str, bytes, bytearray)):
            return repr(value)
        return self._of_object(value, depth)

    def _of_object(self, value: Any, depth: int) -> str:
        if type(value).__name__ in _COUNTERS:
            return repr(value)[:2000]
        return type(value).__name__ + (self.of(attributes(value), depth - 1) if self.is_users(type(value)) else "")


def attributes(thing: Any) -> dict[str, Any]:
    """The attributes of an object, those in slots included, those that a cached_property has left not.

    Such a value is computed once from what the object is, and kept: nothing that a later call could tell.
    """
    slots, cached = _slots(type(thing)), _cached(type(thing))
    own = getattr(thing, "__dict__", None) or {}
    if cached:
        own = {name: value for name, value in own.items() if name not in cached}
    return {**{name: getattr(thing, name, None) for name in slots}, **own} if slots else own


def _declared(kind: Any) -> tuple[str, ...]:
    declared = [getattr(one, "__slots__", ()) for one in kind.__mro__]
    return tuple(name for names in declared for name in ((names,) if isinstance(names, str) else names))


def _lazy(kind: Any) -> frozenset[str]:
    named = (pair for one in kind.__mro__ for pair in vars(one).items())
    return frozenset(name for name, value in named if isinstance(value, functools.cached_property))


_slots: Final[Callable[[type], tuple[str, ...]]] = functools.cache(_declared)
_cached: Final[Callable[[type], frozenset[str]]] = functools.cache(_lazy)
