"""The contents of Gemini's requests and replies: turns of parts, as canonical messages and calls.

Calls need no id on this wire: what has none gets one by its position, and a result finds its call by name and order.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from agentcheck.dialects.reading import arguments_text, brief, json_text, objects
from agentcheck.messages import Message, ToolCall
from agentcheck.wire import WireError

HERE: Final = "Gemini's generateContent"

_ROLES: Final = {"user": "user", "model": "assistant", "function": "user", "tool": "user", "system": "system"}
_WRAPPERS: Final = ("output", "result", "return_value")  # keys of an object that holds the text of a result alone
_POSITIONAL: Final = "call-"  # how ids begin that are not from the wire


def field(body: Mapping[str, Any], camel: str) -> Any:
    """A field by its name in camelCase, or the same in snake_case."""
    snake = re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", camel)
    return body.get(camel, body.get(snake))


def system_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The system instruction as a content, which it is on the wire or is short for; None where there is none."""
    found = field(body, "systemInstruction")
    if not found:
        return None
    return found if isinstance(found, Mapping) else {"parts": [{"text": found}]}


def contents(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The turns; a single one may come without a list."""
    found = body.get("contents")
    return [found] if isinstance(found, dict) else objects(body, "contents", HERE)


def parts_of(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a turn; a single one may come without a list."""
    parts = content.get("parts")
    return [parts] if isinstance(parts, Mapping) else list(objects(content, "parts", HERE))


def messages(body: Mapping[str, Any]) -> Iterator[Message]:
    """A request's messages, the system instruction first. Raises WireError."""
    system = system_of(body)
    if system is not None:
        yield Message("system", _text(parts_of(system)))
    waiting: list[ToolCall] = []
    for position, content in enumerate(contents(body)):
        role = _ROLES.get(str(content.get("role") or "user"))
        if role is None:
            raise WireError(f"content {position} has role {brief(content.get('role'))}; the roles are user and model")
        yield from _of_content(role, parts_of(content), position, waiting)


def _of_content(role: str, parts: list[Mapping[str, Any]], position: int, waiting: list[ToolCall]) -> Iterator[Message]:
    """Each result is a message of its own. `waiting` are the calls that no result has answered yet."""
    for part in parts:
        answer = field(part, "functionResponse")
        if isinstance(answer, Mapping):
            yield Message("tool", _result(answer), (), _answered(answer, waiting))
    calls = tuple(calls_of(parts, f"{position}"))
    waiting += calls
    apart = ("functionCall", "functionResponse")
    rest = [p for p in parts if not any(isinstance(field(p, name), Mapping) for name in apart)]
    if rest or calls or not parts:
        yield Message(role, _text(rest), calls)


def _result(answer: Mapping[str, Any]) -> str:
    """What a tool said, out of the object that this wire wraps a text in; parts such as images beside it."""
    response = answer.get("response")
    alone = next(iter(response.items())) if isinstance(response, dict) and len(response) == 1 else ("", None)
    text = alone[1] if alone[0] in _WRAPPERS and isinstance(alone[1], str) else arguments_text(response)
    return "\n".join([text, *map(_shown, objects(answer, "parts", HERE))])


def _answered(answer: Mapping[str, Any], waiting: list[ToolCall]) -> str:
    """The id of the call that a result answers: by its id, or by its name where one of the two has none."""
    id, called = str(answer.get("id") or ""), str(answer.get("name") or "")
    alike = [c for c in waiting if id and c.id == id]
    alike = alike or [c for c in waiting if c.name == called and (not id or c.id.startswith(_POSITIONAL))]
    if not alike:
        return id or called
    waiting.remove(alike[0])
    return alike[0].id


def calls_of(parts: Iterable[Mapping[str, Any]], position: str) -> Iterator[ToolCall]:
    """The calls among these parts; `position` is what the ids of those without one are made of."""
    for number, part in enumerate(parts):
        call = field(part, "functionCall")
        if isinstance(call, Mapping):
            id = str(call.get("id") or f"{_POSITIONAL}{position}-{number}")
            yield ToolCall(str(call.get("name") or ""), arguments_text(call.get("args") or {}), id)


def _text(parts: Iterable[Mapping[str, Any]]) -> str:
    """All text; a part that is not text, and a thought, stays as its JSON, so that nothing sent is hidden."""
    return "\n".join(
        part["text"] if isinstance(part.get("text"), str) and not part.get("thought") else _shown(part)
        for part in parts
    )


def _shown(part: Mapping[str, Any]) -> str:
    return json_text(part)
