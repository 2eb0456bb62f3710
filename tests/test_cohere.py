"""Cohere's Chat, version 2: what clients send and the service answers, beyond the SDK's round trip of decisions."""

import json
from typing import Any

import cohere as cohere_sdk
import httpx
import pytest
from decisions import WORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import transport

from agentcheck.dialects import cohere
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.window import unpaired
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest

URL = "https://api.cohere.com/v2/chat"
TOOL = {
    "type": "function",
    "function": {"name": "deploy", "description": "Deploys.", "parameters": {"type": "object", "properties": {}}},
}
USER = {"role": "user", "content": "go"}


def wire(**body: Any) -> WireRequest:
    return WireRequest("POST", URL, {}, json.dumps({"model": "m", "messages": [USER]} | body).encode())


def asked(**body: Any) -> Request:
    return cohere.parse(wire(**body))


def client(reply: WireReply, size: int = 0, seen: list[Any] | None = None) -> cohere_sdk.ClientV2:
    return cohere_sdk.ClientV2(
        "dummy", httpx_client=httpx.Client(transport=transport(httpx, reply, size=size, seen=seen))
    )


def event(payload: dict[str, Any]) -> bytes:
    return f"event: {payload['type']}\ndata: {json.dumps(payload)}\n\n".encode()


def delta(kind: str, message: dict[str, Any], index: Any = 0) -> bytes:
    return event({"type": kind, "index": index, "delta": {"message": message}})


def ended(reason: str = "COMPLETE", **more: Any) -> bytes:
    return event({"type": "message-end", "delta": {"finish_reason": reason} | more})


def streamed(*events: bytes) -> Decision:
    return cohere.parse_reply(WireReply(200, {"content-type": "text/event-stream"}, events))


def whole(message: dict[str, Any], reason: str = "COMPLETE") -> Decision:
    body = {"id": "1", "message": {"role": "assistant"} | message, "finish_reason": reason}
    return cohere.parse_reply(WireReply(200, {}, (json.dumps(body).encode(),)))


# --- requests --------------------------------------------------------------------------


def test_what_the_sdk_sends_is_read_whole() -> None:
    seen: list[Any] = []
    call = {"id": "c1", "type": "function", "function": {"name": "deploy", "arguments": '{"tag":  "v1"}'}}
    history: list[Any] = [
        {"role": "system", "content": "You deploy."},
        {"role": "user", "content": [{"type": "text", "text": "go"}, {"type": "text", "text": "now"}]},
        {"role": "assistant", "tool_plan": "I will deploy.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "document", "document": {"data": {"ok": "yes"}}}]},
    ]
    answer = client(cohere.reply(Decision("done"), asked()), seen=seen)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    answer.chat(
        model="m", messages=history, tools=[TOOL], temperature=0.5, tool_choice="REQUIRED",
        response_format={"type": "json_object", "json_schema": schema},
    )  # fmt: skip
    sent = WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content)
    request = cohere.parse(sent)
    assert cohere.recognises(sent)
    assert request.messages[:3] == (
        Message("system", "You deploy."),
        Message("user", "go\nnow"),
        Message("assistant", "I will deploy.", (ToolCall("deploy", '{"tag":  "v1"}', "c1"),)),
    )
    assert (request.messages[3].role, request.messages[3].call_id) == ("tool", "c1")
    assert json.loads(request.messages[3].text)["document"]["data"] == {"ok": "yes"}
    assert request.tools == (ToolSpec("deploy", "Deploys.", {"type": "object", "properties": {}}),)
    assert {key: request.settings[key] for key in ("model", "temperature", "tool_choice")} == {
        "model": "m", "temperature": 0.5, "tool_choice": "REQUIRED"
    }  # fmt: skip
    assert (request.schema, request.stream) == (schema, False)
    assert unpaired(request) is None


def test_what_is_no_text_stays_as_its_json() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    thought = {"type": "thinking", "thinking": "hm"}
    said = [{"role": "user", "content": [image]}, {"role": "assistant", "content": [thought, {"text": "ok"}]}]
    first, second = asked(messages=said).messages
    assert json.loads(first.text) == image
    assert second.text == f"{json.dumps(thought)}\nok"


