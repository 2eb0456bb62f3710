"""Binding: put agentcheck in the place of a tool's function, for every alias at once.

A function's code object is swapped for one of the same signature that calls a dispatcher.
Dictionaries, decorators and `from ops import deploy` all see it, since the function object stays.
"""

import functools
import inspect
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Dispatch = Callable[["Bound", tuple[Any, ...], dict[str, Any]], Any]
_LAYERS = ("__wrapped__", "func", "fn", "_func", "_fn", "function", "coroutine", "callback", "handler")


class CannotBind(Exception):
    """The callable is of a kind whose code cannot be replaced; the message says which."""


@dataclass(slots=True)
class Bound:
    """A tool whose function now asks the lab. `original` is a copy that runs the real code."""

    tool: str
    function: types.FunctionType
    original: types.FunctionType
    owner: Any = None  # the instance, where only one instance of a class is meant

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.original)

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """What the function received, by parameter name, `self` left out, defaults filled in."""
        bound = inspect.signature(self.original).bind(*args, **kwargs)
        bound.apply_defaults()
        received = dict(bound.arguments)
        for name, parameter in inspect.signature(self.original).parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                received |= received.pop(name, {})
        first = next(iter(received), None)
        if first in ("self", "cls"):
            received.pop(first)
        return received


def innermost(tool: Any) -> types.FunctionType:
    """The plain Python function at the bottom of decorators, partials, methods and tool objects.

    Raises CannotBind for anything that has none.
    """
    seen: set[int] = set()
    current = tool
    while id(current) not in seen:
        seen.add(id(current))
        deeper = _beneath(current)
        if deeper is None:
            break
        current = deeper
    if isinstance(current, types.FunctionType):
        return current
    raise CannotBind(f"{type(tool).__module__}.{type(tool).__qualname__} holds no Python function that can be replaced")


def _beneath(current: Any) -> Any:
    if isinstance(current, (types.MethodType, staticmethod, classmethod)):
        return current.__func__
    if isinstance(current, functools.partial):
        return current.func
    if isinstance(current, type):
        return None
    for layer in _LAYERS:
        try:
            deeper = getattr(current, layer, None)
        except Exception:  # a tool object's property may do anything
            continue
        if callable(deeper) and not isinstance(deeper, type):
            return deeper
    if isinstance(current, types.FunctionType) or not callable(current):
        return None
    return None if _is_shared(type(current).__call__) else type(current).__call__


def _is_shared(method: Any) -> bool:
    """Whether this is an installed package's way to call any of its objects: other tools go through it, too."""
    return "site-packages" in str(getattr(getattr(method, "__code__", None), "co_filename", ""))


def bind(tool: str, target: Any, dispatch: Dispatch) -> Bound:
    """Replace the code of the function beneath `target`. Raises CannotBind."""
    function = innermost(target)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise CannotBind(f"{function.__qualname__} is a generator")
    original = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    original.__annotations__ = function.__annotations__
    original.__module__ = function.__module__
    original.__qualname__ = function.__qualname__
    bound = Bound(tool, function, original)
    function.__code__ = _trampoline(function, _Dispatcher(dispatch, bound))
    return bound


def unbind(bound: Bound) -> None:
    bound.function.__code__ = bound.original.__code__


def is_bound(bound: Bound) -> bool:
    """Whether calling the function still reaches the dispatcher."""
    return bound.function.__code__ is not bound.original.__code__ and _MARK in bound.function.__code__.co_consts


_MARK = "agentcheck trampoline"


@dataclass(frozen=True, slots=True)
class _Dispatcher:
    """What a trampoline calls; it stands in the code as a constant, out of reach of the user's names."""

    dispatch: Dispatch
    bound: Bound

    def called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.dispatch(self.bound, args, kwargs)


def _trampoline(function: types.FunctionType, dispatcher: _Dispatcher) -> types.CodeType:
    """A code object with the function's own signature and free variables that calls `dispatcher`."""
    code = function.__code__
    declared, positional, keywords = _parameters(code)
    mode, wait = ("async def", "await ") if inspect.iscoroutinefunction(function) else ("def", "")
    args = f"({', '.join(positional)}{',' if positional else ''})"
    kwargs = "{" + ", ".join(keywords) + "}"
    inner = f"{mode} _({declared}):\n  {_MARK!r}\n  return {wait}'agentcheck dispatcher'.called({args}, {kwargs})\n"
    namespace: dict[str, Any] = {}
    if code.co_freevars:
        cells = "; ".join(f"{name} = None" for name in code.co_freevars)
        uses = ", ".join(code.co_freevars)
        body = "  " + inner.replace("\n  ", "\n    ").replace("return", f"({uses},) if False else None\n    return", 1)
        source = f"def outer():\n  {cells}\n{body}  return _\n"
        exec(compile(source, "<agentcheck>", "exec", dont_inherit=True), namespace)
        built = namespace["outer"]().__code__
    else:
        exec(compile(inner, "<agentcheck>", "exec", dont_inherit=True), namespace)
        built = namespace["_"].__code__
    consts = tuple(dispatcher if c == "agentcheck dispatcher" else c for c in built.co_consts)
    if _MARK not in consts:
        consts = (*consts, _MARK)
    code_object: types.CodeType = built.replace(
        co_consts=consts, co_name=code.co_name, co_filename=code.co_filename, co_firstlineno=code.co_firstlineno
    )
    return code_object


