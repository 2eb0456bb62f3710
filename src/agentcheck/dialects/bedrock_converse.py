"""Amazon Bedrock's Converse and ConverseStream.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and …_ConverseStream.html.
Arguments are objects in JSON, and pieces of JSON text in a stream: Bedrock ends a malformed call by a reason of its
own, `malformed_tool_use`, but for what `fine_grained` lets through of Claude's.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects import bedrock, depth
from agentcheck.dialects.bedrock import failure
from agentcheck.dialects.fine_grained import EAGER, eager_tools, insist_on_valid
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
    refuse_failure,
    spoken_finish,
    text_of,
)
from agentcheck.dialects.schema import json_schema_error as schema_error
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import WireError, WireReply, WireRequest, json_object

__all__ = [
    "array", "decision_of", "events", "failure", "messages_json", "name", "parse", "parse_body", "parse_reply",
    "read_events", "recognises", "reply", "schema_error", "whole",
]  # fmt: skip

name: Final = "bedrock-converse"
array: Final = "messages"

_HERE: Final = "Bedrock's Converse"
_FINISH: Final = {
    "end_turn": "stop", "stop_sequence": "stop", "tool_use": "calls", "max_tokens": "length",
    "model_context_window_exceeded": "length", "content_filtered": "filter", "guardrail_intervened": "filter",
}  # fmt: skip
_REASON: Final = {
    "stop": "end_turn", "calls": "tool_use", "length": "max_tokens", "filter": "content_filtered", "unknown": UNKNOWN,
}  # fmt: skip
_HOSTED: Final = "server_tool_use"  # the type of calls that the provider answers itself
_APART: Final = frozenset({"messages", "system", "toolConfig", EAGER})


def recognises(request: WireRequest) -> bool:
    called = bedrock.called(request)
    if called is None or not called[1].startswith("converse"):
        return False
    try:
        return "messages" in request.json()
    except WireError:
        return False


@depth.reads
def messages_json(request: WireRequest) -> str:
    """With the system prompt, which this format keeps beside the messages."""
    body = request.json()
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    return json_text([*system, *objects(body, "messages", _HERE)], indent=2)


# --- requests: bytes to canonical ------------------------------------------------------


@depth.reads
def parse(request: WireRequest) -> Request:
    model, method = bedrock.called(request) or ("", "converse")
    return parse_body(request.json(), model, streams=method == "converse-stream")


def parse_body(body: Mapping[str, Any], model: str, *, dialect: str = name, streams: bool = False) -> Request:
    """A request of this form, wherever its body was sent to. Raises WireError."""
    tools = mapping(body.get("toolConfig"))
    settings = {key: value for key, value in body.items() if key not in _APART} | {"model": model}
    settings |= {"tool_choice": choice} if (choice := _choice(mapping(tools.get("toolChoice")))) else {}
    specs = (mapping(tool.get("toolSpec")) for tool in objects(tools, "tools", _HERE) if "toolSpec" in tool)
    settings |= eager_tools(specs, mapping(body.get("additionalModelRequestFields")).get("anthropic_beta"))
    system = text_of(body.get("system"))
    told = (Message("system", system),) if system else ()
    return Request(
        dialect=dialect,
        messages=(*told, *(m for item in objects(body, "messages", _HERE) for m in _messages(item))),
        tools=tuple(_tool(tool) for tool in objects(tools, "tools", _HERE) if "cachePoint" not in tool),
        settings=settings,
        schema=_schema(body),
        stream=streams,
    )


def _choice(wanted: Mapping[str, Any]) -> Any:
    """Whether a tool must be called, in the words of the other formats; None where nothing is said of it."""
    if "tool" in wanted:
        return {"type": "tool", "name": mapping(wanted["tool"]).get("name")}
    return "required" if "any" in wanted else "auto" if "auto" in wanted else None


def _messages(item: Mapping[str, Any]) -> Iterator[Message]:
    """Each result is a message of its own; what is said beside results comes after them.

    Tools that run at the provider are called and answered in one message of the assistant's, as parts of it.
    """
    role = item.get("role")
    if role not in ("user", "assistant"):
        raise WireError(f"a message has role {brief(role)}; the roles of {_HERE} are user and assistant")
    blocks = objects(item, "content", _HERE)
    results = [block for block in blocks if role == "user" and isinstance(block.get("toolResult"), dict)]
    yield from (_result(block["toolResult"]) for block in results)
    calls = tuple(_calls(blocks))
    rest = [block for block in blocks if block not in results and not _calls([block])]
    if rest or calls or not blocks:
        yield Message(str(role), text_of(rest), calls)


def _result(result: Mapping[str, Any]) -> Message:
    content = result.get("content")
    parts = [
        json_text(p["json"]) if isinstance(p, dict) and "json" in p else p
        for p in (content if isinstance(content, list) else [content])
    ]
    return Message("tool", text_of(parts), (), str(result.get("toolUseId") or ""))


def _calls(blocks: list[dict[str, Any]]) -> list[ToolCall]:
    uses = (block["toolUse"] for block in blocks if isinstance(block.get("toolUse"), dict))
    return [_call(use) for use in uses if use.get("type") != _HOSTED]


def _call(use: Mapping[str, Any]) -> ToolCall:
    return ToolCall(str(use.get("name") or ""), arguments_text(use.get("input")), str(use.get("toolUseId") or ""))


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    spec = tool.get("toolSpec")
    if not isinstance(spec, dict):  # `systemTool`, which the provider runs
        kind = next(iter(tool), "unnamed")
        return ToolSpec(str(mapping(tool.get(kind)).get("name") or kind), hosted=True)
    if not isinstance(spec.get("name"), str):
        raise WireError(f"a tool of {_HERE} has no name: {brief(tool)}")
    schema = mapping(spec.get("inputSchema")).get("json")
    return ToolSpec(spec["name"], str(spec.get("description") or ""), {} if schema is None else schema)


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    form = mapping(mapping(mapping(body.get("outputConfig")).get("textFormat")).get("structure"))
    schema = mapping(form.get("jsonSchema")).get("schema")
    if isinstance(schema, str):
        schema = json_object(schema, "the schema of the reply")
    return schema if isinstance(schema, dict) else None


# --- replies: canonical to bytes -------------------------------------------------------


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    if request.stream:
        return bedrock.stream(bedrock.event(kind, payload) for kind, payload in events(decision, request))
    return json_reply(200, whole(decision, request))


def whole(decision: Decision, request: Request) -> dict[str, Any]:
    """The object of a reply that comes at once. Raises Uncarriable."""
    said = [{"text": decision.text}] if decision.text or not decision.calls else []
    content = [*said, *({"toolUse": _use(c) | {"input": arguments_object(c.arguments, _HERE)}} for c in decision.calls)]
    message = {"role": "assistant", "content": content}
    return {"output": {"message": message}, "stopReason": _reason(decision), **_ended(decision, request)}


def _reason(decision: Decision) -> str:
    return _REASON[spoken_finish(decision.finish, bool(decision.calls))]


def _ended(decision: Decision, request: Request) -> dict[str, Any]:
    asked, answered = spending.sent(request), spending.said(decision)
    used = {"inputTokens": asked, "outputTokens": answered, "totalTokens": asked + answered}
    return {"usage": used, "metrics": {"latencyMs": 1}}


def _use(call: ToolCall) -> dict[str, Any]:
    return {"toolUseId": call.id or f"tooluse_{uuid4().hex[:24]}", "name": call.name}


def events(decision: Decision, request: Request) -> Iterator[tuple[str, dict[str, Any]]]:
    """The kinds and payloads of a stream, in Bedrock's order. Raises Uncarriable."""
    insist_on_valid(decision, request, _HERE)
    yield "messageStart", {"role": "assistant"}
    at = {"contentBlockIndex": 0}
    if decision.text or not decision.calls:
        for piece in pieces(decision.text):
            yield "contentBlockDelta", {"delta": {"text": piece}, **at}
        yield "contentBlockStop", at
    for index, call in enumerate(decision.calls, 1 if decision.text else 0):
        at = {"contentBlockIndex": index}
        yield "contentBlockStart", {"start": {"toolUse": _use(call)}, **at}
        for piece in pieces(call.arguments):
            yield "contentBlockDelta", {"delta": {"toolUse": {"input": piece}}, **at}
        yield "contentBlockStop", at
    yield "messageStop", {"stopReason": _reason(decision)}
    yield "metadata", _ended(decision, request)


