"""OpenAI Responses: read, written, and read by OpenAI's own SDK."""

import json
from typing import Any

import httpx2
import openai as sdk
import pytest
from decisions import decisions, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import transport

from agentcheck.dialects import dialect_of, openai_responses
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.window import kept_elsewhere
from agentcheck.wire import WireError, WireReply, WireRequest, json_bytes

URL = "https://api.openai.com/v1/responses"


def asked(stream: bool = False, **more: Any) -> Request:
    return Request("openai-responses", (Message("user", "hi"),), settings={"model": "gpt-5", **more}, stream=stream)


def client_of(reply: WireReply, *, size: int = 0, seen: list[Any] | None = None) -> sdk.OpenAI:
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    return sdk.OpenAI(api_key="x", max_retries=0, http_client=http)


def said_by_sdk(reply: WireReply, *, stream: bool, size: int = 0) -> Decision:
    """The decision as a user of the SDK gets it, in a stream from its parts as well as from its end."""
    client = client_of(reply, size=size)
    if not stream:
        return _decision(client.responses.create(model="m", input="hi"))
    with client.responses.stream(model="m", input="hi") as events:
        heard = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        final = _decision(events.get_final_response())
    assert heard == final.text
    return final


def _decision(response: Any) -> Decision:
    calls = [ToolCall(o.name, o.arguments, o.call_id) for o in response.output if o.type == "function_call"]
    assert response.status == "completed"
    return Decision(response.output_text, tuple(calls), "calls" if calls else "stop")


@given(decision=decisions(), stream=st.booleans())
def test_what_is_written_is_read_back(decision, stream):
    assert openai_responses.parse_reply(openai_responses.reply(decision, asked(stream))) == decision


@settings(max_examples=25, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1, -2]))
def test_the_sdk_reads_the_same_decision(decision, stream, size):
    said = said_by_sdk(openai_responses.reply(decision, asked(stream)), stream=stream, size=size)
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, sdk.BadRequestError),
        (401, sdk.AuthenticationError),
        (429, sdk.RateLimitError),
        (529, sdk.InternalServerError),
    ],
)
def test_failures_are_the_sdks_own(status, error):
    reply = openai_responses.failure(status, "too much", retry_after=2.0)
    with pytest.raises(error, match="too much") as caught:
        said_by_sdk(reply, stream=False)
    assert caught.value.response.headers["retry-after"] == "2"
    with pytest.raises(WireError, match=f"answered {status}"):
        openai_responses.parse_reply(reply)


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
@pytest.mark.parametrize("stream", [True, False])
def test_every_finish_is_read_back(finish, stream):
    decision = Decision("half of a sent", (ToolCall("deploy", '{"tag": "v1', "a"),), finish)
    assert openai_responses.parse_reply(openai_responses.reply(decision, asked(stream))) == decision


def test_a_stream_that_is_cut_or_fails_is_no_decision():
    whole = openai_responses.reply(Decision("hello there", (), "stop"), asked(stream=True))
    with pytest.raises(WireError, match="cut off"):
        openai_responses.parse_reply(WireReply(200, whole.headers, whole.chunks[:-1]))
    failed = {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error"}}}
    with pytest.raises(WireError, match="server_error"):
        openai_responses.parse_reply(WireReply(200, whole.headers, (b"data: " + json_bytes(failed) + b"\n\n",)))


def test_what_the_sdk_sends_is_read():
    seen: list[Any] = []
    client = client_of(openai_responses.reply(Decision("ok"), asked()), seen=seen)
    client.responses.create(
        model="gpt-5",
        instructions="You deploy.",
        tools=[
            {
                "type": "function",
                "name": "deploy",
                "description": "Deploys.",
                "parameters": {"type": "object"},
                "strict": False,
            },
            {"type": "web_search"},
        ],
        text={"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object", "properties": {}}}},
        previous_response_id="resp_1",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "go"}]},
            {"type": "function_call", "name": "deploy", "arguments": '{"tag": "v1"}', "call_id": "c1"},
            {"type": "function_call_output", "call_id": "c1", "output": "done"},
        ],
    )
    wire = WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content)
    assert dialect_of(wire) is openai_responses
    request = openai_responses.parse(wire)
    assert request.messages == (
        Message("system", "You deploy."),
        Message("user", "go"),
        Message("assistant", "", (ToolCall("deploy", '{"tag": "v1"}', "c1"),)),
        Message("tool", "done", (), "c1"),
    )
    assert [(t.name, t.hosted) for t in request.tools] == [("deploy", False), ("web_search", True)]
    assert request.schema == {"type": "object", "properties": {}}
    assert kept_elsewhere(request) == "previous_response_id"
    assert json.loads(openai_responses.messages_json(wire))[0]["content"] == "You deploy."


def test_tools_in_a_namespace_are_called_by_both_names():
    inner = {"type": "function", "name": "deploy", "parameters": {"type": "object"}}
    body = {"input": "go", "tools": [{"type": "namespace", "name": "mcp__ops", "tools": [inner]}]}
    request = openai_responses.parse(WireRequest("POST", URL, {}, json_bytes(body)))
    assert [t.name for t in request.tools] == ["mcp__ops__deploy"]
    decision = Decision("", (ToolCall("mcp__ops__deploy", "{}", "c1"),), "calls")
    reply = openai_responses.reply(decision, request)
    called = json.loads(reply.body)["output"][0]
    assert (called["namespace"], called["name"]) == ("mcp__ops", "deploy")
    assert openai_responses.parse_reply(reply) == decision


@pytest.mark.parametrize(
    "body", [{"input": [{"role": "robot"}]}, {"input": [1]}, {"input": "x", "tools": [{"type": "function"}]}]
)
def test_what_is_no_request_gets_one_sentence(body):
    with pytest.raises(WireError) as caught:
        openai_responses.parse(WireRequest("POST", URL, {}, json_bytes(body)))
    assert "\n" not in str(caught.value)
