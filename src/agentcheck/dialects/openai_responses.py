"""OpenAI Responses, and the services that speak it.

Source: https://platform.openai.com/docs/api-reference/responses and …/responses-streaming. A request's `input` is a
list of items: each is a message here, so that a message's number is the item's. Tools inside a namespace (Codex
sends those of MCP servers so) are called `namespace__name`, and answered with both names apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
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
    reason_for,
    refuse_failure,
    retry_header,
    spoken_finish,
    text_of,
)
from agentcheck.dialects.responses_events import ARGUMENTS, events
from agentcheck.dialects.schema import json_schema_error as schema_error
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import WireError, WireReply, WireRequest, json_object, sse_events

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "openai-responses"
array: Final = "input"

_HERE: Final = "OpenAI's Responses"
_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_FORMS: Final = "agentcheck_call_forms"  # in settings: canonical name of a tool → what its call says of type and name
_APART: Final = frozenset({"input", "instructions", "tools", "stream", _FORMS})
_INCOMPLETE: Final = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "filter"}
_REASON: Final = {
    "stop": "", "calls": "", "length": "max_output_tokens", "filter": "content_filter", "unknown": UNKNOWN,
}  # fmt: skip
_ERRORS: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found"}
_RESULTS: Final = ("function_call_output", "custom_tool_call_output")
_FROM_USER: Final = ("_call_output", "_approval_response")  # how items of other tools end that the client answers
_BRINGS_TOOLS: Final = ("additional_tools", "tool_search_output")
_SPOKEN: Final = {"output_text": "text", "text": "text", "refusal": "refusal"}


def recognises(request: WireRequest) -> bool:
    """Also a call of a stored prompt, which may come without an input."""
    if not request.path.rstrip("/").endswith("/responses") or request.method.upper() != "POST":
        return False
    try:
        body = request.json()
    except WireError:
        return False
    return isinstance(body.get("input"), str | list) or isinstance(body.get("prompt"), dict)


@depth.reads
def messages_json(request: WireRequest) -> str:
    """The items of the input, with the instructions, which this format keeps beside them."""
    body = request.json()
    told = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    return json_text([*told, *_items(body)], indent=2)


# --- requests: bytes to canonical ------------------------------------------------------


@depth.reads
def parse(request: WireRequest) -> Request:
    body = request.json()
    settings = {key: value for key, value in body.items() if key not in _APART}
    items = _items(body)
    offered = _offered(body, items)
    if forms := {tool.name: form for tool, form in offered if form != _plain(tool.name)}:
        settings[_FORMS] = forms
    instructions = text_of(body.get("instructions"))
    told = (Message("system", instructions),) if instructions else ()
    schema = mapping(mapping(body.get("text")).get("format")).get("schema")
    return Request(
        dialect=name,
        messages=(*told, *map(_message, items)),
        tools=tuple(tool for tool, _ in offered),
        settings=settings,
        schema=schema if isinstance(schema, dict) else None,
        stream=body.get("stream") is True,
    )


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = body.get("input")
    return [{"role": "user", "content": said}] if isinstance(said, str) else objects(body, "input", _HERE)


def _message(item: Mapping[str, Any]) -> Message:
    kind = str(item.get("type") or ("message" if "role" in item or "id" not in item else "item_reference"))
    if kind == "message":
        role = _ROLES.get(str(item.get("role")))
        if role is None:
            raise WireError(
                f"an item has role {quoted(item.get('role'))}; the roles of {_HERE} are {', '.join(_ROLES)}"
            )
        return Message(role, text_of(item.get("content")))
    if kind in ARGUMENTS:
        return Message("assistant", "", (_call(item),))
    if kind in _RESULTS:
        return Message("tool", text_of(item.get("output")), (), str(item.get("call_id") or ""))
    role = "user" if kind.endswith(_FROM_USER) else "assistant"  # reasoning, searches, …: as they were sent
    return Message(_ROLES.get(str(item.get("role")), role), json_text(item))


def _call(item: Mapping[str, Any]) -> ToolCall:
    called = _joined(item.get("namespace"), str(item.get("name") or ""))
    arguments = arguments_text(item.get(ARGUMENTS[str(item["type"])]))
    return ToolCall(called, arguments, str(item.get("call_id") or item.get("id") or ""))


def _joined(namespace: Any, called: str) -> str:
    """One name for a tool; one that a search loaded alone is in a namespace of its own name."""
    if not isinstance(namespace, str) or namespace in ("", called):
        return called
    return f"{namespace.removesuffix('__')}__{called}"


def _offered(body: Mapping[str, Any], items: list[dict[str, Any]]) -> list[tuple[ToolSpec, dict[str, str]]]:
    """Each tool with the form of its calls; those that come along in the input too, where they are new."""
    offered = list(_tools(body))
    for item in items:
        if item.get("type") in _BRINGS_TOOLS:
            known = {tool.name for tool, _ in offered}
            offered += [(tool, form) for tool, form in _tools(item) if tool.name not in known]
    return offered


def _tools(source: Mapping[str, Any]) -> Iterator[tuple[ToolSpec, dict[str, str]]]:
    for tool in objects(source, "tools", _HERE):
        if tool.get("type") != "namespace":
            yield _tool(tool), _form(tool)
            continue
        namespace = str(tool.get("name"))
        for inner in objects(tool, "tools", _HERE):
            spec = _tool(inner)
            yield replace(spec, name=_joined(namespace, spec.name)), {**_form(inner), "namespace": namespace}


def _form(tool: Mapping[str, Any]) -> dict[str, str]:
    return _plain(_label(tool)) | ({"type": "custom_tool_call"} if tool.get("type") == "custom" else {})


def _plain(called: str) -> dict[str, str]:
    return {"type": "function_call", "name": called}


def _label(tool: Mapping[str, Any]) -> str:
    return str(tool.get("name") or tool.get("type") or "unnamed")


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    """Tools of the provider's own (`web_search`, …) and custom tools, which take free text, have no schema."""
    if tool.get("type") != "function":
        return ToolSpec(_label(tool), hosted=True)
    if not isinstance(tool.get("name"), str):
        raise WireError(f"a function of {_HERE} has no name: {brief(tool)}")
    parameters = tool.get("parameters")
    return ToolSpec(tool["name"], str(tool.get("description") or ""), {} if parameters is None else parameters)


