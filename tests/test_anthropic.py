"""Anthropic Messages: read, written, and read by Anthropic's own SDK."""

import json
from typing import Any

import anthropic as sdk
import httpx2
import pytest
from decisions import decisions, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import transport

from agentcheck.dialects import anthropic, dialect_of
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, json_bytes

URL = "https://api.anthropic.com/v1/messages"


def asked(stream: bool = False) -> Request:
    return Request("anthropic", (Message("user", "hi"),), settings={"model": "claude-sonnet-4-5"}, stream=stream)


def said_by_sdk(reply: WireReply, *, stream: bool, size: int = 0) -> Decision:
    """The decision as a user of the SDK gets it."""
    client = sdk.Anthropic(
        api_key="x", max_retries=0, http_client=httpx2.Client(transport=transport(httpx2, reply, size=size))
    )
    arguments: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    if stream:
        with client.messages.stream(**arguments) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**arguments)
    calls = [ToolCall(b.name, json.dumps(b.input), b.id) for b in message.content if b.type == "tool_use"]
    text = "".join(b.text for b in message.content if b.type == "text")
    return Decision(text, tuple(calls), {"end_turn": "stop", "tool_use": "calls"}[str(message.stop_reason)])


@given(decision=decisions(), stream=st.booleans())
def test_what_is_written_is_read_back(decision, stream):
    assert plain(anthropic.parse_reply(anthropic.reply(decision, asked(stream)))) == plain(decision)


@settings(max_examples=25, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1, -2]))
def test_the_sdk_reads_the_same_decision(decision, stream, size):
    reply = anthropic.reply(decision, asked(stream))
    said = said_by_sdk(reply, stream=stream, size=size)
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, sdk.BadRequestError), (401, sdk.AuthenticationError), (404, sdk.NotFoundError), (429, sdk.RateLimitError),
     (500, sdk.InternalServerError), (529, sdk.OverloadedError)],
)  # fmt: skip
def test_failures_are_the_sdks_own(status, error):
    with pytest.raises(error) as caught:
        said_by_sdk(anthropic.failure(status, "too much", retry_after=2.0), stream=False)
    assert caught.value.response.headers["retry-after"] == "2"
    assert "too much" in str(caught.value)
    with pytest.raises(WireError, match=f"answered {status}"):
        anthropic.parse_reply(anthropic.failure(status, "too much"))


def test_malformed_arguments_arrive_in_a_stream_only():
    broken = Decision("", (ToolCall("deploy", '{"tag": "v1', "a"),), "calls")
    with pytest.raises(Uncarriable, match="malformed"):
        anthropic.reply(broken, asked())
    assert anthropic.parse_reply(anthropic.reply(broken, asked(stream=True))) == broken


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
@pytest.mark.parametrize("stream", [True, False])
def test_every_finish_is_read_back(finish, stream):
    decision = Decision("half of a sent", (), finish)
    assert anthropic.parse_reply(anthropic.reply(decision, asked(stream))) == decision


def test_a_stream_that_is_cut_or_breaks_off_is_no_decision():
    whole = anthropic.reply(Decision("hello there", (), "stop"), asked(stream=True))
    with pytest.raises(WireError, match="cut off"):
        anthropic.parse_reply(WireReply(200, whole.headers, whole.chunks[:-1]))
    broken = (
        b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'
    )
    with pytest.raises(WireError, match="overloaded_error"):
        anthropic.parse_reply(WireReply(200, whole.headers, (*whole.chunks[:-1], broken)))


def test_what_the_sdk_sends_is_read():
    seen: list[Any] = []
    reply = anthropic.reply(Decision("ok"), asked())
    client = sdk.Anthropic(api_key="x", http_client=httpx2.Client(transport=transport(httpx2, reply, seen=seen)))
    client.messages.create(
        model="m",
        max_tokens=50,
        system=[{"type": "text", "text": "You deploy."}],
        tools=[
            {"name": "deploy", "description": "Deploys.", "input_schema": {"type": "object", "properties": {}}},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        messages=[
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I will."},
                    {"type": "tool_use", "id": "t1", "name": "deploy", "input": {"tag": "v1"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "done"}]},
                    {"type": "text", "text": "and now?"},
                ],
            },
        ],
    )
    wire = WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content)
    assert dialect_of(wire) is anthropic
    request = anthropic.parse(wire)
    assert request.messages == (
        Message("system", "You deploy."),
        Message("user", "go"),
        Message("assistant", "I will.", (ToolCall("deploy", '{"tag": "v1"}', "t1"),)),
        Message("tool", "done", (), "t1"),
        Message("user", "and now?"),
    )
    assert [(t.name, t.hosted) for t in request.tools] == [("deploy", False), ("web_search", True)]
    assert request.settings["parallel_tool_calls"] is False
    assert json.loads(anthropic.messages_json(wire))[0]["role"] == "system"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": "x"},
        {"messages": [], "tools": [{"input_schema": {}}]},
    ],
)
def test_what_is_no_request_gets_one_sentence(body):
    with pytest.raises(WireError) as caught:
        anthropic.parse(WireRequest("POST", URL, {}, json_bytes({"max_tokens": 1, **body})))
    assert "\n" not in str(caught.value)


def test_other_paths_are_not_taken():
    body = json_bytes({"max_tokens": 1, "messages": []})
    for path in ("/v1/messages/count_tokens", "/v1/messages/batches", "/v1/chat/completions"):
        assert not anthropic.recognises(WireRequest("POST", f"https://api.anthropic.com{path}", {}, body))
