"""Where the hash seed could have its way: the user's lines that iterate over a set, or call hash() or id().

Mostly they do no harm (`sum` of a set, a sorted list of it), so they are suspects only: to be blamed where the
same event gives another result under another hash seed. The source is read for iterations, and what they
iterate over is looked up while the line runs; nothing of the user's is evaluated for it but names.
"""

import ast
import functools
import inspect
import sys
from collections.abc import Iterator
from types import FrameType, MemberDescriptorType, TracebackType
from typing import Any, Final

from agentcheck.stage.pure_lines import Lines, item
from agentcheck.stage.pure_source import parsed

_ORDERED: Final = {
    "list",
    "tuple",
    "enumerate",
    "iter",
    "next",
    "map",
    "filter",
    "zip",
    "str",
    "repr",
    "join",
    "fromkeys",
}
_EXTENDING: Final = {"extend", "dumps", "format", "pop"}
_ANYHOW: Final = {"sum", "len", "min", "max", "any", "all", "set", "frozenset", "sorted", "Counter"}
_ADDRESSES: Final = {"hash": "hash(), which differs from process to process", "id": "id(), an address in memory"}
_ALGEBRA: Final = {"union", "intersection", "difference", "symmetric_difference", "copy"}
SET_ORDER: Final = "the order of a set, which differs from process to process"
_UNSEEDED: Final = (int, float, complex)  # their hashes are themselves
_ABSENT: Final = object()

Spots = dict[int, list[tuple[str, ast.expr | None]]]  # line → what is done there, and to which set if it is one


class Suspects:
    """Traces the user's lines; `seen` are those of them that depend on the hash seed."""

    def __init__(self, lines: Lines):
        self.seen: list[dict[str, str]] = []
        self._lines = lines
        self._before: dict[FrameType, int] = {}

    def __enter__(self) -> "Suspects":
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        sys.settrace(None)
        self._before.clear()

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not self._lines.owns(frame.f_code.co_filename):
            return None
        if event in ("line", "return"):  # what a line has made itself only shows when it is over
            self._look(frame, self._before.pop(frame, 0))
        if event == "line":
            self._before[frame] = frame.f_lineno
            self._look(frame, frame.f_lineno)
        if event == "return" and is_seeded_set(arg) and frame.f_back is not None:
            self._look_at_caller(frame.f_back, frame.f_code.co_name)
        return self._trace

    def _look(self, frame: FrameType, line: int) -> None:
        for what, expression in _spots(frame.f_code.co_filename).get(line, ()):
            if expression is None or _is_set(expression, frame):
                self._see(what, frame, line)

    def _look_at_caller(self, frame: FrameType, name: str) -> None:
        """The caller may iterate over the set that a function returns to it."""
        for what, expression in _spots(frame.f_code.co_filename).get(frame.f_lineno, ()):
            if isinstance(expression, ast.Call | ast.Attribute) and _last_name(expression) == name:
                self._see(what, frame, frame.f_lineno)

    def _see(self, what: str, frame: FrameType, line: int) -> None:
        chain = self._lines.chain(frame, line)
        if chain and (one := item(what, chain)) not in self.seen:
            self.seen.append(one)


def is_seeded_set(value: Any) -> bool:
    """Whether this is a set that has an order, and one that depends on the hash seed."""
    return isinstance(value, (set, frozenset)) and len(value) > 1 and any(map(_is_seeded, value))


def _is_seeded(value: Any) -> bool:
    if isinstance(value, (tuple, frozenset)):
        return any(map(_is_seeded, value))
    return not isinstance(value, _UNSEEDED)


# --- what the source says -------------------------------------------------------------------------


@functools.cache
def _spots(file: str) -> Spots:
    """The lines of a file that iterate, or call hash() or id()."""
    found: Spots = {}
    nodes = list(ast.walk(parsed(file)))
    unordered = {id(one) for node in nodes for one in _forgotten(node)}
    for node in nodes:
        for what, expression in _of_node(node) if id(node) not in unordered else ():
            at = getattr(expression or node, "lineno", 0)
            found.setdefault(at, []).append((what, expression))
    return found


def _forgotten(node: ast.AST) -> list[ast.comprehension]:
    """The iterations of a comprehension whose order is forgotten at once: in `sum(…)`, or into a set."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() | ast.ListComp() as one, *_]) if name in _ANYHOW:
            return one.generators
        case ast.SetComp():
            return node.generators
    return []


def _of_node(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    match node:
        case ast.For(iter=one) | ast.comprehension(iter=one) | ast.Starred(value=one) | ast.FormattedValue(value=one):
            yield SET_ORDER, one
        case ast.YieldFrom(value=one) | ast.Assign(targets=[ast.Tuple() | ast.List()], value=one):
            yield SET_ORDER, one
        case ast.Call(func=ast.Name(id=name)) if name in _ADDRESSES:
            yield _ADDRESSES[name], None
        case ast.Call():
            yield from ((SET_ORDER, one) for one in _arguments(node))


def _arguments(call: ast.Call) -> list[ast.expr]:
    """What a call iterates over, in the order in which it finds it."""
    name = _last_name(call)
    if name == "pop" and isinstance(call.func, ast.Attribute) and not call.args:
        return [call.func.value]
    return call.args if name in _ORDERED | _EXTENDING else []


def _last_name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Call):
        return _last_name(expression.func)
    return expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")


# --- what the names in it stand for ---------------------------------------------------------------


def _is_set(expression: ast.expr, frame: FrameType) -> bool:
    match expression:
        case ast.Name() | ast.Attribute():
            return is_seeded_set(_value(expression, frame))
        case ast.Set(elts=elements):
            return len(elements) > 1 and any(_may_be_seeded(one) for one in elements)
        case ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset"), args=[_, *_]):
            return True
        case ast.BinOp(left=left, right=right):
            return _is_set(left, frame) or _is_set(right, frame)
        case ast.IfExp(body=left, orelse=right):
            return _is_set(left, frame) or _is_set(right, frame)
        case ast.BoolOp(values=values):
            return any(_is_set(one, frame) for one in values)
        case ast.NamedExpr(value=value):
            return _is_set(value, frame)
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in _ALGEBRA:
            return _is_set(value, frame)
        case ast.Call(func=ast.Name(id="iter" | "enumerate"), args=[value, *_]):
            return _is_set(value, frame)
    return False


def _may_be_seeded(element: ast.expr) -> bool:
    return not isinstance(element, ast.Constant) or _is_seeded(element.value)


def _value(expression: ast.expr, frame: FrameType) -> Any:
    """What a name stands for, without running anything of the user's."""
    if isinstance(expression, ast.Name):
        return frame.f_locals.get(expression.id, frame.f_globals.get(expression.id, _ABSENT))
    if not isinstance(expression, ast.Attribute):
        return _ABSENT
    value = inspect.getattr_static(_value(expression.value, frame), expression.attr, _ABSENT)
    owner = _value(expression.value, frame)
    return value.__get__(owner) if isinstance(value, MemberDescriptorType) else value
