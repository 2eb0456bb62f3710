"""Values to return for a tool whose result nobody has declared: of its annotated return type."""

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any


class NoValue(Exception):
    """Nothing says what the function returns; the message is for the user."""


def return_type(function: Callable[..., Any]) -> Any:
    """The annotated return type. Raises NoValue where there is none that says something."""
    try:
        hints = typing.get_type_hints(function)
    except Exception as error:  # a forward reference that the user's module cannot resolve
        raise NoValue(f"the annotation of {function.__qualname__} cannot be resolved: {error}") from None
    found = hints.get("return", inspect.Signature.empty)
    if found in (inspect.Signature.empty, Any, object):
        raise NoValue(f"{function.__qualname__} does not say what it returns")
    return found


def sample(kind: Any, marker: str) -> Any:
    """A value of this type; the first text in it is `marker`. Raises NoValue."""
    simple = {str: marker, int: 7, float: 7.5, bool: True, None: None, type(None): None, bytes: marker.encode()}
    if kind in simple:
        return simple[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind in (list, tuple, set, frozenset) or origin in (list, tuple, set, frozenset):
        return _sequence(origin or kind, args, marker)
    if kind is dict or origin is dict:
        return {
            "result" if not args or args[0] is str else sample(args[0], marker): sample(args[1], marker)
            if args and args[1] is not Any
            else marker
        }
    if origin in (typing.Union, types.UnionType):
        return sample(next((a for a in args if a is not type(None)), None), marker)
    if origin is typing.Literal:
        return args[0]
    if origin is typing.Annotated:
        return sample(args[0], marker)
    return _by_schema(kind, marker)


def _sequence(origin: Any, args: tuple[Any, ...], marker: str) -> Any:
    items = [a for a in args if a is not Ellipsis] or [str]
    return origin([sample(marker_type, marker) for marker_type in items])


def _by_schema(kind: Any, marker: str) -> Any:
    """Dataclasses, typed dictionaries and models, through their JSON Schema."""
    from pydantic import TypeAdapter

    from agentcheck.jsonvalues import example

    try:
        adapter = TypeAdapter(kind)
        return adapter.validate_python(example(adapter.json_schema(), text=marker))
    except Exception as error:  # pydantic's own, and whatever a model's validators raise
        raise NoValue(f"no value of {getattr(kind, '__name__', kind)} could be made: {type(error).__name__}") from None
