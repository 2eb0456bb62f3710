"""The formats whose decisions other SDKs read too: Chat Completions by OpenAI's and Mistral's, Cohere's, Ollama's."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cohere as cohere_sdk
import httpx
import httpx2
import mistralai.client as mistral_sdk
import mistralai.client.errors as mistral_errors
import ollama as ollama_sdk
import openai as openai_sdk
import pytest
from decisions import decisions, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import transport

from agentcheck.dialects import cohere, dialect_of, ollama, openai_chat
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.window import unpaired
from agentcheck.wire import WireError, WireReply, WireRequest

HISTORY: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
FINISH = {"COMPLETE": "stop", "TOOL_CALL": "calls", "stop": "stop", "tool_calls": "calls"}


def asked(dialect: Any, stream: bool = False, **more: Any) -> Request:
    return Request(dialect.name, (Message("user", "hi"),), settings={"model": "m", **more}, stream=stream)


def by_openai(reply: WireReply, stream: bool, size: int, seen: list[Any] | None = None) -> Decision:
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    client = openai_sdk.OpenAI(api_key="x", max_retries=0, http_client=http)
    if stream:
        with client.chat.completions.stream(model="m", messages=HISTORY) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(model="m", messages=HISTORY).choices[0]
    calls = [ToolCall(c.function.name, c.function.arguments, c.id) for c in choice.message.tool_calls or ()]
    return Decision(choice.message.content or "", tuple(calls), FINISH[choice.finish_reason])


def by_mistral(reply: WireReply, stream: bool, size: int, seen: list[Any] | None = None) -> Decision:
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    client = mistral_sdk.Mistral(api_key="x", client=http)
    if not stream:
        choice = client.chat.complete(model="m", messages=HISTORY).choices[0]
        calls = [ToolCall(c.function.name, _text(c.function.arguments), c.id) for c in choice.message.tool_calls or ()]
        return Decision(choice.message.content or "", tuple(calls), FINISH[choice.finish_reason])
    text, finish, parts = "", "", dict[int, list[str]]()
    for event in client.chat.stream(model="m", messages=HISTORY):
        delta, finish = event.data.choices[0].delta, event.data.choices[0].finish_reason or finish
        text += delta.content or ""
        for call in delta.tool_calls or ():
            part = parts.setdefault(call.index, [call.function.name, "", call.id])
            part[1] += _text(call.function.arguments)
    return Decision(text, tuple(ToolCall(*part) for part in parts.values()), FINISH[finish])


def by_cohere(reply: WireReply, stream: bool, size: int, seen: list[Any] | None = None) -> Decision:
    client = cohere_sdk.ClientV2(
        "x", httpx_client=httpx.Client(transport=transport(httpx, reply, size=size, seen=seen))
    )
    if not stream:
        answer = client.chat(model="m", messages=HISTORY)
        calls = [ToolCall(c.function.name, c.function.arguments, c.id) for c in answer.message.tool_calls or ()]
        text = "".join(p.text for p in answer.message.content or ()) or answer.message.tool_plan or ""
        return Decision(text, tuple(calls), FINISH[answer.finish_reason])
    text, finish, parts = "", "", dict[int, list[str]]()
    for event in client.chat_stream(model="m", messages=HISTORY):
        match event.type:
            case "content-delta":
                text += event.delta.message.content.text
            case "tool-plan-delta":
                text += event.delta.message.tool_plan
            case "tool-call-start":
                call = event.delta.message.tool_calls
                parts[event.index] = [call.function.name, "", call.id]
            case "tool-call-delta":
                parts[event.index][1] += event.delta.message.tool_calls.function.arguments
            case "message-end":
                finish = event.delta.finish_reason
    return Decision(text, tuple(ToolCall(*part) for part in parts.values()), FINISH[finish])


def by_ollama(reply: WireReply, stream: bool, size: int, seen: list[Any] | None = None) -> Decision:
    client = ollama_sdk.Client(host="http://localhost:9", transport=transport(httpx, reply, size=size, seen=seen))
    answer = client.chat(model="m", messages=HISTORY, stream=stream)
    parts = list(answer) if stream else [answer]
    calls = [c.function for part in parts for c in part.message.tool_calls or ()]
    assert parts[-1].done_reason == "stop"
    called = tuple(ToolCall(c.name, json.dumps(dict(c.arguments))) for c in calls)
    return Decision("".join(p.message.content or "" for p in parts), called, "calls" if calls else "stop")


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


Reads = Callable[[WireReply, bool, int], Decision]
SDKS: list[tuple[ModuleType, Reads]] = [
    (openai_chat, by_openai),
    (openai_chat, by_mistral),
    (cohere, by_cohere),
    (ollama, by_ollama),
]
every_sdk = pytest.mark.parametrize(("dialect", "read"), SDKS, ids=[read.__name__ for _, read in SDKS])
every_dialect = pytest.mark.parametrize("dialect", [openai_chat, cohere, ollama], ids=lambda d: d.name)


@every_dialect
@given(decision=decisions(), stream=st.booleans())
def test_what_is_written_is_read_back(dialect, decision, stream):
    said = dialect.parse_reply(dialect.reply(decision, asked(dialect, stream)))
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@every_sdk
@settings(max_examples=20, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1, -2]))
def test_the_sdk_reads_the_same_decision(dialect, read, decision, stream, size):
    whole = {openai_chat.WHOLE_CALLS: True} if read is by_mistral else {}
    assert plain(read(dialect.reply(decision, asked(dialect, stream, **whole)), stream, size)) == plain(decision)


def test_mistrals_client_is_known_by_its_name():
    seen: list[Any] = []
    by_mistral(openai_chat.reply(Decision("ok"), asked(openai_chat)), False, 0, seen)
    wire = WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content)
    assert openai_chat.parse(wire).settings[openai_chat.WHOLE_CALLS] is True


@pytest.mark.parametrize(
    ("read", "dialect", "status", "error"),
    [
        (by_openai, openai_chat, 429, openai_sdk.RateLimitError),
        (by_openai, openai_chat, 529, openai_sdk.InternalServerError),
        (by_mistral, openai_chat, 500, mistral_errors.SDKError),
        (by_cohere, cohere, 429, cohere_sdk.TooManyRequestsError),
        (by_cohere, cohere, 400, cohere_sdk.BadRequestError),
        (by_ollama, ollama, 404, ollama_sdk.ResponseError),
    ],
)
def test_failures_are_the_sdks_own(read, dialect, status, error):
    reply = dialect.failure(status, "too much")
    with pytest.raises(error, match="too much"):
        read(reply, False, 0)
    with pytest.raises(WireError, match=f"answered {status}"):
        dialect.parse_reply(reply)


@every_dialect
@pytest.mark.parametrize("finish", ["length", "unknown"])
@pytest.mark.parametrize("stream", [True, False])
def test_every_finish_is_read_back(dialect, finish, stream):
    decision = Decision("half of a sent", (), finish)
    assert dialect.parse_reply(dialect.reply(decision, asked(dialect, stream))) == decision


@every_dialect
def test_a_stream_that_is_cut_is_no_decision(dialect):
    whole = dialect.reply(Decision("hello there, this is a longer text", (), "stop"), asked(dialect, stream=True))
    last = {"openai-chat": -2}.get(dialect.name, -1)  # [DONE] comes after the finish_reason
    with pytest.raises(WireError, match="cut off"):
        dialect.parse_reply(WireReply(200, whole.headers, whole.chunks[:last]))


@pytest.mark.parametrize("dialect", [cohere, ollama], ids=lambda d: d.name)
def test_what_the_sdk_sends_is_read(dialect, monkeypatch):
    call = {"id": "c1", "type": "function", "function": {"name": "deploy", "arguments": '{"tag": "v1"}'}}
    result: dict[str, Any] = {"role": "tool", "tool_call_id": "c1", "content": "done"}
    if dialect is ollama:
        call = {"function": {"name": "deploy", "arguments": {"tag": "v1"}}}
        result = {"role": "tool", "tool_name": "deploy", "content": "done"}
    told = {"role": "system", "content": "You deploy."}
    history = [told, {"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": [call]}, result]
    monkeypatch.setattr(f"{__name__}.HISTORY", history)
    seen: list[Any] = []
    read = by_cohere if dialect is cohere else by_ollama
    read(dialect.reply(Decision("ok"), asked(dialect)), False, 0, seen)
    wire = WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content)
    assert dialect_of(wire) is dialect
    request = dialect.parse(wire)
    said = [(m.role, m.text, [(c.name, c.parsed()) for c in m.calls]) for m in request.messages]
    assert said == [
        ("system", "You deploy.", []),
        ("user", "go", []),
        ("assistant", "", [("deploy", {"tag": "v1"})]),
        ("tool", "done", []),
    ]
    assert unpaired(request) is None
    assert json.loads(dialect.messages_json(wire))[1]["content"] == "go"
