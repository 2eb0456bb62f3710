"""Cohere's Chat, version 2.

Source: https://docs.cohere.com/reference/chat and …/chat-stream. Arguments are text, as OpenAI's are.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects import depth
from agentcheck.dialects.reading import (
    UNKNOWN,
    arguments_text,
    brief,
    event,
    event_stream,
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
from agentcheck.wire import WireError, WireReply, WireRequest, json_object, sse_events

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "cohere"
array: Final = "messages"

_HERE: Final = "Cohere's Chat"
_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_FINISH: Final = {
    "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "TOOL_CALL": "calls", "MAX_TOKENS": "length", "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "filter",
}  # fmt: skip
_REASON: Final = {
    "stop": "COMPLETE", "calls": "TOOL_CALL", "length": "MAX_TOKENS", "unknown": UNKNOWN,
}  # fmt: skip
_APART: Final = frozenset({"messages", "tools", "stream"})


def recognises(request: WireRequest) -> bool:
    if not request.path.rstrip("/").endswith("/v2/chat"):
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
    wanted = mapping(body.get("response_format"))
    schema = wanted.get("json_schema", wanted.get("schema"))
    return Request(
        dialect=name,
        messages=tuple(_message(item) for item in objects(body, "messages", _HERE)),
        tools=tuple(_tool(tool) for tool in objects(body, "tools", _HERE)),
        settings={key: value for key, value in body.items() if key not in _APART},
        schema=schema if isinstance(schema, dict) else None,
        stream=body.get("stream") is True,
    )


def _message(item: Mapping[str, Any]) -> Message:
    role = _ROLES.get(str(item.get("role")))
    if role is None:
        raise WireError(f"a message has role {quoted(item.get('role'))}; the roles of {_HERE} are {', '.join(_ROLES)}")
    said = [text for text in (item.get("tool_plan"), text_of(item.get("content"))) if isinstance(text, str) and text]
    answers = str(item.get("tool_call_id") or "") if role == "tool" else None
    return Message(role, "\n".join(said), _calls(item), answers)


def _calls(item: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    return tuple(_call(call) for call in objects(item, "tool_calls", _HERE))


def _call(call: Mapping[str, Any]) -> ToolCall:
    function = mapping(call.get("function"))
    return ToolCall(
        str(function.get("name") or ""), arguments_text(function.get("arguments")), str(call.get("id") or "")
    )


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    function = mapping(tool.get("function"))
    if not isinstance(function.get("name"), str):
        raise WireError(f"a tool of {_HERE} has no name: {brief(tool)}")
    parameters = function.get("parameters")
    return ToolSpec(function["name"], str(function.get("description") or ""), {} if parameters is None else parameters)


# --- replies: canonical to bytes -------------------------------------------------------


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    finish = reason_for(decision, _REASON, _HERE)
    asked, answered = spending.sent(request), spending.said(decision)
    tokens = {"input_tokens": asked, "output_tokens": answered}
    ended = {"finish_reason": finish, "usage": {"billed_units": tokens, "tokens": tokens}}
    if request.stream:
        return event_stream(*(event(data, data["type"]) for data in _events(decision, ended)))
    message: dict[str, Any] = {"role": "assistant"}
    if decision.calls:
        message |= {"tool_plan": decision.text, "tool_calls": [_written(call) for call in decision.calls]}
    else:
        message |= {"content": [{"type": "text", "text": decision.text}]}
    return json_reply(200, {"id": str(uuid4()), "message": message, **ended})


def _written(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id or f"{call.name}_{uuid4().hex[:24]}", "type": "function", "function": function}


def _events(decision: Decision, ended: dict[str, Any]) -> Iterator[dict[str, Any]]:
    begun = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": str(uuid4()), "delta": {"message": begun}}
    if decision.calls:
        for piece in pieces(decision.text):
            yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
    else:
        yield _said("content-start", {"type": "text", "text": ""})
        yield from (_said("content-delta", {"text": piece}) for piece in pieces(decision.text))
        yield {"type": "content-end", "index": 0}
    for index, call in enumerate(decision.calls):
        whole = _written(call)
        first = whole | {"function": whole["function"] | {"arguments": ""}}
        yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": first}}}
        for piece in pieces(call.arguments):
            more = {"function": {"arguments": piece}}
            yield {"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": more}}}
        yield {"type": "tool-call-end", "index": index}
    yield {"type": "message-end", "delta": ended}


def _said(kind: str, content: dict[str, str]) -> dict[str, Any]:
    return {"type": kind, "index": 0, "delta": {"message": {"content": content}}}


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    return json_reply(status, {"id": str(uuid4()), "message": message}, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    if reply.is_stream:
        said = (data for _, data in sse_events(reply.body) if data.strip() != "[DONE]")
        return _streamed(json_object(data, "an event of the stream") for data in said)
    body = json_object(reply.body, "the reply body")
    message = body.get("message")
    if not isinstance(message, dict):
        raise WireError(f"a reply of {_HERE} without a message: {brief(body)}")
    calls = _calls(message)
    return Decision(_spoken(message) or str(message.get("tool_plan") or ""), calls, _finish(body, calls))


def _spoken(message: Mapping[str, Any]) -> str:
    """What the model said: text parts alone, without its thinking."""
    if isinstance(message.get("content"), str):
        return str(message["content"])
    parts = (part for part in objects(message, "content", _HERE) if part.get("type") == "text")
    return "".join(str(part.get("text") or "") for part in parts)


def _streamed(payloads: Iterator[dict[str, Any]]) -> Decision:
    text, plan, calls = "", "", dict[str, dict[str, Any]]()
    ended: Mapping[str, Any] | None = None
    for payload in payloads:
        message = mapping(mapping(payload.get("delta")).get("message"))
        match payload.get("type"):
            case "content-start" | "content-delta":
                text += str(mapping(message.get("content")).get("text") or "")
            case "tool-plan-delta":
                plan += str(message.get("tool_plan") or "")
            case "tool-call-start":
                calls[repr(payload.get("index"))] = {**mapping(message.get("tool_calls")), "pieces": ""}
            case "tool-call-delta":
                more = mapping(mapping(message.get("tool_calls")).get("function")).get("arguments")
                calls.setdefault(repr(payload.get("index")), {"pieces": ""})["pieces"] += str(more or "")
            case "message-end":
                ended = mapping(payload.get("delta"))
    if ended is None:
        raise WireError("the stream ended before message-end: it was cut off")
    if ended.get("error"):
        raise WireError(f"the stream broke off with an error: {brief(ended['error'])}")
    made = tuple(map(_put_together, calls.values()))
    return Decision(text or plan, made, _finish(ended, made))


def _put_together(call: Mapping[str, Any]) -> ToolCall:
    begun = _call(call)
    return ToolCall(begun.name, begun.arguments + call["pieces"], begun.id)


def _finish(ended: Mapping[str, Any], calls: tuple[ToolCall, ...]) -> str:
    return spoken_finish(_FINISH.get(str(ended.get("finish_reason")), "unknown"), bool(calls))
