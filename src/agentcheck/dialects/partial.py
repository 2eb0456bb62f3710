"""Calls of Gemini's whose arguments come in pieces, as Vertex sends them where a request asks for it.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling (streamFunctionCallArguments).
Each piece says by a path (`$.items[0].name`) where its value belongs; texts come in pieces themselves.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from agentcheck.dialects.reading import brief, mapping, objects
from agentcheck.wire import WireError

_STEP: Final = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d{1,4})\]|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]")
_VALUES: Final = ("stringValue", "numberValue", "boolValue", "nullValue")


def whole(calls: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The calls of a stream, those in pieces put together. Raises WireError where a path cannot be followed."""
    open_call: dict[str, Any] | None = None
    for call in calls:
        if open_call is None and not call.keys() & {"willContinue", "partialArgs"}:
            yield call
            continue
        if open_call is None:
            open_call = {"id": call.get("id"), "name": call.get("name"), "args": dict(mapping(call.get("args")))}
        _take(open_call["args"], call)
        if not call.get("willContinue"):
            yield open_call
            open_call = None
    if open_call is not None:
        raise WireError(f"the stream ended inside the arguments of {brief(open_call['name'])}: it was cut off")


def _take(args: dict[str, Any], call: Mapping[str, Any]) -> None:
    for piece in objects(call, "partialArgs", "a call of Gemini's"):
        kind = next((name for name in _VALUES if name in piece), None)
        if kind is not None:
            _put(args, _steps(str(piece.get("jsonPath"))), None if kind == "nullValue" else piece[kind])


def _steps(path: str) -> list[str | int]:
    found = list(_STEP.finditer(path))
    if not found or "$" + "".join(step[0] for step in found) != path:
        raise WireError(f"an argument comes in pieces under a path that cannot be followed: {path:.100}")
    return [int(step["index"]) if step["index"] else step["name"] or step["quoted"] for step in found]


def _put(node: Any, steps: list[str | int], value: Any) -> None:
    """Set the value at the end of the path, or go on with the text that is there."""
    for step, following in pairwise(steps):
        node = _at(node, step, [] if isinstance(following, int) else {})
    last = steps[-1]
    before = _at(node, last, None)
    node[last] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _at(node: Any, step: str | int, fresh: Any) -> Any:
    """What is at this step, made where there is nothing yet."""
    if isinstance(node, list) and isinstance(step, int):
        node.extend([None] * (step + 1 - len(node)))
        if node[step] is None:
            node[step] = fresh
        return node[step]
    if isinstance(node, dict) and isinstance(step, str):
        return node.setdefault(step, fresh)
    raise WireError(f"an argument comes in pieces of which one belongs at {brief(step)}, where there is no such place")
