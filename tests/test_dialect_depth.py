"""JSON nested without end, at every place of a request, a reply, a decision: one sentence, never a RecursionError."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache, partial
from typing import Any

import pytest

from agentcheck.dialects import bedrock, known
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import Dialect, Uncarriable, WireError, WireReply, WireRequest, json_bytes

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"tag": {"type": "string", "default": "v1"}}}
FUNCTION = {"type": "function", "function": {"name": "deploy", "description": "Deploys.", "parameters": SCHEMA}}
CALL: dict[str, Any] = {"id": "a", "type": "function", "function": {"name": "deploy", "arguments": {"tag": "v1"}}}
ASKS = {"role": "user", "content": [{"type": "text", "text": "go"}]}
CLAUDES: dict[str, Any] = {
    "anthropic_version": "1", "max_tokens": 9, "system": "You deploy.", "tool_choice": {"type": "auto"},
    "messages": [
        ASKS, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {"tag": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}]},
    ],
    "tools": [{"name": "deploy", "description": "Deploys.", "input_schema": SCHEMA}],
}  # fmt: skip
MESSAGES = [ASKS, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "a", "content": "x"}]
# The address and the body of a request in each format.
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": ("/v1/chat/completions", {"model": "m", "messages": MESSAGES, "tools": [FUNCTION]}),
    "openai-responses": ("/v1/responses", {
        "model": "m", "instructions": "You deploy.", "tools": [FUNCTION["function"] | {"type": "function"}],
        "input": [ASKS, {"type": "function_call", "call_id": "a", "name": "deploy", "arguments": {"tag": 1}},
                  {"type": "function_call_output", "call_id": "a", "output": "x"}, {"type": "reasoning", "id": "r"}],
    }),
    "anthropic": ("/v1/messages", CLAUDES),
    "gemini": ("/v1beta/models/m:generateContent", {
        "systemInstruction": {"parts": [{"text": "You deploy."}]},
        "contents": [{"role": "user", "parts": [{"text": "go"}]},
                     {"role": "model", "parts": [{"functionCall": {"name": "deploy", "args": {"tag": "v1"}}}]},
                     {"role": "user", "parts": [{"functionResponse": {"name": "deploy", "response": {"a": 1}}}]}],
        "tools": [{"functionDeclarations": [{"name": "deploy", "parameters": SCHEMA},
                                            {"name": "look", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["deploy"]}},
    }),
    "bedrock-converse": ("/model/m/converse", {
        "system": [{"text": "You deploy."}],
        "messages": [{"role": "user", "content": [{"text": "go"}]},
                     {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "deploy", "input": {}}}]},
                     {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"json": {}}]}}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "deploy", "inputSchema": {"json": SCHEMA}}}]},
    }),
    "bedrock-invoke": ("/model/m/invoke", CLAUDES),
    "cohere": ("/v2/chat", {"model": "m", "messages": MESSAGES, "tools": [FUNCTION]}),
    "ollama": ("/api/chat", {"model": "m", "messages": [*MESSAGES, {"role": "user", "images": ["x"]}],
                             "tools": [FUNCTION], "format": SCHEMA}),
}  # fmt: skip
CALLED = Decision("Now.", (ToolCall("deploy", '{"tag": "v1"}', "a"),), "calls")
MARK = "\0here\0"

every_format = pytest.mark.parametrize("dialect", known(), ids=lambda d: d.name)


def test_every_format_has_a_request_here():
    assert [dialect.name for dialect in known()] == list(REQUESTS)


def nested(depth: int, leaf: str = "1") -> str:
    return '{"a":' * (depth // 2) + "[" * (depth - depth // 2) + leaf + "]" * (depth - depth // 2) + "}" * (depth // 2)


def too_deep(text: str) -> bool:
    try:
        json.loads(text)
    except RecursionError:
        return True
    return False


@cache
def border() -> int:
    """The depth from which on Python does not read JSON here; 10,000 where that is deeper."""
    return next((depth for depth in range(500, 10_000, 10) if too_deep(nested(depth))), 10_000)


def depths() -> list[int]:
    """Those that can be read in one place of the stack, and perhaps not be written in another; and more than enough."""
    return [10, *range(border() - 120, border() + 10, 10), 10_000, 100_000]


def places(document: Any) -> Iterator[str]:
    """The same document with a mark in place of each of its values, one at a time."""
    for holder, key in _places(document):
        kept, holder[key] = holder[key], MARK
        yield json.dumps(document)
        holder[key] = kept


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


def refused(work: Callable[[], object], kind: type[WireError] = WireError) -> bool:
    """Whether it is refused in one sentence; any other error is none of ours."""
    try:
        work()
    except kind as error:
        said = str(error)
    else:
        return False
    assert "\n" not in said
    assert len(said) < 600
    return True


def deep(document: str, depth: int) -> bytes:
    return document.replace(json.dumps(MARK), nested(depth)).encode()


@every_format
def test_a_request_is_read_or_refused_however_deep_it_is_nested_in_whatever_place(dialect):
    address, body = REQUESTS[dialect.name]
    assert not refused(lambda: read(dialect, WireRequest("POST", f"http://x{address}", {}, json_bytes(body))))
    for document in places(deepcopy(body)):
        for depth in depths():
            request = WireRequest("POST", f"http://x{address}", {}, deep(document, depth))
            assert refused(partial(read, dialect, request)) or depth < 10_000


def read(dialect: Dialect, request: WireRequest) -> None:
    dialect.recognises(request)
    for tool in dialect.parse(request).tools:
        dialect.schema_error(tool.parameters)


@every_format
def test_the_messages_are_printed_or_refused_however_deep_they_are_nested(dialect):
    address, body = REQUESTS[dialect.name]
    document = json.dumps(body | {dialect.array: [{"role": "user", "content": MARK, "parts": [{"text": MARK}]}]})
    for depth in (10, border() - 60, border() - 30, border() - 15, 10_000):
        request = WireRequest("POST", f"http://x{address}", {}, deep(document, depth))
        assert refused(partial(dialect.messages_json, request)) or depth < 10_000


@every_format
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_reply_is_read_or_refused_however_deep_it_is_nested_in_whatever_place(dialect, stream):
    written = dialect.reply(CALLED, asked(dialect, stream=stream))
    for headers, document in documents(written):
        for depth in depths():
            reply = WireReply(200, headers, (document(depth),))
            assert refused(partial(dialect.parse_reply, reply)) or depth < 10_000


def asked(dialect: Dialect, *, stream: bool = False, schema: Any = SCHEMA) -> Request:
    tools = (ToolSpec("deploy", "Deploys.", schema),)
    settings = {"model": "m", "alt": "sse"}
    return Request(dialect.name, (Message("user", "go"),), tools, settings=settings, stream=stream)


def documents(reply: WireReply) -> Iterator[tuple[Any, Callable[[int], bytes]]]:
    """Each place of a reply, with how its body looks when it is nested there."""
    for at, chunk in enumerate(reply.chunks):
        before, after = b"".join(reply.chunks[:at]), b"".join(reply.chunks[at + 1 :])
        head, payload, framed = opened(chunk)
        for document in places(payload) if payload else ():
            yield (
                reply.headers,
                lambda depth, b=before, a=after, h=head, d=document, f=framed: b + h + f(deep(d, depth)) + a,
            )


def opened(chunk: bytes) -> tuple[bytes, Any, Callable[[bytes], bytes]]:
    """A piece of a reply as what stands before its JSON, the JSON, and what is made of it in the end."""
    if chunk[:1] == b"\0":
        frame = next(bedrock.frames(chunk))
        payload = json.loads(frame.payload)
        if "bytes" not in payload:
            return b"", payload, lambda body: bedrock.encoded(bedrock.Frame(frame.headers, body))
        return b"", json.loads(bedrock.unpacked(payload)), lambda body: bedrock.event("chunk", bedrock.packed(body))
    head, brace, rest = chunk.partition(b"{")
    end = rest.rindex(b"}") + 1 if brace else 0
    return head, json.loads(brace + rest[:end]) if brace else None, lambda body: body + rest[end:]


@every_format
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_decision_is_written_or_refused_however_deep_its_arguments_are_nested(dialect, stream):
    for depth in depths():
        decision = Decision("", (ToolCall("deploy", f'{{"tag": {nested(depth)}}}', "a"),), "calls")
        write = partial(dialect.reply, decision, asked(dialect, stream=stream))
        assert not refused(write, Uncarriable) or depth > 10


@every_format
def test_a_request_whose_schema_cannot_be_written_again_gets_no_reply(dialect):
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(100_000):
        schema = {"type": "object", "properties": {"a": schema}}
    assert refused(lambda: dialect.reply(CALLED, asked(dialect, schema=schema)), Uncarriable)
    assert "nested too deeply" in str(dialect.schema_error(schema))
