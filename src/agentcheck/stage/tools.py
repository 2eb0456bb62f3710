"""The tools of a callable or a host: bound functions that ask the lab what happens."""

import ast
import asyncio
import builtins
import importlib
import inspect
import io
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from agentcheck.stage import beneath, clock, values
from agentcheck.stage import bind as binder
from agentcheck.stage.guard import Guard
from agentcheck.stage.link import Link
from agentcheck.target import OVER_HTTP, Target, ToolBinding

FOREVER = 86_400.0


class Toolbox:
    """Binds tools when the lab names them, and plays what the lab says of each call."""

    def __init__(self, link: Link, target: Target, subject: Any, module: types.ModuleType, guard: Guard):
        self.link = link
        self.target = target
        self.subject = subject
        self.module = module
        self.guard = guard
        self.bound: dict[str, binder.Bound] = {}
        self.beneath: dict[str, Any] = {}  # tool -> the failure that waits beneath its body

    # --- binding -------------------------------------------------------------------------

    def bind(self, tool: str) -> dict[str, Any]:
        """Bind one tool and say what can be done with it."""
        if self._asks_by_itself(tool):
            return {"bound": True, "why": "", "value": True}
        if self.target.binding(tool).mixed:
            return {"bound": False, "why": self.target.binding(tool).mixed}
        try:
            found = self.place(tool)
        except binder.CannotBind as error:
            return {"bound": False, "why": str(error)}
        return {"bound": binder.is_bound(found), "why": "", **describe(found.original), "value": self._has_value(tool)}

    def _asks_by_itself(self, tool: str) -> bool:
        """Whether this is a tool whose own body asks a human and may run."""
        return tool in (self.target.human or ()) and self.target.binding(tool).allow

    def place(self, tool: str) -> binder.Bound:
        """Put ourselves in the place of one tool's function. Raises CannotBind."""
        if tool not in self.bound:
            self.bound[tool] = binder.bind(tool, self._function(tool), self._dispatch)
            self._bind_beneath(tool)
        return self.bound[tool]

    def place_all(self, tools: Iterable[str]) -> None:
        """Put ourselves in the place of these tools, all of which were bound before."""
        for tool in tools:
            if not self._asks_by_itself(tool):
                self.place(tool)

    def bind_approval(self) -> None:
        """Bind the user's own function that asks for approval, where one is declared."""
        if self.target.approve:
            function = named(self.target.approve)
            binder.bind(self.target.approve, function, self._dispatch_approval)

    def _function(self, tool: str) -> Any:
        declared = self.target.binding(tool).bind
        if isinstance(declared, str):
            return named(declared)
        if declared is not None:
            return declared
        found = self._names.of(tool)
        if len(found) == 1:
            return found[0]
        problem = "no function of this name is" if not found else f"{len(found)} functions of this name are"
        raise binder.CannotBind(f"{problem} reachable from {self.module.__name__}")

    @cached_property
    def _names(self) -> binder.Names:
        return binder.Names(self.module, self.subject, self.guard.project)

    def _bind_beneath(self, tool: str) -> None:
        inject = self.target.binding(tool).inject
        if inject and inject != OVER_HTTP:
            binder.bind(tool, named(inject), self._dispatch_beneath)

    def _has_value(self, tool: str) -> bool:
        binding = self.target.binding(tool)
        if binding.returns is not None or binding.allow:
            return True
        try:
            values.sample(values.return_type(self.bound[tool].original), "x")
        except values.NoValue:
            return False
        return True

    # --- playing ---------------------------------------------------------------------------

    def _dispatch(self, bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if bound.is_async:
            return self._play_async(bound, args, kwargs)
        call, verdict = self._ask(bound, args, kwargs)
        if verdict["do"] == "hang":
            self._hang(bound)
        if verdict["do"] in ("real", "beneath"):
            return self._run(bound, call, verdict, args, kwargs)
        return self._settle(bound, call, verdict)

    async def _play_async(self, bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call, verdict = self._ask(bound, args, kwargs)
        if verdict["do"] == "hang":
            await self._hang_async(bound)
        await asyncio.sleep(0)
        if verdict["do"] in ("real", "beneath"):
            return await self._run_async(bound, call, verdict, args, kwargs)
        return self._settle(bound, call, verdict)

    def _hang(self, bound: binder.Bound) -> None:
        """Never return; where nothing here could end the call, the lab need not wait to see it."""
        if beneath.is_stuck():
            self.link.ask("stuck", tool=bound.tool)
        clock.really_sleep(FOREVER)

    async def _hang_async(self, bound: binder.Bound) -> None:
        if beneath.is_stuck(asyncio.get_running_loop()):
            self.link.ask("stuck", tool=bound.tool)
        await clock.really_sleep_async(FOREVER)

    def _ask(self, bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        arguments = plain(bound.arguments(args, kwargs))
        verdict = self.link.ask("tool_called", tool=bound.tool, arguments=arguments)
        return verdict["call"], verdict

    def _settle(self, bound: binder.Bound, call: str, verdict: Mapping[str, Any]) -> Any:
        if verdict["do"] == "raise":
            error = exception(verdict)
            self.link.ask("tool_failed", tool=bound.tool, call=call, kind=type(error).__name__, message=str(error))
            raise error
        value = self._value(bound, verdict)
        self.link.ask("tool_returned", tool=bound.tool, call=call, value=plain(value))
        return value

    def _value(self, bound: binder.Bound, verdict: Mapping[str, Any]) -> Any:
        if verdict["do"] == "sample":
            declared = self.target.binding(bound.tool).returns
            return (
                declared
                if declared is not None
                else values.sample(values.return_type(bound.original), verdict["marker"])
            )
        return self._typed(bound, verdict["value"])

    def _typed(self, bound: binder.Bound, value: Any) -> Any:
        """A declared value in the annotated type of the function, where it is one."""
        try:
            kind = values.return_type(bound.original)
            if kind is bytes and isinstance(value, str):
                return value.encode("utf-8", "surrogateescape")
            if isinstance(value, (dict, list)) and kind not in (dict, list, str):
                from pydantic import TypeAdapter

                return TypeAdapter(kind).validate_python(value)
        except Exception:  # an annotation that does not fit: what the scenario says counts
            return value
        return value

    def _run(self, bound: binder.Bound, call: str, verdict: Mapping[str, Any], args: Any, kwargs: Any) -> Any:
        with self._real(bound.tool, verdict):
            try:
                value = bound.original(*args, **kwargs)
            except BaseException as error:
                self._failed(bound, call, error)
                raise
        self.link.ask("tool_returned", tool=bound.tool, call=call, value=plain(value))
        return value

    async def _run_async(
        self, bound: binder.Bound, call: str, verdict: Mapping[str, Any], args: Any, kwargs: Any
    ) -> Any:
        with self._real(bound.tool, verdict):
            try:
                value = await bound.original(*args, **kwargs)
            except BaseException as error:
                self._failed(bound, call, error)
                raise
        self.link.ask("tool_returned", tool=bound.tool, call=call, value=plain(value))
        return value

    def _failed(self, bound: binder.Bound, call: str, error: BaseException) -> None:
        self.link.ask("tool_failed", tool=bound.tool, call=call, kind=type(error).__name__, message=str(error))

    def _real(self, tool: str, verdict: Mapping[str, Any]) -> "_Real":
        return _Real(self, tool, verdict if verdict["do"] == "beneath" else None)

    def http_failure(self) -> dict[str, Any] | None:
        """The failure that waits for the HTTP traffic of the tool whose body runs now, if one does."""
        waiting = [tool for tool in self.beneath if self.target.binding(tool).inject == OVER_HTTP]
        if not waiting:
            return None
        failure: dict[str, Any] = self.beneath.pop(waiting[0])
        self.link.ask("fault_fired", fault=failure["fault"])
        return failure

    def _dispatch_beneath(self, bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        failure = self.beneath.pop(bound.tool, None)
        if failure is None:
            return bound.original(*args, **kwargs)
        self.link.ask("fault_fired", fault=failure["fault"])
        if failure["how"] == "hang":
            return self._hang_beneath(bound, args, kwargs)
        value = failure.get("value") if failure["how"] == "return" else self._broken(bound, failure)
        return _awaited(value) if bound.is_async else value

    def _broken(self, bound: binder.Bound, failure: Mapping[str, Any]) -> Any:
        response = beneath.http_response(bound.original.__module__, failure)
        if response is None:
            raise exception(failure)
        return response

    def _hang_beneath(self, bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        late = beneath.time_out(bound, args, kwargs, self.target.limits.seconds)
        if late is not None:
            raise late
        return self._hang_async(bound) if bound.is_async else self._hang(bound)

    def _dispatch_approval(self, bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        verdict = self.link.ask("approval", function=bound.tool, arguments=plain(bound.arguments(args, kwargs)))
        try:
            kind = values.return_type(bound.original)
        except values.NoValue:
            kind = bool
        answer = ("yes" if verdict["approved"] else "no") if kind is str else bool(verdict["approved"])
        return _awaited(answer) if bound.is_async else answer


async def _awaited(value: Any) -> Any:
    return value


class _Real:
    """While the real body of a tool runs: processes where allowed, a failure waiting beneath where asked."""

    def __init__(self, toolbox: Toolbox, tool: str, failure: Mapping[str, Any] | None):
        self.toolbox, self.tool, self.failure = toolbox, tool, failure

    def __enter__(self) -> None:
        self.toolbox.guard.may_spawn = self.toolbox.target.binding(self.tool).allow
        if self.failure is not None:
            self.toolbox.beneath[self.tool] = self.failure

    def __exit__(self, *exc: object) -> None:
        self.toolbox.guard.may_spawn = False
        self.toolbox.beneath.pop(self.tool, None)


def answer_input(link: Link) -> None:
    """`input()` asks the lab, since there is no terminal; without an answer it is at its end."""

    def ask(prompt: object = "", /) -> str:
        verdict = link.ask("input", prompt=str(prompt))
        if verdict.get("text") is None:
            raise EOFError("agentcheck: there is no terminal")
        return str(verdict["text"])

    builtins.input = ask
    sys.stdin = _Terminal(ask)


class _Terminal(io.TextIOWrapper):
    """Standard input for those who read lines from it instead of calling `input`; to read it whole finds nothing."""

    def __init__(self, ask: Callable[[], str]):
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._ask = ask

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        try:
            return f"{self._ask()}\n"
        except EOFError:
            return ""


def named(reference: str) -> Any:
    """The object that "module:attribute.path" names. Raises binder.CannotBind in one sentence."""
    module, _, path = reference.partition(":")
    try:
        found = importlib.import_module(module)
        for part in path.split(".") if path else ():
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise binder.CannotBind(f"{reference} names nothing: {error}") from None
    return found


def exception(verdict: Mapping[str, Any]) -> BaseException:
    """The built-in exception that a failure stands for."""
    message = str(verdict.get("message", ""))
    if verdict.get("status"):
        from email.message import Message
        from urllib.error import HTTPError

        headers = Message()
        if verdict.get("retry_after") is not None:
            headers["Retry-After"] = str(verdict["retry_after"])
        return HTTPError(
            "http://tool.invalid/", verdict["status"], message or f"HTTP {verdict['status']}", headers, None
        )
    kind = getattr(builtins, str(verdict.get("kind", "RuntimeError")), RuntimeError)
    if isinstance(kind, type) and issubclass(kind, UnicodeDecodeError):
        return UnicodeDecodeError("utf-8", b"\xff\xfe", 0, 1, message or "invalid start byte")
    return kind(message) if isinstance(kind, type) and issubclass(kind, BaseException) else RuntimeError(message)


def describe(function: types.FunctionType) -> dict[str, Any]:
    """What the function's own body deals with, and what it takes."""
    return {
        "parameters": list(inspect.signature(function).parameters),
        "handles": sorted(handled(function)),
        "where": f"{inspect.getsourcefile(function) or '?'}:{function.__code__.co_firstlineno}",
    }


def handled(function: types.FunctionType) -> set[str]:
    """Which of errors, timeouts and bounds the body may handle itself: then a failure must enter beneath it.

    "arguments": it may refuse what it receives, which does not show where another body stands in its place.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return {"errors"} if function.__code__.co_exceptiontable else set()
    found = {"arguments"} if _looks_at_arguments(tree, function.__code__) else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and node.handlers:
            found.add("errors")
        elif isinstance(node, ast.keyword) and node.arg == "timeout":
            found.add("timeouts")
        elif isinstance(node, ast.Slice) and node.upper is not None:
            found.add("bounds")
        elif isinstance(node, (ast.Name, ast.Attribute)):
            name = node.id if isinstance(node, ast.Name) else node.attr
            found |= {"errors"} if name == "suppress" else set()
            found |= {"timeouts"} if name in ("wait_for", "timeout", "alarm") else set()
            found |= {"bounds"} if name in ("shorten", "truncate") else set()
    return found


def _looks_at_arguments(tree: ast.AST, code: types.CodeType) -> bool:
    """Whether a branch on a parameter ends the call, or something is called that validates."""
    parameters = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    for node in ast.walk(tree):
        if isinstance(node, (ast.If, ast.Assert)) and parameters & _names(node.test):
            if isinstance(node, ast.Assert) or any(isinstance(n, (ast.Raise, ast.Return)) for n in ast.walk(node)):
                return True
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if "validate" in called.lower() or called == "parse_obj":
                return True
    return False


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def plain(value: Any) -> Any:
    """A value as JSON has it; what has no such form, by its repr."""
    from pydantic_core import to_jsonable_python

    return (
        to_jsonable_python(value, fallback=repr, bytes_mode="utf8", serialize_unknown=True)
        if not isinstance(value, bytes)
        else value.decode("utf-8", "backslashreplace")
    )


def binding_from(data: Any) -> ToolBinding:
    return (
        data
        if isinstance(data, ToolBinding)
        else ToolBinding(**data)
        if isinstance(data, dict)
        else ToolBinding(bind=data)
    )
