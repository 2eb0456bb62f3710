"""The user's own guard made to say no: once it is asked about one tool, in whatever way it says so."""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentcheck.stage import bind as binder
from agentcheck.stage import values
from agentcheck.stage.tools import named, plain
from agentcheck.wording import leaves

REASON = "agentcheck-veto: not now"


class Veto:
    """Stands in the place of the function `reference` ("module:function").

    It forbids calls of `tool`: what it is asked about must name the tool, or no tool at all. Of
    everything else the user's own function judges. `note` is told of each veto.
    """

    def __init__(self, reference: str, tool: str, tools: Sequence[str], note: Callable[[], None]):
        self.tool, self.others, self.note = tool, [t for t in tools if t != tool], note
        binder.bind(reference, named(reference), self._asked)

    def _asked(self, bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        allowed = bound.original(*args, **kwargs)
        if not self._concerns(plain(bound.arguments(args, kwargs))):
            return allowed
        self.note()
        return self._awaited(bound.original, allowed) if bound.is_async else refusal(bound.original, allowed)

    async def _awaited(self, function: Any, allowed: Any) -> Any:
        return refusal(function, await allowed)

    def _concerns(self, arguments: Any) -> bool:
        texts = list(leaves(arguments))
        if any(self.tool in text for text in texts):
            return True
        return not any(other in text for other in self.others for text in texts)


def refusal(function: Any, allowed: Any) -> Any:
    """The opposite of what the function says where it allows a call: False for True, a reason for none.

    Raises the exception that the function's own body raises, where that is its way.
    """
    if isinstance(allowed, bool):
        return not allowed
    if isinstance(allowed, tuple) and allowed and isinstance(allowed[0], bool):
        return (not allowed[0], *(REASON if isinstance(part, str) or part is None else part for part in allowed[1:]))
    error = _raised_by(function)
    if error is not None and not _says_why(function):
        raise error
    return REASON


def _says_why(function: Any) -> bool:
    """Whether the annotation has room for a reason."""
    try:
        values.sample(values.return_type(function), REASON)
    except values.NoValue:
        return False
    return values.return_type(function) not in (None, type(None))


def _raised_by(function: Any) -> Exception | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return None
    for node in ast.walk(tree):
        raised = node.exc if isinstance(node, ast.Raise) else None
        name = raised.func if isinstance(raised, ast.Call) else raised
        kind = (
            function.__globals__.get(name.id, getattr(builtins, name.id, None)) if isinstance(name, ast.Name) else None
        )
        if isinstance(kind, type) and issubclass(kind, Exception):
            return _made(kind)
    return None


def _made(kind: type[Exception]) -> Exception:
    try:
        return kind(REASON)
    except TypeError:
        return PermissionError(REASON)


def install(reference: str | None, wanted: Mapping[str, Any] | None, note: Callable[[], None]) -> None:
    """Put a veto in the place of the declared guard, where the run asks for one."""
    if reference and wanted:
        Veto(reference, wanted["tool"], wanted["tools"], note)
