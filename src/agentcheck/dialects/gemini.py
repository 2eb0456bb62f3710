"""Google's Gemini: generateContent and streamGenerateContent, of the Gemini API and of Vertex.

Source: https://ai.google.dev/api/generate-content. Names in camelCase or snake_case, both are accepted there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects import depth, partial
from agentcheck.dialects.gemini_contents import HERE, calls_of, contents, field, messages, parts_of, system_of
from agentcheck.dialects.openapi import json_schema, schema_error
from agentcheck.dialects.reading import (
    UNKNOWN,
    arguments_object,
    brief,
    event,
    event_stream,
    json_reply,
    json_text,
    mapping,
    objects,
    pieces,
    refuse_failure,
    retry_header,
    spoken_finish,
)
from agentcheck.messages import Decision, Request, ToolCall, ToolSpec
from agentcheck.wire import WireError, WireReply, WireRequest, json_bytes, json_object, sse_events

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "gemini"
array: Final = "contents"

_PATH: Final = re.compile(r"/(?P<model>[^/]+):(?P<method>generateContent|streamGenerateContent)$")
_FILTERS: Final = (
    "SAFETY", "PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII", "LANGUAGE", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
)  # fmt: skip
# By number too, as clients of protobuf ask for them.
_FINISH: Final = {"STOP": "stop", "MAX_TOKENS": "length", "1": "stop", "2": "length"} | dict.fromkeys(
    (*_FILTERS, "3", "4", "6", "7", "8", "9"), "filter"
)
_REASON: Final = {"stop": "STOP", "calls": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "unknown": UNKNOWN}
_STATUS: Final = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def recognises(request: WireRequest) -> bool:
    if not _PATH.search(request.path.rstrip("/")):
        return False
    try:
        return isinstance(request.json().get("contents"), list | dict)
    except WireError:
        return False


@depth.reads
def messages_json(request: WireRequest) -> str:
    """The contents, with the system instruction, which this format keeps beside them."""
    body = request.json()
    system = system_of(body)
    told = [] if system is None else [{**system, "role": "system"}]
    return json_text([*told, *contents(body)], indent=2)


# --- requests: bytes to canonical ------------------------------------------------------


@depth.reads
def parse(request: WireRequest) -> Request:
    body, path = request.json(), _PATH.search(request.path.rstrip("/"))
    config = mapping(field(body, "generationConfig"))
    apart = {"contents", "systemInstruction", "system_instruction", "tools"}
    settings = {key: value for key, value in body.items() if key not in apart}
    settings |= {"model": path["model"]} if path else {}
    settings |= {"alt": _alt(request.url)}
    settings |= {"cachedContent": cached} if (cached := field(body, "cachedContent")) else {}
    settings |= {"tool_choice": choice} if (choice := _choice(body)) else {}
    return Request(
        dialect=name,
        messages=tuple(messages(body)),
        tools=tuple(_tools(body)),
        settings=settings,
        schema=_schema(config),
        stream=bool(path and path["method"] == "streamGenerateContent"),
    )


def _alt(url: str) -> str:
    """The form that a reply is asked for in: sse or json."""
    query = parse_qs(urlsplit(url).query)
    return (query.get("alt") or query.get("$alt") or ["json"])[0]


def _choice(body: Mapping[str, Any]) -> Any:
    """Whether a tool must be called, in the words of the other formats; None where nothing is said of it."""
    config = mapping(field(mapping(field(body, "toolConfig")), "functionCallingConfig"))
    names = field(config, "allowedFunctionNames")
    if config.get("mode") == "ANY" and isinstance(names, list) and len(names) == 1:
        return {"type": "function", "name": names[0]}
    return {"ANY": "required", "NONE": "none", "AUTO": "auto", "VALIDATED": "auto"}.get(str(config.get("mode")))


def _tools(body: Mapping[str, Any]) -> Iterator[ToolSpec]:
    for tool in objects(body, "tools", HERE):
        declared = field(tool, "functionDeclarations")
        for function in objects({"functionDeclarations": declared}, "functionDeclarations", HERE):
            yield _tool(function)
        for hosted in tool:
            if hosted not in ("functionDeclarations", "function_declarations"):
                yield ToolSpec(hosted, hosted=True)


def _tool(function: Mapping[str, Any]) -> ToolSpec:
    if not isinstance(function.get("name"), str):
        raise WireError(f"a function declaration of {HERE} has no name: {brief(function)}")
    exact, loose = field(function, "parametersJsonSchema"), function.get("parameters")
    parameters = exact if exact is not None else {} if loose is None else json_schema(loose)
    return ToolSpec(function["name"], str(function.get("description") or ""), parameters)


def _schema(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    exact, loose = field(config, "responseJsonSchema"), field(config, "responseSchema")
    schema = exact if exact is not None else json_schema(loose)
    return schema if isinstance(schema, dict) else None


# --- replies: canonical to bytes -------------------------------------------------------


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    said = [{"text": decision.text}] if decision.text or not decision.calls else []
    parts = [*said, *map(_called, decision.calls)]
    finish = _REASON[spoken_finish(decision.finish, bool(decision.calls))]
    head = {"modelVersion": str(request.settings.get("model", "")), "responseId": uuid4().hex[:24]}
    asked, answered = spending.sent(request), spending.said(decision)
    used = {"promptTokenCount": asked, "candidatesTokenCount": answered, "totalTokenCount": asked + answered}
    if not request.stream:
        return json_reply(200, {"candidates": [_candidate(parts, finish)], "usageMetadata": used, **head})
    streamed = [[part] for part in _in_pieces(parts)]
    reasons = [*(None for _ in streamed[1:]), finish]
    chunks = [
        {"candidates": [_candidate(some, reason)], "usageMetadata": used, **head}
        for some, reason in zip(streamed, reasons, strict=True)
    ]
    return event_stream(*map(event, chunks)) if request.settings.get("alt") == "sse" else _as_array(chunks)


def _called(call: ToolCall) -> dict[str, Any]:
    args = arguments_object(call.arguments, HERE)
    return {"functionCall": {"id": call.id or uuid4().hex[:24], "name": call.name, "args": args}}


def _candidate(parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    ended = {"finishReason": finish} if finish else {}
    return {"content": {"parts": parts, "role": "model"}, **ended, "index": 0}


def _in_pieces(parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if "text" in part:
            yield from ({"text": piece} for piece in list(pieces(part["text"])) or [""])
        else:
            yield part


def _as_array(chunks: list[dict[str, Any]]) -> WireReply:
    """Without alt=sse a stream is one array of JSON, which grows."""
    marks = [b"[", *(b",\r\n" for _ in chunks[1:])]
    written = [mark + json_bytes(chunk) for mark, chunk in zip(marks, chunks, strict=True)]
    return WireReply(200, {"content-type": "application/json; charset=UTF-8"}, (*written, b"]"))


def failure(status: int, message: str, *, retry_after: float | None = None) -> WireReply:
    kind = _STATUS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    error: dict[str, Any] = {"code": status, "message": message, "status": kind}
    if retry_after is not None:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}]
    return json_reply(status, {"error": error}, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    chunks = list(_chunks(reply))
    for chunk in chunks:
        if chunk.get("error"):
            raise WireError(f"the model answered with an error: {brief(chunk['error'])}")
    blocked = any(mapping(field(chunk, "promptFeedback")).get("blockReason") for chunk in chunks)
    candidates = [c for chunk in chunks for c in objects(chunk, "candidates", HERE) if c.get("index", 0) == 0]
    if blocked and not candidates:
        return Decision("", (), "filter")
    reason = next((r for c in reversed(candidates) if (r := field(c, "finishReason"))), None)
    if reason is None:
        raise WireError("the reply ended before a finishReason: it was cut off")
    parts = [part for c in candidates for part in parts_of(mapping(c.get("content")))]
    calls = tuple(calls_of(_whole(parts), "reply"))
    text = "".join(str(p["text"]) for p in parts if "text" in p and not p.get("thought"))
    return Decision(text, calls, spoken_finish(_FINISH.get(str(reason), "unknown"), bool(calls)))


def _whole(parts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The calls among these parts, those put together that came in pieces."""
    found = (field(part, "functionCall") for part in parts)
    return [{"functionCall": call} for call in partial.whole(call for call in found if isinstance(call, Mapping))]


def _chunks(reply: WireReply) -> Iterator[dict[str, Any]]:
    if reply.is_stream:
        yield from (json_object(data, "an event of the stream") for _, data in sse_events(reply.body))
    elif reply.body.lstrip()[:1] == b"[":
        whole = reply.body if reply.body.rstrip()[-1:] == b"]" else reply.body + b"]"
        yield from objects(json_object(b'{"chunks": ' + whole + b"}", "the reply body"), "chunks", HERE)
    else:
        yield json_object(reply.body, "the reply body")
