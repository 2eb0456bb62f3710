"""OpenAI Responses, and the services that speak it.

Source: https://platform.openai.com/docs/api-reference/responses and …/responses-streaming. A request's `input` is a
list of items: each is a message here, so that a message's number is the item's. Tools inside a namespace (Codex
sends those of MCP servers so) are called `namespace__name`, and answered with both names apart.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects.reading import (
    CREATED,
    UNKNOWN,
    arguments_text,
    brief,
    event,
    event_stream,
    json_reply,
    mapping,
    objects,
    pieces,
    refuse_failure,
    retry_header,
    spoken_finish,
    text_of,
)
from agentcheck.dialects.schema import json_schema_error as schema_error
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import WireError, WireReply, WireRequest, json_object, sse_events

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "openai-responses"
array: Final = "input"

_HERE: Final = "OpenAI's Responses"
_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_APART: Final = frozenset({"input", "instructions", "tools", "stream"})
_INCOMPLETE: Final = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "filter"}
_REASON: Final = {"length": "max_output_tokens", "filter": "content_filter", "unknown": UNKNOWN}
_ERRORS: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found"}
_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
_NAMESPACES: Final = "agentcheck_namespaces"  # in settings: canonical name of a tool → [namespace, name]


def recognises(request: WireRequest) -> bool:
    if not request.path.rstrip("/").endswith("/responses") or request.method.upper() != "POST":
        return False
    try:
        return isinstance(request.json().get("input"), str | list)
    except WireError:
        return False


def messages_json(request: WireRequest) -> str:
    """The items of the input, with the instructions, which this format keeps beside them."""
    body = request.json()
    told = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    return json.dumps([*told, *_items(body)], indent=2, ensure_ascii=False)


# --- requests: bytes to canonical ------------------------------------------------------


def parse(request: WireRequest) -> Request:
    body = request.json()
    settings = {key: value for key, value in body.items() if key not in _APART}
    tools, namespaces = _tools(body)
    if namespaces:
        settings[_NAMESPACES] = namespaces
    instructions = text_of(body.get("instructions"))
    told = (Message("system", instructions),) if instructions else ()
    schema = mapping(mapping(body.get("text")).get("format")).get("schema")
    return Request(
        dialect=name,
        messages=(*told, *map(_message, _items(body))),
        tools=tools,
        settings=settings,
        schema=schema if isinstance(schema, dict) else None,
        stream=body.get("stream") is True,
    )


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = body.get("input")
    return [{"role": "user", "content": said}] if isinstance(said, str) else objects(body, "input", _HERE)


def _message(item: Mapping[str, Any]) -> Message:
    kind = str(item.get("type") or "message")
    if kind == "message":
        role = _ROLES.get(str(item.get("role")))
        if role is None:
            raise WireError(f"an item has role {item.get('role')!r}; the roles of {_HERE} are {', '.join(_ROLES)}")
        return Message(role, text_of(item.get("content")))
    if kind in _CALLS:
        return Message("assistant", "", (_call(item),))
    if kind in ("function_call_output", "custom_tool_call_output"):
        return Message("tool", text_of(item.get("output")), (), str(item.get("call_id") or ""))
    role = _ROLES.get(str(item.get("role")), "assistant")  # reasoning, searches, …: as they were sent
    return Message(role, json.dumps(item, ensure_ascii=False))


def _call(item: Mapping[str, Any]) -> ToolCall:
    kind = str(item["type"])
    called = str(item.get("name") or "")
    if item.get("namespace"):
        called = f"{item['namespace']}__{called}"
    return ToolCall(called, arguments_text(item.get(_CALLS[kind])), str(item.get("call_id") or item.get("id") or ""))


def _tools(body: Mapping[str, Any]) -> tuple[tuple[ToolSpec, ...], dict[str, list[str]]]:
    found: list[ToolSpec] = []
    namespaces: dict[str, list[str]] = {}
    for tool in objects(body, "tools", _HERE):
        if tool.get("type") != "namespace":
            found.append(_tool(tool))
            continue
        for inner in map(_tool, objects(tool, "tools", _HERE)):
            whole = f"{tool.get('name')}__{inner.name}"
            namespaces[whole] = [str(tool.get("name")), inner.name]
            found.append(ToolSpec(whole, inner.description, inner.parameters, inner.hosted))
    return tuple(found), namespaces


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    """Tools of the provider's own (`web_search`, …) and custom tools, which take free text, have no schema."""
    label = tool.get("name")
    if tool.get("type") != "function":
        return ToolSpec(str(label or tool.get("type") or "unnamed"), hosted=True)
    if not isinstance(label, str):
        raise WireError(f"a function of {_HERE} has no name: {brief(tool)}")
    parameters = tool.get("parameters")
    return ToolSpec(label, str(tool.get("description") or ""), {} if parameters is None else parameters)


# --- replies: canonical to bytes -------------------------------------------------------


