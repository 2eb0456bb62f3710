"""Anthropic Messages, also as Vertex passes it on.

Source: https://docs.anthropic.com/en/api/messages, …/messages-streaming, …/errors. Arguments are objects in JSON,
and pieces of JSON text in a stream: what is malformed can arrive there alone, and only where `fine_grained` says so.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects import depth
from agentcheck.dialects.anthropic_schema import schema_error
from agentcheck.dialects.fine_grained import EAGER, eager_tools, insist_on_valid
from agentcheck.dialects.reading import (
    UNKNOWN,
    arguments_object,
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
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import WireError, WireReply, WireRequest, header, json_object, sse_events

__all__ = [
    "array", "decision_of", "events", "failure", "message", "messages_json", "name", "parse", "parse_body",
    "parse_reply", "read_events", "recognises", "reply", "schema_error",
]  # fmt: skip

name: Final = "anthropic"
array: Final = "messages"

_HERE: Final = "Anthropic's Messages"
_ROLES: Final = frozenset({"user", "assistant", "system"})
_FINISH: Final = {
    "end_turn": "stop", "stop_sequence": "stop", "tool_use": "calls", "max_tokens": "length", "refusal": "filter",
    "model_context_window_exceeded": "length", "pause_turn": "stop", "compaction": "stop",
}  # fmt: skip
_REASON: Final = {
    "stop": "end_turn", "calls": "tool_use", "length": "max_tokens", "filter": "refusal", "unknown": UNKNOWN,
}  # fmt: skip
_ERRORS: Final = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip
_APART: Final = frozenset({"messages", "system", "tools", "stream", EAGER})
_VERTEX: Final = re.compile(r"/models/(?!count-tokens:)(?P<model>[^/:]+):(?P<method>rawPredict|streamRawPredict)$")


def recognises(request: WireRequest) -> bool:
    """On Vertex, models of other houses are called by the same methods: with bodies of other forms."""
    vertex = _VERTEX.search(request.path)
    if request.method.upper() != "POST" or not (vertex or request.path.rstrip("/").endswith("/messages")):
        return False
    try:
        body = request.json()
    except WireError:
        return False
    ours = "anthropic_version" in body or bool(header(request.headers, "anthropic-version"))
    return isinstance(body.get("messages"), list) and (ours or (vertex is None and "max_tokens" in body))


@depth.reads
def messages_json(request: WireRequest) -> str:
    """With the system prompt, which this format keeps beside the messages."""
    body = request.json()
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    return json_text([*system, *objects(body, "messages", _HERE)], indent=2)


# --- requests: bytes to canonical ------------------------------------------------------


@depth.reads
def parse(request: WireRequest) -> Request:
    body, vertex = request.json(), _VERTEX.search(request.path)
    betas = header(request.headers, "anthropic-beta")
    if vertex is None:
        return parse_body(body, betas=betas)
    streams = vertex["method"] == "streamRawPredict"
    return parse_body({"model": unquote(vertex["model"]), **body}, betas=betas, streams=streams)


def parse_body(body: Mapping[str, Any], *, dialect: str = name, streams: bool = False, betas: str = "") -> Request:
    """A request of this form, wherever its body was sent to, with the betas of its header. Raises WireError."""
    settings = {key: value for key, value in body.items() if key not in _APART}
    if mapping(body.get("tool_choice")).get("disable_parallel_tool_use"):
        settings["parallel_tool_calls"] = False
    settings |= eager_tools(objects(body, "tools", _HERE), betas, body.get("anthropic_beta"))
    system = text_of(body.get("system"))
    told = (Message("system", system),) if system else ()
    return Request(
        dialect=dialect,
        messages=(*told, *(m for item in objects(body, "messages", _HERE) for m in _messages(item))),
        tools=tuple(_tool(tool) for tool in objects(body, "tools", _HERE)),
        settings=settings,
        schema=_schema(body),
        stream=streams or body.get("stream") is True,
    )


def _messages(item: Mapping[str, Any]) -> Iterator[Message]:
    """Each result is a message of its own; what is said beside results comes after them, as it is sent."""
    role = str(item.get("role"))
    if role not in _ROLES:
        raise WireError(f"a message has role {quoted(item.get('role'))}; the roles of {_HERE} are user and assistant")
    blocks = item.get("content")
    parts: list[Any] = blocks if isinstance(blocks, list) else [blocks]
    results = [part for part in parts if mapping(part).get("type") == "tool_result"]
    rest = [part for part in parts if mapping(part).get("type") not in ("tool_result", "tool_use")]
    for result in results:
        yield Message("tool", text_of(result.get("content")), (), str(result.get("tool_use_id") or ""))
    calls = tuple(_call(part) for part in parts if mapping(part).get("type") == "tool_use")
    text = text_of(rest)
    if text or calls or not results:
        yield Message(role, text, calls)


def _call(block: Mapping[str, Any]) -> ToolCall:
    return ToolCall(str(block.get("name") or ""), arguments_text(block.get("input")), str(block.get("id") or ""))


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    """Tools of the provider's own (`web_search_20250305`, …) have a type and no schema."""
    label, schema = tool.get("name"), tool.get("input_schema")
    if schema is None and tool.get("type") not in (None, "custom"):
        return ToolSpec(str(label or tool["type"]), hosted=True)
    if not isinstance(label, str):
        raise WireError(f"a tool of {_HERE} has no name: {brief(tool)}")
    return ToolSpec(label, str(tool.get("description") or ""), {} if schema is None else schema)


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = mapping(body.get("output_format") or mapping(body.get("output_config")).get("format"))
    schema = wanted.get("schema")
    return schema if isinstance(schema, dict) else None


