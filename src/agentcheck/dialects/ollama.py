"""Ollama's chat.

Source: https://docs.ollama.com/api/chat. A reply is a stream unless `stream` is false: a line of JSON for each piece.
Calls need no id: what has none gets one by its position, and a result finds its call by `tool_name`, or by order.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects import depth
from agentcheck.dialects.reading import (
    UNKNOWN,
    arguments_object,
    arguments_text,
    brief,
    json_reply,
    json_text,
    mapping,
    objects,
    pieces,
    quoted,
    reason_for,
    refuse_failure,
    retry_header,
    spoken_finish,
    text_of,
)
from agentcheck.dialects.schema import json_schema_error as schema_error
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import WireError, WireReply, WireRequest, header, json_object

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "ollama"
array: Final = "messages"

_HERE: Final = "Ollama's chat"
_ROLES: Final = frozenset({"system", "user", "assistant", "tool"})
_FINISH: Final = {"stop": "stop", "length": "length"}
_REASON: Final = {"stop": "stop", "calls": "stop", "length": "length", "unknown": UNKNOWN}
_APART: Final = frozenset({"messages", "tools", "stream"})
_CREATED: Final = "2026-01-01T00:00:00Z"  # no clock in a reply: two runs of one script differ in ids alone


def recognises(request: WireRequest) -> bool:
    if not request.path.rstrip("/").endswith("/api/chat"):
        return False
    try:
        return isinstance(request.json().get("messages"), list)
    except WireError:
        return False


@depth.reads
def messages_json(request: WireRequest) -> str:
    return json_text(objects(request.json(), "messages", _HERE), indent=2)


# --- requests: bytes to canonical ------------------------------------------------------


@depth.reads
def parse(request: WireRequest) -> Request:
    body = request.json()
    schema = body.get("format")
    return Request(
        dialect=name,
        messages=tuple(_messages(objects(body, "messages", _HERE))),
        tools=tuple(_tool(tool) for tool in objects(body, "tools", _HERE)),
        settings={key: value for key, value in body.items() if key not in _APART},
        schema=schema if isinstance(schema, dict) else None,
        stream=body.get("stream") is not False,
    )


def _messages(items: list[dict[str, Any]]) -> Iterator[Message]:
    waiting: list[ToolCall] = []
    for position, item in enumerate(items):
        role = str(item.get("role"))
        if role not in _ROLES:
            raise WireError(
                f"message {position} has role {quoted(item.get('role'))}; the roles are {', '.join(_ROLES)}"
            )
        calls = tuple(_calls(item, str(position)))
        waiting += calls
        text = "\n".join(
            filter(None, [_beside(item, "thinking"), text_of(item.get("content")), _beside(item, "images")])
        )
        yield Message(role, text, calls, _answered(item, waiting) if role == "tool" else None)


def _beside(item: Mapping[str, Any], key: str) -> str:
    """What is sent beside the text, as its JSON, so that nothing sent is hidden."""
    return json_text({key: item[key]}) if item.get(key) else ""


def _calls(item: Mapping[str, Any], position: str) -> Iterator[ToolCall]:
    for number, call in enumerate(objects(item, "tool_calls", _HERE)):
        function = mapping(call.get("function"))
        id = str(call.get("id") or f"call-{position}-{number}")
        yield ToolCall(str(function.get("name") or ""), arguments_text(function.get("arguments")), id)


def _answered(item: Mapping[str, Any], waiting: list[ToolCall]) -> str:
    """The id of the call that a result answers: by its id, its tool's name, or its place among them."""
    id, tool = str(item.get("tool_call_id") or ""), str(item.get("tool_name") or item.get("name") or "")
    alike = [c for c in waiting if (c.id == id if id else c.name == tool if tool else True)]
    if not alike:
        return id or tool
    waiting.remove(alike[0])
    return alike[0].id


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    function = mapping(tool.get("function"))
    if not isinstance(function.get("name"), str):
        raise WireError(f"a tool of {_HERE} has no name: {brief(tool)}")
    parameters = function.get("parameters")
    return ToolSpec(function["name"], str(function.get("description") or ""), {} if parameters is None else parameters)


# --- replies: canonical to bytes -------------------------------------------------------


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    head = {"model": str(request.settings.get("model", "")), "created_at": _CREATED}
    finish = reason_for(decision, _REASON, _HERE)
    asked, answered = spending.sent(request), spending.said(decision)
    used = {"total_duration": 1, "load_duration": 1, "prompt_eval_count": asked, "prompt_eval_duration": 1}
    ended = {"done": True, "done_reason": finish, **used, "eval_count": answered, "eval_duration": 1}
    calls = [_written(number, call) for number, call in enumerate(decision.calls)]
    if not request.stream:
        return json_reply(200, {**head, "message": _message(decision.text, calls), **ended})
    said = [{**head, "message": _message(piece), "done": False} for piece in pieces(decision.text)]
    called = [{**head, "message": _message("", [call]), "done": False} for call in calls]
    lines = [*said, *called, {**head, "message": _message(""), **ended}]
    return WireReply(200, {"content-type": "application/x-ndjson"}, tuple(map(_line, lines)))


def _line(piece: Mapping[str, Any]) -> bytes:
    """In ASCII: clients split lines at U+2028 and its like too, which Ollama escapes."""
    return json.dumps(piece, separators=(",", ":")).encode() + b"\n"


def _message(text: str, calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


def _written(number: int, call: ToolCall) -> dict[str, Any]:
    arguments = arguments_object(call.arguments, _HERE)
    function = {"index": number, "name": call.name, "arguments": arguments}
    return {"id": call.id or f"call_{uuid4().hex[:24]}", "function": function}


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    return json_reply(status, {"error": message}, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    lines = _lines(reply)
    for line in lines:
        if line.get("error"):
            raise WireError(f"the model answered with an error: {brief(line['error'])}")
    if not lines or not lines[-1].get("done"):
        raise WireError("the reply ended before it was done: it was cut off")
    messages = [mapping(line.get("message")) for line in lines]
    text = "".join(str(message.get("content") or "") for message in messages)
    calls = tuple(call for n, message in enumerate(messages) for call in _calls(message, f"reply-{n}"))
    finish = _FINISH.get(str(lines[-1].get("done_reason") or "stop"), "unknown")
    return Decision(text, calls, spoken_finish(finish, bool(calls)))


def _lines(reply: WireReply) -> list[dict[str, Any]]:
    """The pieces of a reply: one for each line, or the one that it is, in however many lines."""
    if not header(reply.headers, "content-type").lower().startswith("application/x-ndjson"):
        with suppress(WireError):
            return [json_object(reply.body, "the reply body")]
    return [json_object(line, "a line of the reply") for line in reply.body.splitlines() if line.strip()]
