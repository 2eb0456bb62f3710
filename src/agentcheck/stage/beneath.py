"""Failures beneath a tool's body, in the form in which the function there would have given them."""

import asyncio
import base64
import importlib
import json
import signal
import threading
from collections.abc import Mapping
from typing import Any

from agentcheck.stage import bind as binder

_OF_CLIENT = object()


def http_response(module: str, failure: Mapping[str, Any]) -> Any:
    """An error response of the HTTP client beneath, where a status is to be seen and the client is known."""
    status, client = failure.get("status"), module.partition(".")[0]
    if not status:
        return None
    text = str(failure.get("message", ""))
    if client in ("httpx", "httpx2"):
        library = importlib.import_module(client)
        return library.Response(status, text=text, request=library.Request("POST", "http://tool.invalid/"))
    if client == "requests":
        response = importlib.import_module("requests").Response()
        response.status_code, response._content, response.url = status, text.encode(), "http://tool.invalid/"
        return response
    return None


def http_answer(failure: Mapping[str, Any]) -> dict[str, Any]:
    """A failure as the server beneath would have given it: an error status, a broken connection, an odd body."""
    broken = {"ConnectionResetError": "reset", "TimeoutError": "timeout"}.get(str(failure.get("kind")))
    if broken:
        return {"do": "reply", "broken": broken}
    if failure["how"] == "return":
        value = failure["value"]
        status, text = 200, value if isinstance(value, str) else json.dumps(value)
    else:  # an exception of the server's is an internal error to its clients
        status, text = failure.get("status") or 500, str(failure.get("message", ""))
    headers = {"content-type": "text/plain; charset=utf-8"}
    if failure.get("retry_after") is not None:
        headers["retry-after"] = str(failure["retry_after"])
    body = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
    return {"do": "reply", "status": status, "headers": headers, "chunks": [body]}


def time_out(bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any], longest: float) -> Exception | None:
    """What the function raises when it gets no answer, where it was told to wait at most `longest` seconds."""
    seconds = _seconds(_patience(bound, args, kwargs))
    if seconds is None or seconds > longest:
        return None
    client = bound.original.__module__.partition(".")[0]
    if client in ("httpx", "httpx2", "requests"):
        library = importlib.import_module(client)
        kind = getattr(library, "ReadTimeout", None) or library.exceptions.ReadTimeout
        return kind("timed out")  # type: ignore[no-any-return]
    if client == "subprocess":
        return importlib.import_module("subprocess").TimeoutExpired(args[0] if args else "", seconds)  # type: ignore[no-any-return]
    return TimeoutError("timed out")


def _patience(bound: binder.Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The `timeout` with which the function was called, that of its client object included."""
    given = bound.arguments(args, kwargs).get("timeout", _OF_CLIENT)
    if given is _OF_CLIENT or type(given).__name__ == "UseClientDefault":
        return getattr(args[0], "timeout", None) if args else None
    return given


def _seconds(timeout: Any) -> float | None:
    if isinstance(timeout, (tuple, list)):
        timeout = timeout[-1] if timeout else None
    timeout = getattr(timeout, "read", timeout)
    return float(timeout) if isinstance(timeout, (int, float)) else None


def is_stuck(loop: asyncio.AbstractEventLoop | None = None) -> bool:
    """Whether nothing in this process could end a call that never returns: no other thread, and no timer.

    With a loop that runs the call: no other task of it either, its pool of threads left aside.
    """
    if signal.getitimer(signal.ITIMER_REAL)[0] or (loop is not None and not _is_alone(loop)):
        return False
    pools = ("asyncio_", "AnyIO worker") if loop is not None else ()
    return sum(not thread.name.startswith(pools) for thread in threading.enumerate()) == 1


def _is_alone(loop: asyncio.AbstractEventLoop) -> bool:
    timers = getattr(loop, "_scheduled", None)
    return timers is not None and len(timers) == 0 and asyncio.all_tasks(loop) == {asyncio.current_task(loop)}
