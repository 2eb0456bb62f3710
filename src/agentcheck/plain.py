"""Any value as JSON has it, so that what is in a trace is what is read back from its file."""

import dataclasses
import functools
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

_AS_IS: Final = frozenset({str, bool, type(None)})
_LARGEST: Final = 2**63  # whole numbers beyond it may be too long to be written


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses as objects, bytes as text with escapes, the rest by repr."""
    try:
        return _copied(value)
    except (_NotSimple, RecursionError):
        return json.loads(json.dumps(value, default=_encode, ensure_ascii=False), parse_constant=str)


class _NotSimple(Exception):
    """A value that JSON itself must be asked about."""


def _copied(value: Any) -> Any:
    """The same without the way through text, for what has but one form in JSON. Raises _NotSimple."""
    kind: Any = type(value)
    if kind in _AS_IS:
        return value
    if kind is dict:
        return {_key(n): part if type(part) in _AS_IS else _copied(part) for n, part in value.items()}
    if kind is list or kind is tuple:
        return [part if type(part) in _AS_IS else _copied(part) for part in value]
    if (kind is int and -_LARGEST <= value <= _LARGEST) or (kind is float and math.isfinite(value)):
        return value
    return {name: _copied(getattr(value, name)) for name in _names(kind)}


def _key(name: Any) -> str:
    if type(name) is not str:
        raise _NotSimple
    return name


@functools.cache
def _names(kind: Any) -> tuple[str, ...]:
    if not hasattr(kind, "__dataclass_fields__") or issubclass(kind, (str, int, float, dict, list, tuple)):
        raise _NotSimple
    return tuple(f.name for f in dataclasses.fields(kind))


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    handlers: dict[type, Callable[[Any], Any]] = {
        bytes: lambda v: v.decode("utf-8", "backslashreplace"),
        Path: os.fspath,
        set: sorted,
        frozenset: sorted,
    }
    for kind, handler in handlers.items():
        if isinstance(value, kind):
            return handler(value)
    if isinstance(value, Mapping):
        return dict(value)
    return repr(value)