def _parameters(code: types.CodeType) -> tuple[str, list[str], list[str]]:
    names = code.co_varnames
    positional = list(names[: code.co_argcount])
    only = list(names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    rest = code.co_argcount + code.co_kwonlyargcount
    parts = positional.copy()
    if code.co_posonlyargcount:
        parts.insert(code.co_posonlyargcount, "/")
    forwarded, keywords = positional.copy(), [f"'{n}': {n}" for n in only]
    if code.co_flags & inspect.CO_VARARGS:
        parts.append(f"*{names[rest]}")
        forwarded.append(f"*{names[rest]}")
        rest += 1
    elif only:
        parts.append("*")
    parts += only
    if code.co_flags & inspect.CO_VARKEYWORDS:
        parts.append(f"**{names[rest]}")
        keywords.append(f"**{names[rest]}")
    return ", ".join(parts), forwarded, keywords


# --- finding the function of a tool -----------------------------------------------------------


class Names:
    """Every callable that can be reached from the target's module and object, by each of its names.

    A tool is meant by a global, a key of a table, an entry of a list, a method, a nested function,
    or by the function's own name; through the user's own modules, two containers deep.
    """

    def __init__(self, module: types.ModuleType, target: Any, project: tuple[str, ...]):
        self._found: dict[str, dict[int, Any]] = {}
        self._project = project
        for space in (vars(module), *_state_of(target), *(vars(m) for m in _imported(module, project))):
            self._collect(space, 2)

    def of(self, tool: str) -> list[Any]:
        """The distinct callables of this name."""
        return list(self._found.get(tool, {}).values())

    def _collect(self, space: dict[str, Any], depth: int) -> None:
        for name, value in list(space.items()):
            if _is_tool(value):
                self._add(name, value)
                self._add(_name_of(value, name), value)
            elif depth and isinstance(value, dict):
                self._collect({str(k): v for k, v in value.items()}, depth - 1)
            elif depth and isinstance(value, (list, tuple)):
                self._collect({_name_of(v, str(i)): v for i, v in enumerate(value)}, depth - 1)
            elif depth and not isinstance(value, types.ModuleType) and hasattr(value, "__dict__"):
                self._collect(self._members(value), depth - 1)

    def _members(self, value: Any) -> dict[str, Any]:
        """An object's own attributes, and the methods of its class where that is the user's."""
        kind = value if isinstance(value, type) else type(value)
        methods: dict[str, Any] = {}
        if self._is_users(kind):
            for name in dir(kind):
                if not name.startswith("__") and isinstance(inspect.getattr_static(kind, name), _METHODS):
                    methods[name] = getattr(value, name)
        return methods if isinstance(value, type) else {**methods, **vars(value)}

    def _is_users(self, kind: type) -> bool:
        module = sys.modules.get(kind.__module__)
        return str(getattr(module, "__file__", "") or "").startswith(self._project)

    def _add(self, name: Any, value: Any) -> None:
        if not isinstance(name, str):
            return
        try:
            function: Any = innermost(value)
        except CannotBind:
            function = value
        self._found.setdefault(name, {}).setdefault(id(function), value)


_METHODS = (types.FunctionType, staticmethod, classmethod)


def _state_of(target: Any) -> list[dict[str, Any]]:
    owner = getattr(target, "__self__", target)
    spaces = []
    if isinstance(target, types.FunctionType) and target.__closure__:
        spaces.append(dict(zip(target.__code__.co_freevars, (_cell(c) for c in target.__closure__), strict=True)))
    if not isinstance(owner, (types.FunctionType, types.ModuleType)):
        spaces.append({name: getattr(owner, name, None) for name in dir(owner) if not name.startswith("__")})
    return spaces


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _imported(module: types.ModuleType, project: tuple[str, ...]) -> list[types.ModuleType]:
    """The user's own modules that the module reaches, through any number of imports."""
    seen: dict[str, types.ModuleType] = {}
    queue = [module]
    while queue:
        current = queue.pop()
        for value in list(vars(current).values()):
            name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
            other = sys.modules.get(name) if isinstance(name, str) else None
            if other is None or other is module or name in seen:
                continue
            if str(getattr(other, "__file__", "") or "").startswith(project):
                seen[str(name)] = other
                queue.append(other)
    return list(seen.values())


def _name_of(value: Any, default: str) -> str:
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else default


def _is_tool(value: Any) -> bool:
    """A callable, or an object that holds one where tool classes do."""
    if isinstance(value, (type, types.ModuleType)):
        return False
    return callable(value) or any(callable(getattr(value, "__dict__", {}).get(layer)) for layer in _LAYERS)
