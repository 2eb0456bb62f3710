"""OpenAI Chat Completions, and the many services that speak it: Azure, Mistral, Groq, vLLM, llama.cpp, …

Source: https://platform.openai.com/docs/api-reference/chat. Tolerant of look-alikes in what it reads
(arguments as an object, calls without index, content as parts), exact in what it writes.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects import depth
from agentcheck.dialects.reading import (
    CREATED,
    UNKNOWN,
    arguments_text,
    brief,
    event,
    event_stream,
    json_reply,
    json_text,
    mapping,
    objects,
    quoted,
    refuse_failure,
    retry_header,
    spoken_finish,
    text_of,
)
from agentcheck.dialects.schema import json_schema_error as schema_error
from agentcheck.dialects.streams import Calls, deltas
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, header, json_object, sse_events

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "openai-chat"
array: Final = "messages"

_HERE: Final = "Chat Completions"
WHOLE_CALLS: Final = "agentcheck_whole_calls"  # in settings: Mistral's streams bring each call in one piece

_ROLES: Final = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant",
    "tool": "tool", "function": "tool",
}  # fmt: skip
_FINISH: Final = {
    "stop": "stop", "tool_calls": "calls", "function_call": "calls", "length": "length",
    "content_filter": "filter", "model_length": "length", "max_tokens": "length",
    "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop",
}  # fmt: skip
_REASON: Final = {
    "stop": "stop", "calls": "tool_calls", "length": "length", "filter": "content_filter", "unknown": UNKNOWN,
}  # fmt: skip
_ERRORS: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found"}
_APART: Final = frozenset({"messages", "tools", "functions", "stream"})


def recognises(request: WireRequest) -> bool:
    if not request.path.rstrip("/").endswith("/chat/completions"):
        return False
    try:
        return "messages" in request.json()
    except WireError:
        return False


@depth.reads
def messages_json(request: WireRequest) -> str:
    return json_text(request.json().get("messages"), indent=2)


# --- requests: bytes to canonical ------------------------------------------------------


@depth.reads
def parse(request: WireRequest) -> Request:
    body = request.json()
    settings = {key: value for key, value in body.items() if key not in _APART}
    legacy = objects(body, "functions", _HERE)
    if legacy:
        settings["legacy_functions"] = True  # so that the reply comes back as function_call
    if "mistral" in header(request.headers, "user-agent").lower():
        settings[WHOLE_CALLS] = True
    return Request(
        dialect=name,
        messages=_messages(objects(body, "messages", _HERE)),
        tools=tuple(_tool(tool) for tool in [*objects(body, "tools", _HERE), *legacy]),
        settings=settings,
        schema=_schema(body.get("response_format")),
        stream=body.get("stream") is True,
    )


def _messages(raw: list[dict[str, Any]]) -> tuple[Message, ...]:
    """Legacy calls have no ids: each gets one by position, and its result finds it by function name."""
    waiting: dict[str, str] = {}
    messages = []
    for position, item in enumerate(raw):
        role = _ROLES.get(str(item.get("role")))
        if role is None:
            raise WireError(
                f"message {position} has role {quoted(item.get('role'))}; the roles are {', '.join(_ROLES)}"
            )
        calls = _calls(item, f"function-call-{position}")
        if isinstance(item.get("function_call"), dict):
            waiting[calls[-1].name] = calls[-1].id
        messages.append(Message(role, text_of(item.get("content")), calls, _call_id(item, role, waiting)))
    return tuple(messages)


def _call_id(item: Mapping[str, Any], role: str, waiting: dict[str, str]) -> str | None:
    if role != "tool":
        return None
    if item.get("tool_call_id") is not None:
        return str(item["tool_call_id"])
    called = str(item.get("name") or "")
    return waiting.pop(called, called)


def _calls(item: Mapping[str, Any], legacy_id: str = "") -> tuple[ToolCall, ...]:
    calls = [_call(call) for call in objects(item, "tool_calls", _HERE)]
    legacy = item.get("function_call")
    if isinstance(legacy, dict) and not calls:  # llama-cpp-python says the one call in both forms
        calls.append(ToolCall(str(legacy.get("name") or ""), arguments_text(legacy.get("arguments")), legacy_id))
    return tuple(calls)


def _call(call: Mapping[str, Any]) -> ToolCall:
    custom = call.get("custom")
    function = custom if isinstance(custom, dict) else call.get("function")
    if not isinstance(function, dict):
        raise WireError(f"a tool call names no function: {brief(call)}")
    arguments = function.get("arguments", function.get("input"))  # `input`: the free text of a custom tool
    return ToolCall(str(function.get("name") or ""), arguments_text(arguments), str(call.get("id") or ""))


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    kind = tool.get("type")
    function = tool.get("function", tool)  # legacy functions, and some look-alikes, have no envelope
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or kind not in (None, "function"):
        custom = tool.get("custom")
        label = custom.get("name") if isinstance(custom, dict) else kind
        return ToolSpec(str(label or "unnamed"), hosted=True)  # custom tools take free text: no schema either
    parameters = function.get("parameters")
    return ToolSpec(function["name"], str(function.get("description") or ""), {} if parameters is None else parameters)


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    if not isinstance(response_format, dict):
        return None
    wrapper = response_format.get("json_schema", response_format)  # llama.cpp: {"type": "json_object", "schema": …}
    schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
    return schema if isinstance(schema, dict) else None


# --- replies: canonical to bytes -------------------------------------------------------


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    legacy = bool(request.settings.get("legacy_functions"))
    if legacy and len(decision.calls) > 1:
        raise Uncarriable(f"a legacy function_call reply carries one call, the decision has {len(decision.calls)}")
    head = {"id": f"chatcmpl-{uuid4().hex}", "created": CREATED, "model": str(request.settings.get("model", ""))}
    reason = _REASON[spoken_finish(decision.finish, bool(decision.calls))]
    reason = "function_call" if legacy and reason == "tool_calls" else reason
    message = {"role": "assistant", "content": decision.text or (None if decision.calls else ""), "refusal": None}
    message |= _written(decision.calls, legacy=legacy)
    usage = _usage(decision, request)
    if request.stream:
        return _stream(head, message, reason, request, usage)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    body = head | {"object": "chat.completion", "choices": [choice], "usage": usage}
    return json_reply(200, body)


def _usage(decision: Decision, request: Request) -> dict[str, int]:
    """What a call cost: an agent that keeps account of it must see figures that grow as real ones do."""
    asked, answered = spending.sent(request), spending.said(decision)
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _written(calls: tuple[ToolCall, ...], *, legacy: bool) -> dict[str, Any]:
    functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
    if not calls:
        return {}
    if legacy:
        return {"function_call": functions[0]}
    ids = [call.id or f"call_{uuid4().hex[:24]}" for call in calls]
    return {"tool_calls": [{"id": i, "type": "function", "function": f} for i, f in zip(ids, functions, strict=True)]}


def _stream(
    head: dict[str, Any], message: dict[str, Any], reason: str, request: Request, usage: dict[str, int]
) -> WireReply:
    whole = bool(request.settings.get(WHOLE_CALLS))
    with_usage = mapping(request.settings.get("stream_options")).get("include_usage") is True
    head = head | {"object": "chat.completion.chunk"} | ({"usage": None} if with_usage else {})
    payloads = [_chunk(head, delta) for delta in deltas(message, whole_calls=whole)] + [_chunk(head, {}, reason)]
    if with_usage:
        payloads.append(head | {"choices": [], "usage": usage})
    return event_stream(*map(event, payloads), b"data: [DONE]\n\n")


def _chunk(head: Mapping[str, Any], delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": _ERRORS.get(status)}
    return json_reply(status, {"error": error}, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    return _parse_stream(reply) if reply.is_stream else _parse_json(json_object(reply.body, "the reply body"))


def _parse_json(body: Mapping[str, Any]) -> Decision:
    choices = objects(body, "choices", _HERE)
    if not choices or not isinstance(choices[0].get("message"), dict):
        raise WireError(f"a {name} reply without a message in its first choice: {brief(body)}")
    message = choices[0]["message"]
    text = _spoken(message.get("content")) or str(message.get("refusal") or "")
    calls = _calls(message)
    return Decision(text, calls, _finish(choices[0].get("finish_reason"), calls))


def _parse_stream(reply: WireReply) -> Decision:
    text, calls, reason = "", Calls(), None
    for _, data in sse_events(reply.body):
        if data.strip() == "[DONE]":
            break
        for choice in _choices(json_object(data, "an event of the stream")):
            delta = mapping(choice.get("delta"))
            text += _spoken(delta.get("content")) or str(delta.get("refusal") or "")
            calls.add(delta)
            reason = choice.get("finish_reason") or reason
    if reason is None:
        raise WireError("the stream ended before a finish_reason: it was cut off")
    return Decision(text, calls.all(), _finish(reason, calls.all()))


def _choices(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    if event.get("error"):
        raise WireError(f"the stream broke off with an error: {brief(event['error'])}")
    return [choice for choice in objects(event, "choices", _HERE) if choice.get("index", 0) == 0]


def _spoken(content: Any) -> str:
    """What the model said: text parts alone, without its reasoning."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    texts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type", "text") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _finish(reason: Any, calls: tuple[ToolCall, ...]) -> str:
    return spoken_finish(_FINISH.get(str(reason or "stop"), "unknown"), bool(calls))