def reply(decision: Decision, request: Request) -> WireReply:
    whole = _response(decision, request)
    if not request.stream:
        return json_reply(200, whole)
    numbered = zip(count(), _events(whole), strict=False)
    return event_stream(*(event({"sequence_number": n, **data}, data["type"]) for n, data in numbered))


def _response(decision: Decision, request: Request) -> dict[str, Any]:
    finish = spoken_finish(decision.finish, bool(decision.calls))
    stopped = _REASON.get(finish)
    asked, answered = spending.sent(request), spending.said(decision)
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if stopped else "completed",
        "error": None,
        "incomplete_details": {"reason": stopped} if stopped else None,
        "instructions": None,
        "metadata": {},
        "model": str(request.settings.get("model", "")),
        "output": [*_said(decision, "incomplete" if stopped else "completed"), *_called(decision, request)],
        "parallel_tool_calls": request.settings.get("parallel_tool_calls") is not False,
        "previous_response_id": request.settings.get("previous_response_id"),
        "temperature": request.settings.get("temperature"),
        "tool_choice": request.settings.get("tool_choice", "auto"),
        "tools": [],
        "top_p": request.settings.get("top_p"),
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        },
    }


def _said(decision: Decision, status: str) -> list[dict[str, Any]]:
    if not decision.text and decision.calls:
        return []
    content = [{"type": "output_text", "text": decision.text, "annotations": [], "logprobs": []}]
    message = {"id": f"msg_{uuid4().hex}", "type": "message", "role": "assistant", "status": status}
    return [message | {"content": content}]


def _called(decision: Decision, request: Request) -> Iterator[dict[str, Any]]:
    namespaces = mapping(request.settings.get(_NAMESPACES))
    for call in decision.calls:
        namespace, called = namespaces.get(call.name, ("", call.name))
        yield {
            "id": f"fc_{uuid4().hex}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id or f"call_{uuid4().hex[:24]}",
            "name": called,
            "arguments": call.arguments,
            **({"namespace": namespace} if namespace else {}),
        }


def _events(whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a stream in OpenAI's order, without their numbers."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(whole["output"]):
        empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        at = {"output_index": index}
        yield {"type": "response.output_item.added", **at, "item": {**item, **empty, "status": "in_progress"}}
        yield from _spoken(item, at) if item["type"] == "message" else _asked_for(item, at)
        yield {"type": "response.output_item.done", **at, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _spoken(item: Mapping[str, Any], at: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    at = {"item_id": item["id"], **at, "content_index": 0}
    part = item["content"][0]
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _asked_for(item: Mapping[str, Any], at: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    at = {"item_id": item["id"], **at}
    for piece in pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
    done = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": "response.function_call_arguments.done", **at, **done}


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": _ERRORS.get(status)}
    return json_reply(status, {"error": error}, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    return _decision(_streamed(reply) if reply.is_stream else json_object(reply.body, "the reply body"))


def _streamed(reply: WireReply) -> Mapping[str, Any]:
    """The response at the end of a stream; some services leave its output out, and the items came before."""
    items: dict[Any, Any] = {}
    for _, data in sse_events(reply.body):
        if data.strip() == "[DONE]":
            break
        payload = json_object(data, "an event of the stream")
        match payload.get("type"):
            case "error":
                raise WireError(f"the stream broke off with an error: {brief(payload)}")
            case "response.output_item.done":
                items[payload.get("output_index")] = payload.get("item")
            case "response.completed" | "response.incomplete" | "response.failed":
                whole = mapping(payload.get("response"))
                return whole if whole.get("output") else {**whole, "output": list(items.values())}
    raise WireError("the stream ended before response.completed: it was cut off")


def _decision(body: Mapping[str, Any]) -> Decision:
    if body.get("status") in ("failed", "cancelled") or body.get("error"):
        raise WireError(f"the model answered with an error: {brief(body.get('error') or body.get('status'))}")
    if "output" not in body:
        raise WireError(f"a reply of {_HERE} without output: {brief(body)}")
    output = objects(body, "output", _HERE)
    calls = tuple(_call(item) for item in output if item.get("type") in _CALLS)
    texts = [
        _part(part) for item in output if item.get("type") == "message" for part in objects(item, "content", _HERE)
    ]
    return Decision("".join(texts), calls, _finish(body, calls, output))


def _part(part: Mapping[str, Any]) -> str:
    return str(part.get("text") or part.get("refusal") or "")


def _finish(body: Mapping[str, Any], calls: tuple[ToolCall, ...], output: list[dict[str, Any]]) -> str:
    if body.get("status") == "incomplete":
        return _INCOMPLETE.get(str(mapping(body.get("incomplete_details")).get("reason")), "unknown")
    said = [part for item in output if item.get("type") == "message" for part in objects(item, "content", _HERE)]
    refused = bool(said) and all(part.get("type") == "refusal" for part in said)
    return "filter" if refused else spoken_finish("stop", bool(calls))