# --- replies: canonical to bytes -------------------------------------------------------


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    whole = _response(decision, request)
    if not request.stream:
        return json_reply(200, whole)
    numbered = zip(count(), events(whole), strict=False)
    return event_stream(*(event({"sequence_number": n, **data}, data["type"]) for n, data in numbered))


def _response(decision: Decision, request: Request) -> dict[str, Any]:
    stopped = reason_for(decision, _REASON, _HERE)
    settings = request.settings
    asked, answered = spending.sent(request), spending.said(decision)
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if stopped else "completed",
        "error": None,
        "incomplete_details": {"reason": stopped} if stopped else None,
        "instructions": None,
        "metadata": settings.get("metadata") or {},
        "model": str(settings.get("model", "")),
        "output": _output(decision, mapping(settings.get(_FORMS)), cut=bool(stopped)),
        "parallel_tool_calls": settings.get("parallel_tool_calls") is not False,
        "previous_response_id": settings.get("previous_response_id"),
        "temperature": settings.get("temperature"),
        "tool_choice": settings.get("tool_choice") or "auto",
        "tools": [],
        "top_p": settings.get("top_p"),
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        },
    }


def _output(decision: Decision, forms: Mapping[str, Any], *, cut: bool) -> list[dict[str, Any]]:
    """The items of a reply; where it was cut off, the last one was."""
    items = [*_said(decision), *(_called(call, mapping(forms.get(call.name))) for call in decision.calls)]
    return [*items[:-1], items[-1] | {"status": "incomplete"}] if cut else items


def _said(decision: Decision) -> list[dict[str, Any]]:
    if not decision.text and decision.calls:
        return []
    content = [{"type": "output_text", "text": decision.text, "annotations": [], "logprobs": []}]
    message = {"id": f"msg_{uuid4().hex}", "type": "message", "role": "assistant", "status": "completed"}
    return [message | {"content": content}]


def _called(call: ToolCall, form: Mapping[str, str]) -> dict[str, Any]:
    form = form or _plain(call.name)
    return {
        "id": f"{'fc' if form['type'] == 'function_call' else 'ctc'}_{uuid4().hex}",
        **form,
        "status": "completed",
        "call_id": call.id or f"call_{uuid4().hex[:24]}",
        ARGUMENTS[form["type"]]: call.arguments,
    }


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": _ERRORS.get(status)}
    return json_reply(status, {"error": error}, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    return _decision(_streamed(reply) if reply.is_stream else json_object(reply.body, "the reply body"))


def _streamed(reply: WireReply) -> Mapping[str, Any]:
    """The response at the end of a stream; some services leave its output out, and the items came before."""
    items: dict[str, Any] = {}
    for _, data in sse_events(reply.body):
        if data.strip() == "[DONE]":
            break
        payload = json_object(data, "an event of the stream")
        match payload.get("type"):
            case "error":
                raise WireError(f"the stream broke off with an error: {brief(payload)}")
            case "response.output_item.done":
                items[repr(payload.get("output_index"))] = payload.get("item")
            case "response.completed" | "response.incomplete" | "response.failed":
                whole = mapping(payload.get("response"))
                return {**whole, "output": list(items.values())} if whole.get("output") == [] else whole
    raise WireError("the stream ended before response.completed: it was cut off")


def _decision(body: Mapping[str, Any]) -> Decision:
    status = body.get("status")
    if status in ("failed", "cancelled") or body.get("error"):
        raise WireError(f"the model answered with an error: {brief(body.get('error') or status)}")
    if status in ("queued", "in_progress") or "output" not in body:
        raise WireError(f"a reply of {_HERE} that decides nothing: {brief(body)}")
    output = objects(body, "output", _HERE)
    calls = tuple(_call(item) for item in output if str(item.get("type")) in ARGUMENTS)
    messages = (item for item in output if item.get("type") == "message")
    parts = [part for item in messages for part in objects(item, "content", _HERE)]
    return Decision("".join(map(_part, parts)), calls, _finish(body, calls, parts))


def _part(part: Mapping[str, Any]) -> str:
    return str(part.get(_SPOKEN.get(str(part.get("type")), "")) or "")


def _finish(body: Mapping[str, Any], calls: tuple[ToolCall, ...], parts: list[dict[str, Any]]) -> str:
    if body.get("status") == "incomplete":
        return _INCOMPLETE.get(str(mapping(body.get("incomplete_details")).get("reason")), "unknown")
    refused = bool(parts) and all(part.get("type") == "refusal" for part in parts)
    return "filter" if refused else spoken_finish("stop", bool(calls))
