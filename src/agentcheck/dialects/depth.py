"""JSON nested so deeply that Python cannot go down into it, refused in one sentence wherever a dialect meets it.

How deep that is hangs on how much of the stack is in use already: what could be read may be too deep to be written.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from agentcheck.wire import Uncarriable, WireError

_Asked = ParamSpec("_Asked")
_Given = TypeVar("_Given")


def reads(work: Callable[_Asked, _Given]) -> Callable[_Asked, _Given]:
    """The same function, which raises WireError where what it reads is nested too deeply."""
    return _bounded(work, WireError, "what was sent is JSON nested too deeply to read, or to write again")


def writes(work: Callable[_Asked, _Given]) -> Callable[_Asked, _Given]:
    """The same function, which raises Uncarriable where a decision, or its request, is nested too deeply."""
    return _bounded(work, Uncarriable, "the decision, or the request that it answers, is nested too deeply to write")


def _bounded(work: Callable[_Asked, _Given], error: type[WireError], why: str) -> Callable[_Asked, _Given]:
    @wraps(work)
    def bounded(*asked: _Asked.args, **more: _Asked.kwargs) -> _Given:
        try:
            return work(*asked, **more)
        except RecursionError:
            raise error(why) from None

    return bounded
