"""What plain data may not hold, since it is not the same wherever it is read: NaN, infinity, times without zone."""

import datetime
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentcheck.stage.pure_words import attributes

_DEEPEST: Final = 12
_MAY_BE_ODD: Final = re.compile(r"NaN|Infinity|\b(?:nan|inf)\b|datetime\.datetime\(")  # as JSON, or as Python shows it
_LEAVES: Final = (str, bytes, int, type(None), type)


def may_be_odd(*values: Any) -> bool:
    """Whether it is worth looking for oddities in plain data; costs little, and is never wrongly no."""
    try:
        return any(_MAY_BE_ODD.search(json.dumps(value, default=repr)) for value in values)
    except (TypeError, ValueError, RecursionError):  # keys that JSON does not have
        return True


def oddities(value: Any, path: str, depth: int = _DEEPEST) -> Iterator[tuple[str, str]]:
    """What is odd in a value, and where: the path to it, in the words of Python."""
    if isinstance(value, float):
        if not math.isfinite(value):
            yield f"the float {value!r}, which JSON does not have", path
    elif isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            yield "a datetime without zone, another instant on every machine", path
    elif not isinstance(value, _LEAVES) and depth:
        for step, one in _parts(value):
            yield from oddities(one, path + step, depth - 1)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((f"[{key!r}]", one) for key, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ((f"[{number}]", one) for number, one in enumerate(value))
    return ((f".{name}", one) for name, one in attributes(value).items() if not name.startswith("__"))


def is_odd(value: Any) -> bool:
    """Whether there is anything odd in a value, near its surface: a local variable, while a function runs."""
    return next(oddities(value, "", 4), None) is not None
