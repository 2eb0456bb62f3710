"""Google's Gemini: generateContent and streamGenerateContent, of the Gemini API and of Vertex.

Source: https://ai.google.dev/api/generate-content. Names in camelCase or snake_case, both are accepted there.
Calls need no id on this wire: what has none gets one by its position, and a result finds its call by name and order.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from agentcheck import spending
from agentcheck.dialects.openapi import json_schema
from agentcheck.dialects.reading import (
    UNKNOWN,
    arguments_object,
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
)
from agentcheck.dialects.schema import json_schema_error as schema_error
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import WireError, WireReply, WireRequest, json_bytes, json_object, sse_events

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "gemini"
array: Final = "contents"

_HERE: Final = "Gemini's generateContent"
_PATH: Final = re.compile(r"/(?P<model>[^/]+):(?P<method>generateContent|streamGenerateContent)$")
_ROLES: Final = {"user": "user", "model": "assistant", "function": "user", "tool": "user", "system": "system"}
_FINISH: Final = {"STOP": "stop", "MAX_TOKENS": "length"} | dict.fromkeys(
    ("SAFETY", "PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII", "LANGUAGE", "IMAGE_SAFETY"), "filter"
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


def messages_json(request: WireRequest) -> str:
    """The contents, with the system instruction, which this format keeps beside them."""
    body = request.json()
    system = _field(body, "systemInstruction")
    told = [{"role": "system", **_content(system)}] if system else []
    return json.dumps([*told, *_contents(body)], indent=2, ensure_ascii=False)


# --- requests: bytes to canonical ------------------------------------------------------


def parse(request: WireRequest) -> Request:
    body, path = request.json(), _PATH.search(request.path.rstrip("/"))
    config = mapping(_field(body, "generationConfig"))
    apart = {"contents", "systemInstruction", "system_instruction", "tools"}
    settings = {key: value for key, value in body.items() if key not in apart}
    settings |= {"model": path["model"]} if path else {}
    settings |= {"alt": parse_qs(urlsplit(request.url).query).get("alt", ["json"])[0]}
    return Request(
        dialect=name,
        messages=tuple(_messages(body)),
        tools=tuple(_tools(body)),
        settings=settings,
        schema=_schema(config),
        stream=bool(path and path["method"] == "streamGenerateContent"),
    )


def _field(body: Mapping[str, Any], camel: str) -> Any:
    """A field by its name in camelCase, or the same in snake_case."""
    snake = re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", camel)
    return body.get(camel, body.get(snake))


def _content(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"parts": [{"text": value}]}


def _contents(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = body.get("contents")
    return [found] if isinstance(found, dict) else objects(body, "contents", _HERE)


def _parts(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    parts = content.get("parts")
    return [parts] if isinstance(parts, Mapping) else list(objects(content, "parts", _HERE))


def _messages(body: Mapping[str, Any]) -> Iterator[Message]:
    system = _field(body, "systemInstruction")
    if system:
        yield Message("system", _text(_parts(_content(system))))
    waiting: list[ToolCall] = []
    for position, content in enumerate(_contents(body)):
        role = _ROLES.get(str(content.get("role") or "user"))
        if role is None:
            raise WireError(f"content {position} has role {content.get('role')!r}; the roles are user and model")
        yield from _of_content(role, _parts(content), position, waiting)


def _of_content(role: str, parts: list[Mapping[str, Any]], position: int, waiting: list[ToolCall]) -> Iterator[Message]:
    """Each result is a message of its own. `waiting` are the calls that no result has answered yet."""
    for part in parts:
        answer = _field(part, "functionResponse")
        if isinstance(answer, Mapping):
            yield Message("tool", arguments_text(answer.get("response")), (), _answered(answer, waiting))
    calls = tuple(_calls(parts, f"{position}"))
    waiting += calls
    rest = [p for p in parts if _field(p, "functionCall") is None and _field(p, "functionResponse") is None]
    if rest or calls:
        yield Message(role, _text(rest), calls)


def _answered(answer: Mapping[str, Any], waiting: list[ToolCall]) -> str:
    """The id of the call that a result answers, by its id or else by its name."""
    id, called = str(answer.get("id") or ""), str(answer.get("name") or "")
    alike = [c for c in waiting if c.id == id] if id else [c for c in waiting if c.name == called]
    if not alike:
        return id or called
    waiting.remove(alike[0])
    return alike[0].id


def _calls(parts: Iterable[Mapping[str, Any]], position: str) -> Iterator[ToolCall]:
    for number, part in enumerate(parts):
        call = _field(part, "functionCall")
        if isinstance(call, Mapping):
            id = str(call.get("id") or f"call-{position}-{number}")
            yield ToolCall(str(call.get("name") or ""), arguments_text(call.get("args") or {}), id)


def _text(parts: Iterable[Mapping[str, Any]]) -> str:
    """All text; a part that is not text, and a thought, stays as its JSON, so that nothing sent is hidden."""
    return "\n".join(
        part["text"] if isinstance(part.get("text"), str) and not part.get("thought") else json.dumps(part)
        for part in parts
    )


def _tools(body: Mapping[str, Any]) -> Iterator[ToolSpec]:
    for tool in objects(body, "tools", _HERE):
        declared = _field(tool, "functionDeclarations")
        for function in objects({"functionDeclarations": declared}, "functionDeclarations", _HERE):
            yield _tool(function)
        for hosted in tool:
            if hosted not in ("functionDeclarations", "function_declarations"):
                yield ToolSpec(hosted, hosted=True)


def _tool(function: Mapping[str, Any]) -> ToolSpec:
    if not isinstance(function.get("name"), str):
        raise WireError(f"a function declaration of {_HERE} has no name: {brief(function)}")
    exact, loose = _field(function, "parametersJsonSchema"), function.get("parameters")
    parameters = exact if exact is not None else {} if loose is None else json_schema(loose)
    return ToolSpec(function["name"], str(function.get("description") or ""), parameters)


def _schema(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    exact, loose = _field(config, "responseJsonSchema"), _field(config, "responseSchema")
    schema = exact if exact is not None else json_schema(loose)
    return schema if isinstance(schema, dict) else None


# --- replies: canonical to bytes -------------------------------------------------------


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
    args = arguments_object(call.arguments, _HERE)
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
    body = {"error": {"code": status, "message": message, "status": kind}}
    return json_reply(status, body, retry_header(retry_after))


# --- replies: bytes to canonical -------------------------------------------------------


def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    chunks = list(_chunks(reply))
    for chunk in chunks:
        if chunk.get("error"):
            raise WireError(f"the model answered with an error: {brief(chunk['error'])}")
    blocked = any(mapping(_field(chunk, "promptFeedback")).get("blockReason") for chunk in chunks)
    candidates = [c for chunk in chunks for c in objects(chunk, "candidates", _HERE) if c.get("index", 0) == 0]
    if blocked and not candidates:
        return Decision("", (), "filter")
    reason = next((r for c in reversed(candidates) if (r := _field(c, "finishReason"))), None)
    if reason is None:
        raise WireError("the reply ended before a finishReason: it was cut off")
    parts = [part for c in candidates for part in _parts(mapping(c.get("content")))]
    calls = tuple(_calls(parts, "reply"))
    text = "".join(str(p["text"]) for p in parts if "text" in p and not p.get("thought"))
    return Decision(text, calls, spoken_finish(_FINISH.get(str(reason), "unknown"), bool(calls)))


def _chunks(reply: WireReply) -> Iterator[dict[str, Any]]:
    if reply.is_stream:
        yield from (json_object(data, "an event of the stream") for _, data in sse_events(reply.body))
    elif reply.body.lstrip()[:1] == b"[":
        whole = reply.body if reply.body.rstrip()[-1:] == b"]" else reply.body + b"]"
        yield from objects(json_object(b'{"chunks": ' + whole + b"}", "the reply body"), "chunks", _HERE)
    else:
        yield json_object(reply.body, "the reply body")