# --- replies: canonical to bytes -------------------------------------------------------


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    if request.stream:
        return event_stream(*(event(payload, payload["type"]) for payload in events(decision, request)))
    blocks = [_block(part, arguments_object(part.arguments, _HERE)) for part in decision.calls]
    return json_reply(200, message(decision, request, [*_spoken(decision), *blocks]))


def message(decision: Decision, request: Request, content: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole message object with this content."""
    reason = reason_for(decision, _REASON, _HERE)
    return {
        "id": f"msg_{uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": str(request.settings.get("model", "")),
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": _refused(reason),
        "usage": _usage(spending.sent(request), spending.said(decision)),
    }


def _refused(reason: str) -> dict[str, Any] | None:
    return {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None


def _usage(asked: int, answered: int) -> dict[str, int]:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": asked, **cached, "output_tokens": answered}


def _spoken(decision: Decision) -> list[dict[str, Any]]:
    return [{"type": "text", "text": decision.text}] if decision.text else []


def _block(call: ToolCall, value: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id or f"toolu_{uuid4().hex[:24]}", "name": call.name, "input": value}


def events(decision: Decision, request: Request) -> Iterator[dict[str, Any]]:
    """The events of a stream, in Anthropic's order. Raises Uncarriable."""
    insist_on_valid(decision, request, _HERE)
    whole = message(decision, request, [])
    used = whole["usage"]
    begun = {"stop_reason": None, "stop_details": None, "usage": used | {"output_tokens": 1}}
    yield {"type": "message_start", "message": whole | begun}
    yield {"type": "ping"}
    for index, (block, deltas) in enumerate(_streamed(decision)):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    ended = {key: whole[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    yield {"type": "message_delta", "delta": ended, "usage": used}
    yield {"type": "message_stop"}


def _streamed(decision: Decision) -> Iterator[tuple[dict[str, Any], list[dict[str, str]]]]:
    if decision.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(decision.text)]
    for call in decision.calls:
        parts = ["", *pieces(call.arguments)]
        yield _block(call, {}), [{"type": "input_json_delta", "partial_json": part} for part in parts]


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    kind = _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{uuid4().hex[:24]}"}
    return json_reply(status, body, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    if reply.is_stream:
        return read_events(json_object(data, "an event of the stream") for _, data in sse_events(reply.body))
    return decision_of(json_object(reply.body, "the reply body"))


def decision_of(body: Mapping[str, Any]) -> Decision:
    """What a whole message decided. Raises WireError."""
    if body.get("type") == "error":
        raise WireError(f"the model answered with an error: {brief(body.get('error'))}")
    blocks = objects(body, "content", _HERE)
    if "content" not in body or "stop_reason" not in body:
        raise WireError(f"a reply of {_HERE} without content and stop_reason: {brief(body)}")
    calls = tuple(_call(block) for block in blocks if block.get("type") == "tool_use")
    text = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
    return Decision(text, calls, _finish(body.get("stop_reason"), calls))


def read_events(payloads: Iterator[dict[str, Any]]) -> Decision:
    """What a stream of events decided. Raises WireError where it broke off."""
    blocks: dict[str, dict[str, Any]] = {}
    reason, ended = None, False
    for payload in payloads:
        at = repr(payload.get("index", 0))
        match payload.get("type"):
            case "error":
                raise WireError(f"the stream broke off with an error: {brief(payload.get('error'))}")
            case "content_block_start":
                blocks[at] = dict(mapping(payload.get("content_block"))) | {"pieces": ""}
            case "content_block_delta" if at not in blocks:
                raise WireError(f"the stream brings a piece of block {brief(at)}, which it never began")
            case "content_block_delta":
                _add(blocks[at], mapping(payload.get("delta")))
            case "message_delta":
                reason = mapping(payload.get("delta")).get("stop_reason") or reason
            case "message_stop":
                ended = True
    if not ended:
        raise WireError("the stream ended before message_stop: it was cut off")
    calls = tuple(_call({**b, "input": b["pieces"] or b.get("input")}) for b in blocks.values() if _is(b, "tool_use"))
    text = "".join(str(b.get("text") or "") + b["pieces"] for b in blocks.values() if _is(b, "text"))
    return Decision(text, calls, _finish(reason, calls))


def _add(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    if delta.get("type") in ("text_delta", "input_json_delta"):
        block["pieces"] += str(delta.get("text") or delta.get("partial_json") or "")


def _is(block: Mapping[str, Any], kind: str) -> bool:
    return block.get("type") == kind


def _finish(reason: Any, calls: tuple[ToolCall, ...]) -> str:
    return spoken_finish(_FINISH.get(str(reason or "end_turn"), "unknown"), bool(calls))