def test_a_stream_is_asked_for_by_true_alone() -> None:
    assert [asked(stream=value).stream for value in (True, False, None)] == [True, False, False]


@pytest.mark.parametrize(
    ("url", "body", "known"),
    [
        (URL, b'{"messages": []}', True),
        ("http://127.0.0.1:9/proxy/cohere/v2/chat/?x=1", b'{"messages": []}', True),
        ("https://api.cohere.com/v1/chat", b'{"message": "hi"}', False),
        ("https://api.cohere.com/v1/chat", b'{"messages": []}', False),
        (URL, b'{"message": "hi"}', False),
        (URL, b"nothing", False),
        ("https://api.cohere.com/v2/embed", b'{"messages": []}', False),
    ],
)
def test_it_is_known_by_its_path_and_body(url: str, body: bytes, known: bool) -> None:
    assert cohere.recognises(WireRequest("POST", url, {}, body)) is known


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"messages": ["hi"]}, "list of objects"),
        ({"messages": [{"role": "CHATBOT"}]}, "has role 'CHATBOT'; the roles of Cohere's Chat are"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "'tool_calls'"),
        ({"tools": [{"type": "function"}]}, "has no name"),
    ],
)
def test_a_broken_request_is_refused_in_one_sentence(body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        asked(**body)


# --- replies ---------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_arguments_are_text_whatever_is_in_them(stream: bool) -> None:
    """Malformed ones, ones that are no object, and two calls of one id, which a client must bear."""
    calls = (ToolCall("a", '{"tag": "v1', "same"), ToolCall("b", "[1]", "same"), ToolCall("c", "", "other"))
    decision = Decision("A plan.", calls, "calls")
    reply = cohere.reply(decision, asked(stream=stream))
    assert cohere.parse_reply(reply) == decision
    assert reply.body.count(b'"same"') == 2


@pytest.mark.parametrize("stream", [True, False])
def test_the_sdk_is_given_what_it_insists_on(stream: bool) -> None:
    decision = Decision("Half of", (ToolCall("a", '{"tag": "v1'),), "length")
    answer = client(cohere.reply(decision, asked(stream=stream)), size=1)
    if stream:
        events = list(answer.chat_stream(model="m", messages=[USER]))
        assert [type(e).__name__.partition("V2")[0] for e in (events[0], events[-1])] == ["MessageStart", "MessageEnd"]
        last = events[-1].delta
        assert (last.finish_reason, last.usage.tokens.output_tokens > 0) == ("MAX_TOKENS", True)
        return
    said = answer.chat(model="m", messages=[USER])
    assert (said.finish_reason, said.message.tool_plan) == ("MAX_TOKENS", "Half of")
    assert said.usage.tokens.input_tokens > 0


@given(text=WORDS | st.text(max_size=20), size=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_no_text_breaks_the_sdks_reading_of_a_stream(text: str, size: int) -> None:
    """Line separators of Unicode and lone surrogates included."""
    answer = client(cohere.reply(Decision(text), asked(stream=True)), size=size)
    said = [e.delta.message.content.text for e in answer.chat_stream(model="m", messages=[USER]) if "delta" in e.type]
    assert "".join(said) == text


def test_calls_without_an_id_get_one_each() -> None:
    reply = cohere.reply(Decision(calls=(ToolCall("a"), ToolCall("a"))), asked())
    assert len({call.id for call in cohere.parse_reply(reply).calls} - {""}) == 2


@pytest.mark.parametrize("stream", [True, False])
def test_there_is_no_word_for_a_filter(stream: bool) -> None:
    with pytest.raises(Uncarriable, match="no reason for an end by 'filter'"):
        cohere.reply(Decision("x", (), "filter"), asked(stream=stream))


REASONS = [
    ("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("ERROR_TOXIC", "filter"),
    ("TIMEOUT", "unknown"), ("ERROR", "unknown"), ("BRAND_NEW", "unknown"), ("TOOL_CALL", "stop"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "finish"), REASONS)
def test_reasons(reason: str, finish: str) -> None:
    assert whole({"content": [{"type": "text", "text": "x"}]}, reason).finish == finish
    assert streamed(delta("content-delta", {"content": {"text": "x"}}), ended(reason)).finish == finish


def test_thinking_and_citations_are_not_what_was_said() -> None:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert whole({"content": parts, "citations": [{"text": "a"}]}).text == "ab"
    assert whole({"content": "plain"}).text == "plain"
    said = streamed(
        delta("content-start", {"content": {"type": "thinking", "thinking": ""}}),
        delta("content-delta", {"content": {"thinking": "hm"}}),
        event({"type": "content-end", "index": 0}),
        delta("content-start", {"content": {"type": "text", "text": "a"}}, 1),
        delta("content-delta", {"content": {"text": "b"}}, 1),
        delta("citation-start", {"citations": {"start": 0, "end": 1, "text": "a", "sources": []}}),
        event({"type": "debug", "prompt": "…"}),
        ended(),
    )
    assert said == Decision("ab")


def test_a_plan_is_what_was_said_where_nothing_else_was() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
    assert whole({"tool_plan": "plan", "tool_calls": [call]}).text == "plan"
    assert whole({"tool_plan": "plan", "content": [{"type": "text", "text": "said"}]}).text == "said"


def test_streamed_calls_come_together_by_their_index() -> None:
    def begins(id: str, index: Any) -> bytes:
        call = {"id": id, "type": "function", "function": {"name": "f", "arguments": ""}}
        return delta("tool-call-start", {"tool_calls": call}, index)

    def goes_on(piece: str, index: Any) -> bytes:
        return delta("tool-call-delta", {"tool_calls": {"function": {"arguments": piece}}}, index)

    for one, other in ((0, 1), ([0], {"a": 1})):  # whatever the index is
        said = streamed(
            begins("1", one), begins("2", other), goes_on('{"a"', one), goes_on("{}", other), goes_on(": 1}", one),
            ended("TOOL_CALL"),
        )  # fmt: skip
        assert said.calls == (ToolCall("f", '{"a": 1}', "1"), ToolCall("f", "{}", "2"))
        assert said.finish == "calls"


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ((b"<html>",), "not JSON"),
        ((b"[]",), "not an object"),
        ((b"{}",), "without a message"),
        ((b'{"message": {"content": ["x"]}}',), "list of objects"),
        ((delta("content-delta", {"content": {"text": "half"}}),), "before message-end: it was cut off"),
        ((b"event: message-start\ndata: {",), "not JSON"),
        ((ended("ERROR", error="no more capacity"),), "broke off with an error: no more capacity"),
    ],
)
def test_a_broken_reply_is_refused_in_one_sentence(reply: tuple[bytes, ...], sentence: str) -> None:
    with pytest.raises(WireError, match=sentence) as caught:
        cohere.parse_reply(WireReply(200, {}, reply))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, cohere_sdk.BadRequestError),
        (401, cohere_sdk.UnauthorizedError),
        (404, cohere_sdk.NotFoundError),
        (429, cohere_sdk.TooManyRequestsError),
        (500, cohere_sdk.InternalServerError),
        (503, cohere_sdk.ServiceUnavailableError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_the_sdk_raises_its_own_error(status: int, error: type[Exception], stream: bool) -> None:
    answer = client(cohere.failure(status, "no luck today", retry_after=0))
    call = answer.chat_stream if stream else answer.chat
    with pytest.raises(error) as caught:
        list(call(model="m", messages=[USER], request_options={"max_retries": 0}))
    assert caught.value.body["message"] == "no luck today"  # type: ignore[attr-defined]


def test_a_schema_is_json_schema() -> None:
    assert cohere.schema_error({"type": "object", "properties": {"a": {"type": "string"}}}) is None
    assert "'money'" in (cohere.schema_error({"type": "object", "properties": {"a": {"type": "money"}}}) or "")