# --- replies: bytes to canonical -------------------------------------------------------


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    if reply.is_stream:
        return read_events(bedrock.events(reply))
    return decision_of(json_object(reply.body, "the reply body"))


def decision_of(body: Mapping[str, Any]) -> Decision:
    """What a whole reply decided. Raises WireError."""
    message = mapping(body.get("output")).get("message")
    if not isinstance(message, dict) or "stopReason" not in body:
        raise WireError(f"a reply of {_HERE} without a message and a stopReason: {brief(body)}")
    blocks = objects(message, "content", _HERE)
    calls = tuple(_calls(blocks))
    text = "".join(str(block["text"]) for block in blocks if "text" in block)
    return Decision(text, calls, _finish(body.get("stopReason"), calls))


def read_events(events: Iterable[tuple[str, Mapping[str, Any]]]) -> Decision:
    """What a stream of events decided. Raises WireError where it broke off."""
    uses: dict[str, dict[str, str]] = {}
    text, reason = "", None
    for kind, payload in events:
        index, delta = str(payload.get("contentBlockIndex")), mapping(payload.get("delta"))
        if kind == "contentBlockStart" and (use := mapping(mapping(payload.get("start")).get("toolUse"))):
            uses[index] = {**{k: str(v) for k, v in use.items()}, "input": ""}
        elif "toolUse" in delta and index in uses:
            uses[index]["input"] += str(mapping(delta["toolUse"]).get("input") or "")
        elif "text" in delta:
            text += str(delta["text"])
        elif kind == "messageStop":
            reason = str(payload.get("stopReason"))
    if reason is None:
        raise WireError("the stream ended before messageStop: it was cut off")
    calls = tuple(_calls([{"toolUse": use} for use in uses.values()]))
    return Decision(text, calls, _finish(reason, calls))


def _finish(reason: Any, calls: tuple[ToolCall, ...]) -> str:
    return spoken_finish(_FINISH.get(str(reason), "unknown"), bool(calls))
