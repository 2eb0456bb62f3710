"""The line that writes a name, as its source says: for what is written again without anything becoming other."""

import ast
import functools
import sys
from types import FrameType, TracebackType
from typing import Any, Final

from agentcheck.stage.pure_lines import Lines
from agentcheck.stage.pure_source import parsed

_WRITTEN: Final = (ast.Store, ast.Del)


class Writers:
    """Traces the user's lines; `chain` is that of the first one that writes to `name`, or calls a method of it."""

    def __init__(self, lines: Lines, name: str):
        self.chain: list[str] = []
        self._lines, self._name = lines, name

    def __enter__(self) -> "Writers":
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        file = frame.f_code.co_filename
        if self.chain or not self._lines.owns(file):
            return None
        if event == "line" and self._written(frame) & _writes(file).get(frame.f_lineno, set()):
            self.chain = self._lines.chain(frame)
        return self._trace

    def _written(self, frame: FrameType) -> set[str]:
        """How the name is written here: as an attribute, and by itself where that is no variable of the function."""
        is_local = self._name in frame.f_code.co_varnames
        return {f".{self._name}"} if is_local else {f".{self._name}", self._name}


@functools.cache
def _writes(file: str) -> dict[int, set[str]]:
    """Line → the names that are written there, or may be: `a.b[0] = 1` and `a.b.add(1)` write a and b."""
    found: dict[int, set[str]] = {}
    for node in ast.walk(parsed(file)):
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, _WRITTEN):
            found.setdefault(node.lineno, set()).update(_names(node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.setdefault(node.lineno, set()).update(_names(node.func.value))
    return found


def _names(expression: ast.expr) -> set[str]:
    """The names on the way to what an expression stands for; attributes with a dot before them."""
    match expression:
        case ast.Name(id=name):
            return {name}
        case ast.Attribute(value=value, attr=name):
            return {f".{name}"} | _names(value)
        case ast.Subscript(value=value):
            return _names(value)
    return set()
