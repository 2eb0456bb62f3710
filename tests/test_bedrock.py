"""Bedrock: read, written, and read by boto3."""

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from decisions import decisions, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import cut

from agentcheck.dialects import bedrock_converse, bedrock_invoke, dialect_of, eventstream
from agentcheck.dialects.eventstream import Frame
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, json_bytes

MODEL = "anthropic.claude-sonnet-4-5-v1:0"


def asked(dialect: Any = bedrock_converse, stream: bool = False) -> Request:
    return Request(dialect.name, (Message("user", "hi"),), settings={"model": MODEL}, stream=stream)


class Raw(io.BytesIO):
    """A body that comes in pieces, as urllib3 gives it."""

    def __init__(self, body: bytes, size: int):
        super().__init__(body)
        self._pieces = cut(body, size)

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield from self._pieces


def client_of(reply: WireReply, *, size: int = 0, seen: list[Any] | None = None) -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    client = boto3.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}), **keys)

    def answer(request: Any, **_: Any) -> AWSResponse:
        if seen is not None:
            seen.append(request)
        return AWSResponse(request.url, reply.status, dict(reply.headers), Raw(reply.body, size))

    client.meta.events.register("before-send.bedrock-runtime", answer)
    return client


CONVERSE = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def said_by_sdk(reply: WireReply, *, stream: bool, size: int = 0) -> Decision:
    """The decision as a user of boto3 gets it."""
    client = client_of(reply, size=size)
    if stream:
        return _heard(client.converse_stream(**CONVERSE)["stream"])
    answer = client.converse(**CONVERSE)
    blocks = answer["output"]["message"]["content"]
    uses = [b["toolUse"] for b in blocks if "toolUse" in b]
    calls = [ToolCall(u["name"], json.dumps(u["input"]), u["toolUseId"]) for u in uses]
    return Decision("".join(b.get("text", "") for b in blocks), tuple(calls), _finish(answer["stopReason"]))


def _heard(stream: Any) -> Decision:
    text, calls, reason = "", {}, ""
    for event in stream:
        if start := event.get("contentBlockStart"):
            calls[start["contentBlockIndex"]] = [start["start"]["toolUse"], ""]
        elif delta := event.get("contentBlockDelta"):
            text += delta["delta"].get("text", "")
            if "toolUse" in delta["delta"]:
                calls[delta["contentBlockIndex"]][1] += delta["delta"]["toolUse"]["input"]
        elif stop := event.get("messageStop"):
            reason = stop["stopReason"]
    uses = tuple(ToolCall(use["name"], arguments, use["toolUseId"]) for use, arguments in calls.values())
    return Decision(text, uses, _finish(reason))


def _finish(reason: str) -> str:
    return {"end_turn": "stop", "tool_use": "calls"}[reason]


@pytest.mark.parametrize("dialect", [bedrock_converse, bedrock_invoke], ids=lambda d: d.name)
@given(decision=decisions(), stream=st.booleans())
def test_what_is_written_is_read_back(dialect, decision, stream):
    said = dialect.parse_reply(dialect.reply(decision, asked(dialect, stream)))
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@settings(max_examples=15, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1]))
def test_boto3_reads_the_same_decision(decision, stream, size):
    said = said_by_sdk(bedrock_converse.reply(decision, asked(stream=stream)), stream=stream, size=size)
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@settings(max_examples=10, deadline=None)
@given(decision=decisions())
def test_boto3_hands_out_the_events_of_an_invoked_model(decision):
    reply = bedrock_invoke.reply(decision, asked(bedrock_invoke, stream=True))
    stream = client_of(reply, size=7).invoke_model_with_response_stream(modelId=MODEL, body=b"{}")["body"]
    payloads = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert payloads[-1]["type"] == "message_stop"
    said = "".join(p["delta"].get("text", "") for p in payloads if p["type"] == "content_block_delta")
    assert said == decision.text


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_failures_are_boto3s_own(status, code):
    reply = bedrock_converse.failure(status, "too much")
    with pytest.raises(ClientError, match="too much") as caught:
        said_by_sdk(reply, stream=False)
    assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(WireError, match=f"answered {status}"):
        bedrock_converse.parse_reply(reply)


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", [bedrock_converse, bedrock_invoke], ids=lambda d: d.name)
def test_every_finish_is_read_back(dialect, finish, stream):
    decision = Decision("half of a sent", (), finish)
    assert dialect.parse_reply(dialect.reply(decision, asked(dialect, stream))) == decision


@pytest.mark.parametrize("dialect", [bedrock_converse, bedrock_invoke], ids=lambda d: d.name)
def test_malformed_arguments_arrive_in_a_stream_only(dialect):
    broken = Decision("", (ToolCall("deploy", '{"tag": "v1', "a"),), "calls")
    with pytest.raises(Uncarriable, match="malformed"):
        dialect.reply(broken, asked(dialect))
    assert dialect.parse_reply(dialect.reply(broken, asked(dialect, stream=True))) == broken


def test_an_exception_in_the_stream_is_no_decision():
    whole = bedrock_converse.reply(Decision("hello"), asked(stream=True))
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}
    exception = eventstream.encoded(Frame(headers, b'{"message": "Too many tokens"}'))
    with pytest.raises(WireError, match="throttlingException Too many tokens"):
        bedrock_converse.parse_reply(WireReply(200, whole.headers, (whole.chunks[0], exception)))
    with pytest.raises(WireError, match="cut off"):
        bedrock_converse.parse_reply(WireReply(200, whole.headers, whole.chunks[:-2]))


def test_what_boto3_sends_is_read():
    seen: list[Any] = []
    client = client_of(bedrock_converse.reply(Decision("ok"), asked()), seen=seen)
    client.converse(
        modelId=MODEL,
        system=[{"text": "You deploy."}],
        messages=[
            {"role": "user", "content": [{"text": "go"}]},
            {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "t1", "name": "deploy", "input": {"tag": "v1"}}}],
            },
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": {"ok": True}}]}}]},
        ],
        toolConfig={
            "tools": [
                {"toolSpec": {"name": "deploy", "description": "Deploys.", "inputSchema": {"json": {"type": "object"}}}}
            ]
        },
        inferenceConfig={"temperature": 0.0},
    )
    wire = WireRequest("POST", seen[0].url, {}, seen[0].body)
    assert dialect_of(wire) is bedrock_converse
    request = bedrock_converse.parse(wire)
    assert request.messages == (
        Message("system", "You deploy."),
        Message("user", "go"),
        Message("assistant", "", (ToolCall("deploy", '{"tag": "v1"}', "t1"),)),
        Message("tool", '{"ok": true}', (), "t1"),
    )
    assert request.settings["model"] == MODEL
    assert [(t.name, t.parameters) for t in request.tools] == [("deploy", {"type": "object"})]


@pytest.mark.parametrize(
    "body", [{"messages": [{"role": "robot"}]}, {"messages": [{"role": "user", "content": "x"}]}, {"messages": 1}]
)
def test_what_is_no_request_gets_one_sentence(body):
    with pytest.raises(WireError) as caught:
        bedrock_converse.parse(WireRequest("POST", f"http://x/model/{MODEL}/converse", {}, json_bytes(body)))
    assert "\n" not in str(caught.value)
