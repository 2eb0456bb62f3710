"""What plain data may not hold, since it is not the same wherever it is read: NaN, infinity, times without zone."""

import datetime
import json
import math
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from agentcheck.stage.pure_suspects import SET_ORDER, is_seeded_set
from agentcheck.stage.pure_words import attributes

Found = tuple[str, str]  # what it is, and the path to it in the words of Python

_DEEPEST: Final = 12
_MOST: Final = 100_000  # values that are looked at; one that holds itself has no end
_MAY_BE_ODD: Final = re.compile(r"NaN|Infinity|\b(?:nan|inf)\b|datetime\.datetime\(")  # as JSON, or as Python shows it
_LEAVES: Final = (str, bytes, int, float, type(None), type, datetime.date)


def may_be_odd(*values: Any) -> bool:
    """Whether it is worth looking for oddities in plain data; costs little, and is never wrongly no."""
    try:
        return any(_MAY_BE_ODD.search(json.dumps(value, default=repr)) for value in values)
    except (TypeError, ValueError, RecursionError):  # keys that JSON does not have
        return True


def oddities(value: Any, path: str, depth: int = _DEEPEST) -> Iterator[Found]:
    """What is odd in a value, and where."""
    for one, at in islice(_leaves(value, path, depth), _MOST):
        if isinstance(one, float) and not math.isfinite(one):
            yield f"the float {one!r}, which JSON does not have", at
        elif isinstance(one, datetime.datetime) and one.tzinfo is None:
            yield "a datetime without zone, another instant on every machine", at


def seeded_sets(value: Any, path: str) -> Iterator[Found]:
    """The sets in a value: written as JSON, each is a list in an order of its own."""
    return ((SET_ORDER, at) for one, at in islice(_leaves(value, path, _DEEPEST), _MOST) if is_seeded_set(one))


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[Any, str]]:
    """A value and all that is in it, with the path to each."""
    yield value, path
    if depth and not isinstance(value, _LEAVES):
        for step, one in _parts(value):
            yield from _leaves(one, path + step, depth - 1)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((f"[{key!r}]", one) for key, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ((f"[{number}]", one) for number, one in enumerate(value))
    return ((f".{name}", one) for name, one in attributes(value).items() if not name.startswith("__"))


def is_odd(value: Any) -> bool:
    """Whether there is anything odd in a value, near its surface: a local variable, while a function runs."""
    return next(oddities(value, "", 4), None) is not None
