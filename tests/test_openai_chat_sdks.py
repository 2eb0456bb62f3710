"""Chat Completions as its clients read it: OpenAI's SDK and Mistral's, over what we write and what look-alikes sent."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import httpx2
import mistralai.client as mistral_sdk
import mistralai.client.errors as mistral_errors
import openai as openai_sdk
import pytest
from decisions import WORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import transport
from test_dialect_recordings import SHARED, exchanges

from agentcheck.dialects import dialect_of, openai_chat
from agentcheck.dialects.reading import UNKNOWN
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import Exchange, WireReply, WireRequest

HISTORY: list[Any] = [{"role": "user", "content": "go"}]
FINISH = {
    "stop": "stop", "tool_calls": "calls", "function_call": "calls", "length": "length", "content_filter": "filter",
    "eos": "stop", UNKNOWN: "unknown",
}  # fmt: skip
Reads = Callable[..., Decision]


# --- what the SDKs read ----------------------------------------------------------------


def openai_client(reply: WireReply, size: int = 0, seen: list[Any] | None = None) -> openai_sdk.OpenAI:
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    return openai_sdk.OpenAI(api_key="dummy", max_retries=0, http_client=http)


def mistral_client(reply: WireReply, size: int = 0, seen: list[Any] | None = None) -> mistral_sdk.Mistral:
    return mistral_sdk.Mistral(
        api_key="dummy", client=httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    )


def by_openai(reply: WireReply, stream: bool, size: int = 0) -> Decision:
    answer = openai_client(reply, size).chat.completions.create(model="m", messages=HISTORY, stream=stream)
    return together(answer) if stream else decided(answer.choices[0])


def by_mistral(reply: WireReply, stream: bool, size: int = 0) -> Decision:
    chat = mistral_client(reply, size).chat
    if stream:
        return together(event.data for event in chat.stream(model="m", messages=HISTORY))
    return decided(chat.complete(model="m", messages=HISTORY).choices[0])


def decided(choice: Any) -> Decision:
    said = choice.message
    calls = [(c.function, c.id) for c in said.tool_calls or ()]
    legacy = getattr(said, "function_call", None)
    calls += [(legacy, "")] if legacy and not calls else []
    made = tuple(ToolCall(function.name, _text(function.arguments), id) for function, id in calls)
    refused = getattr(said, "refusal", None) or ""
    return Decision(_spoken(said.content) or refused, made, finish_of(choice.finish_reason, bool(made)))


def together(chunks: Iterable[Any]) -> Decision:
    """The first choice of a stream, put together as clients do: arguments of one index belong together."""
    text, finish, calls = "", "", dict[Any, list[str]]()
    for choice in (choice for chunk in chunks for choice in chunk.choices if not choice.index):
        text += _spoken(choice.delta.content) or getattr(choice.delta, "refusal", None) or ""
        finish = choice.finish_reason or finish
        legacy = getattr(choice.delta, "function_call", None)
        if legacy:
            part = calls.setdefault("legacy", ["", "", ""])
            part[0], part[1] = part[0] or legacy.name or "", part[1] + _text(legacy.arguments)
        for call in choice.delta.tool_calls or ():
            part = calls.setdefault(call.index, ["", "", ""])
            part[0], part[2] = part[0] or call.function.name or "", part[2] or call.id or ""
            part[1] += _text(call.function.arguments)
    return Decision(text, tuple(ToolCall(*part) for part in calls.values()), finish_of(finish, bool(calls)))


def finish_of(reason: Any, calls: bool) -> str:
    finish = FINISH[str(reason)]
    return ("calls" if calls else "stop") if finish in ("stop", "calls") else finish


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)


def _spoken(content: Any) -> str:
    return content if isinstance(content, str) else ""


# --- what we write ---------------------------------------------------------------------

every_sdk = pytest.mark.parametrize("read", [by_openai, by_mistral])
IDS = st.sampled_from(["call_1", "call_2", "call_3"])  # so that two calls often have one id
ARGUMENTS = st.one_of(st.just('{"a": tr'), st.just("[1]"), WORDS, st.just(json.dumps({"tag": "v1.2.3" * 30})))
CALLS = st.lists(st.builds(ToolCall, st.from_regex(r"[a-z_]{1,12}", fullmatch=True), ARGUMENTS, IDS), max_size=3)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    made = tuple(draw(CALLS))
    ordinary = "calls" if made else "stop"
    return Decision(draw(WORDS), made, draw(st.sampled_from([ordinary, "length", "filter", "unknown"])))


def asked(read: Reads, stream: bool) -> Request:
    """A request of this SDK, as it is read."""
    agent = "mistral-client-python/3" if read is by_mistral else "OpenAI/Python 3"
    body = json.dumps({"model": "m", "messages": HISTORY, "stream": stream}).encode()
    wire = WireRequest("POST", "https://example.com/v1/chat/completions", {"User-Agent": agent}, body)
    return openai_chat.parse(wire)


@every_sdk
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 2, 7, -1, -2, -3]))
@settings(max_examples=60, deadline=None)
def test_every_decision_arrives_as_it_was_made(read: Reads, decision: Decision, stream: bool, size: int) -> None:
    """Malformed arguments, two calls of one id, and every reason of an end, cut into any pieces."""
    reply = openai_chat.reply(decision, asked(read, stream))
    assert read(reply, stream, size) == decision == openai_chat.parse_reply(reply)


@every_sdk
@pytest.mark.parametrize("stream", [True, False])
def test_a_reason_that_no_client_has_heard_of_arrives(read: Reads, stream: bool) -> None:
    reply = openai_chat.reply(Decision("half", (), "unknown"), asked(read, stream))
    assert UNKNOWN.encode() in reply.body
    assert read(reply, stream, 1).finish == "unknown"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, mistral_errors.SDKError), (401, mistral_errors.SDKError), (429, mistral_errors.SDKError)],
)
@pytest.mark.parametrize("stream", [True, False])
def test_mistrals_client_raises_its_own_error(status: int, error: type[Exception], stream: bool) -> None:
    with pytest.raises(error, match="no luck today") as caught:
        by_mistral(openai_chat.failure(status, "no luck today"), stream)
    assert caught.value.status_code == status  # type: ignore[attr-defined]


def test_what_mistrals_client_sends_is_read_whole() -> None:
    seen: list[Any] = []
    parameters = {"type": "object", "properties": {"tag": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "deploy", "description": "Deploys.", "parameters": parameters}}
    first = openai_chat.reply(Decision("", (ToolCall("deploy", '{"tag":  "v1"}', "call_1"),)), asked(by_mistral, False))
    decision = mistral_client(first).chat.complete(model="m", messages=HISTORY).choices[0].message
    told: list[Any] = [{"role": "system", "content": "You deploy."}, *HISTORY, decision]
    mistral_client(first, seen=seen).chat.complete(
        model="m", messages=[*told, {"role": "tool", "tool_call_id": "call_1", "name": "deploy", "content": "done"}],
        tools=[tool], temperature=0.5,
    )  # fmt: skip
    wire = WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content)
    request = openai_chat.parse(wire)
    assert dialect_of(wire) is openai_chat
    assert request.messages == (
        Message("system", "You deploy."),
        Message("user", "go"),
        Message("assistant", "", (ToolCall("deploy", '{"tag":  "v1"}', "call_1"),)),
        Message("tool", "done", call_id="call_1"),
    )
    assert request.tools == (ToolSpec("deploy", "Deploys.", parameters),)
    assert (request.settings["model"], request.settings["temperature"], request.stream) == ("m", 0.5, False)


# --- what look-alikes sent -------------------------------------------------------------


def answered() -> list[tuple[str, str, Exchange]]:
    """Recorded replies of services, with where and whose: the last two names of the host."""
    good = [(where, e) for where, e in exchanges("openai-chat") if e.reply.status < 300]
    return [(where, ".".join(str(urlsplit(e.request.url).hostname).split(".")[-2:]), e) for where, e in good]


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/cassettes, recordings that others made")


@needs_shared
@pytest.mark.parametrize("size", [0, 1, -4])
def test_a_client_reads_from_them_what_we_read(size: int) -> None:
    """OpenAI's own client is the judge of what a look-alike's bytes mean."""
    houses: dict[str, int] = {}
    for where, house, exchange in answered():
        ours = openai_chat.parse_reply(exchange.reply)
        reply = WireReply(200, {"content-type": _kind(exchange.reply)}, exchange.reply.chunks)
        assert _plain(by_openai(reply, exchange.reply.is_stream, size)) == _plain(ours), where
        houses[house] = houses.get(house, 0) + 1
    assert houses.keys() >= {
        "azure.com", "azuredatabricks.net", "cerebras.ai", "deepseek.com", "aliyuncs.com", "groq.com",
        "huggingface.co", "mistral.ai", "nvidia.com", "openai.com", "openrouter.ai", "together.ai", "x.ai",
    }  # fmt: skip
    assert sum(houses.values()) > 130


@needs_shared
def test_a_client_reads_the_same_from_what_we_write_for_them() -> None:
    for where, _, exchange in answered():
        request = openai_chat.parse(exchange.request)
        decision = openai_chat.parse_reply(exchange.reply)
        again = by_openai(openai_chat.reply(decision, request), request.stream, 3)
        assert _plain(again) == _plain(decision), where


def _kind(reply: WireReply) -> str:
    return "text/event-stream" if reply.is_stream else "application/json"


def _plain(decision: Decision) -> tuple[Any, ...]:
    """Without the ids of legacy calls, which there are none of."""
    return decision.text, [(c.name, c.arguments) for c in decision.calls], decision.finish
