"""Bedrock: read, written, and read by boto3."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import httpx2
import pytest
from anthropic import AnthropicBedrock
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from decisions import decisions, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import cut, transport

from agentcheck.dialects import bedrock, bedrock_converse, bedrock_invoke, dialect_of, eventstream, unread
from agentcheck.dialects.eventstream import Frame
from agentcheck.dialects.fine_grained import BETA, EAGER
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, json_bytes

MODEL = "anthropic.claude-sonnet-4-5-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"


def asked(dialect: Any = bedrock_converse, stream: bool = False, model: str = MODEL) -> Request:
    return Request(dialect.name, (Message("user", "hi"),), settings={"model": model}, stream=stream)


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
    return _whole(client.converse(**CONVERSE))


def _whole(answer: dict[str, Any]) -> Decision:
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


@pytest.mark.parametrize(
    ("dialect", "model"), [(bedrock_converse, MODEL), (bedrock_invoke, MODEL), (bedrock_invoke, NOVA)]
)
@given(decision=decisions(), stream=st.booleans())
def test_what_is_written_is_read_back(dialect, model, decision, stream):
    said = dialect.parse_reply(dialect.reply(decision, asked(dialect, stream, model)))
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@settings(max_examples=15, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1]))
def test_boto3_reads_the_same_decision(decision, stream, size):
    said = said_by_sdk(bedrock_converse.reply(decision, asked(stream=stream)), stream=stream, size=size)
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


def invoked(reply: WireReply, *, stream: bool, model: str = MODEL) -> list[dict[str, Any]]:
    """What boto3 hands out of an invoked model: one object, or one per event."""
    client = client_of(reply, size=7)
    if not stream:
        return [json.loads(client.invoke_model(modelId=model, body=b"{}")["body"].read())]
    events = client.invoke_model_with_response_stream(modelId=model, body=b"{}")["body"]
    return [json.loads(event["chunk"]["bytes"]) for event in events]


def said_by_anthropic(reply: WireReply, *, stream: bool, size: int = 0, seen: list[Any] | None = None) -> Decision:
    """The decision as a user of Anthropic's SDK for Bedrock gets it."""
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    keys = {"aws_access_key": "x", "aws_secret_key": "x", "aws_region": "us-east-1"}
    client = AnthropicBedrock(max_retries=0, http_client=http, **keys)
    arguments: dict[str, Any] = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    if stream:
        with client.messages.stream(**arguments) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**arguments)
    calls = [ToolCall(b.name, json.dumps(b.input), b.id) for b in message.content if b.type == "tool_use"]
    text = "".join(b.text for b in message.content if b.type == "text")
    return Decision(text, tuple(calls), _finish(str(message.stop_reason)))


@settings(max_examples=20, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1]))
def test_anthropics_sdk_for_bedrock_reads_the_same_decision(decision, stream, size):
    seen: list[Any] = []
    reply = bedrock_invoke.reply(decision, asked(bedrock_invoke, stream))
    said = said_by_anthropic(reply, stream=stream, size=size, seen=seen)
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]
    request = WireRequest("POST", str(seen[0].url), {}, seen[0].content)
    assert dialect_of(request) is bedrock_invoke
    read = bedrock_invoke.parse(request)
    assert (read.stream, read.settings["model"], read.messages) == (stream, MODEL, (Message("user", "hi"),))


@settings(max_examples=15, deadline=None)
@given(decision=decisions(), stream=st.booleans())
def test_boto3_hands_out_what_nova_says_as_converse_says_it(decision, stream):
    payloads = invoked(bedrock_invoke.reply(decision, asked(bedrock_invoke, stream, NOVA)), stream=stream, model=NOVA)
    if stream:
        assert plain(_heard(payloads)) == plain(decision)
        assert list(payloads[-2]) == ["messageStop"]
    else:
        assert plain(_whole(payloads[0])) == plain(decision)


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


@pytest.mark.parametrize(
    ("dialect", "model"), [(bedrock_converse, MODEL), (bedrock_invoke, MODEL), (bedrock_invoke, NOVA)]
)
def test_malformed_arguments_arrive_in_a_stream_that_is_not_checked_only(dialect, model):
    broken = Decision("", (ToolCall("deploy", '{"tag": "v1', "a"),), "calls")
    checked, cut = asked(dialect, stream=True, model=model), replace(broken, finish="length")
    for request in (asked(dialect, model=model), checked):
        with pytest.raises(Uncarriable, match="malformed"):
            dialect.reply(broken, request)
    eager = replace(checked, settings={**checked.settings, EAGER: ["deploy"]})
    assert dialect.parse_reply(dialect.reply(broken, eager)) == broken
    assert dialect.parse_reply(dialect.reply(cut, checked)) == cut


@pytest.mark.parametrize("betas", [[], [BETA], ["context-1m-2025-08-07", BETA]])
def test_fine_grained_streaming_is_asked_for_in_the_body(betas):
    seen: list[Any] = []
    client = client_of(bedrock_converse.reply(Decision("ok"), asked(stream=True)), seen=seen)
    spec = {"name": "deploy", "inputSchema": {"json": {"type": "object"}}}
    client.converse_stream(
        **CONVERSE, toolConfig={"tools": [{"toolSpec": spec}]}, additionalModelRequestFields={"anthropic_beta": betas}
    )
    read = bedrock_converse.parse(WireRequest("POST", seen[0].url, {}, seen[0].body))
    assert read.settings.get(EAGER) == (["deploy"] if betas else None)


@pytest.mark.parametrize(("betas", "flag"), [([BETA], None), ([], True)])
def test_anthropics_sdk_for_bedrock_asks_for_it_too(betas, flag):
    seen: list[Any] = []
    reply = bedrock_invoke.reply(Decision("ok"), asked(bedrock_invoke, stream=True))
    http = httpx2.Client(transport=transport(httpx2, reply, seen=seen))
    keys = {"aws_access_key": "x", "aws_secret_key": "x", "aws_region": "us-east-1"}
    tool: Any = {"name": "deploy", "input_schema": {"type": "object"}, "eager_input_streaming": flag}
    AnthropicBedrock(max_retries=0, http_client=http, **keys).beta.messages.create(
        model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "hi"}], tools=[tool], betas=betas, stream=True
    )
    read = bedrock_invoke.parse(WireRequest("POST", str(seen[0].url), {}, seen[0].content))
    assert (read.stream, read.settings[EAGER]) == (True, ["deploy"])


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


def of(content: list[dict[str, Any]], role: str = "user", **more: Any) -> Request:
    body = {"messages": [{"role": role, "content": content}], **more}
    return bedrock_converse.parse(WireRequest("POST", f"http://x/model/{MODEL}/converse", {}, json_bytes(body)))


def test_results_come_one_by_one_before_what_is_said_beside_them():
    texts = [{"text": "two"}, {"image": {"format": "png"}}]
    results = [{"toolResult": {"toolUseId": f"t{n}", "content": texts[: n + 1]}} for n in range(2)]
    assert of([{"text": "see"}, *results]).messages == (
        Message("tool", "two", (), "t0"),
        Message("tool", 'two\n{"image": {"format": "png"}}', (), "t1"),
        Message("user", "see"),
    )


def test_what_the_provider_runs_itself_is_no_call_for_the_agent():
    use = {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "input": {"q": 1}, "type": "server_tool_use"}}
    result = {"toolResult": {"toolUseId": "s1", "content": [{"text": "found"}], "type": "nova_grounding_result"}}
    asked_for = of(
        [use, result, {"text": "So."}], "assistant", toolConfig={"tools": [{"systemTool": {"name": "nova_grounding"}}]}
    )
    (message,) = asked_for.messages
    assert message.calls == ()
    assert all(part in message.text for part in ("nova_grounding", "found", "So."))
    assert [(t.name, t.hosted) for t in asked_for.tools] == [("nova_grounding", True)]
    body = {
        "output": {"message": {"role": "assistant", "content": [use, result, {"text": "So."}]}},
        "stopReason": "end_turn",
    }
    assert bedrock_converse.parse_reply(WireReply(200, {}, (json_bytes(body),))) == Decision("So.")


def test_a_hosted_call_in_a_stream_is_no_call_either():
    start = {"toolUseId": "s1", "name": "nova_grounding", "type": "server_tool_use"}
    frames = [
        bedrock.event("contentBlockStart", {"start": {"toolUse": start}, "contentBlockIndex": 0}),
        bedrock.event("contentBlockDelta", {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 0}),
        bedrock.event("contentBlockDelta", {"delta": {"reasoningContent": {"text": "hm"}}, "contentBlockIndex": 1}),
        bedrock.event("contentBlockDelta", {"delta": {"text": "So."}, "contentBlockIndex": 2}),
        bedrock.event("messageStop", {"stopReason": "end_turn"}),
    ]
    assert bedrock_converse.parse_reply(bedrock.stream(frames)) == Decision("So.")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"auto": {}}, "auto"),
        ({"any": {}}, "required"),
        ({"tool": {"name": "deploy"}}, {"type": "tool", "name": "deploy"}),
        ({}, None),
    ],
)
def test_what_must_be_called_is_said_as_elsewhere(choice, said):
    assert of([{"text": "go"}], toolConfig={"tools": [], "toolChoice": choice}).settings.get("tool_choice") == said


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop_sequence", "stop"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "filter"),
        ("malformed_tool_use", "unknown"),
        ("malformed_model_output", "unknown"),
    ],
)
def test_reasons_of_bedrocks_own(reason, finish):
    body = {"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}, "stopReason": reason}
    assert bedrock_converse.parse_reply(WireReply(200, {}, (json_bytes(body),))) == Decision("a", (), finish)
    frames = [bedrock.event("messageStop", {"stopReason": reason})]
    assert bedrock_converse.parse_reply(bedrock.stream(frames)).finish == finish


def test_a_reply_without_a_reason_is_no_reply():
    body = {"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}}
    with pytest.raises(WireError, match="stopReason"):
        bedrock_converse.parse_reply(WireReply(200, {}, (json_bytes(body),)))


@pytest.mark.parametrize("schema", ['{"type": "object"}', {"type": "object"}])
def test_the_schema_of_a_reply_is_read_as_text_and_as_an_object(schema):
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": "x"}}}
    assert of([{"text": "go"}], outputConfig={"textFormat": form}).schema == {"type": "object"}


def test_novas_requests_to_an_invoked_model_are_read():
    body = {
        "schemaVersion": "messages-v1",
        "system": [{"text": "You deploy."}],
        "messages": [{"role": "user", "content": [{"text": "go"}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "deploy", "inputSchema": {"json": {"type": "object"}}}}]},
    }
    request = WireRequest("POST", f"http://x/model/{NOVA}/invoke-with-response-stream", {}, json_bytes(body))
    assert dialect_of(request) is bedrock_invoke
    read = bedrock_invoke.parse(request)
    assert [(m.role, m.text) for m in read.messages] == [("system", "You deploy."), ("user", "go")]
    assert (read.stream, [t.name for t in read.tools], read.dialect) == (True, ["deploy"], "bedrock-invoke")


def test_novas_requests_are_answered_in_novas_form_under_any_address():
    """An address that is an ARN names no model."""
    body = {"messages": [{"role": "user", "content": [{"text": "go"}]}], "toolConfig": {"tools": []}}
    path = "http://x/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fab/invoke"
    request = bedrock_invoke.parse(WireRequest("POST", path, {}, json_bytes(body)))
    assert json.loads(bedrock_invoke.reply(Decision("a"), request).body)["output"]["message"]["content"] == [
        {"text": "a"}
    ]


@pytest.mark.parametrize(
    "path", ["meta.llama3-70b-instruct-v1:0", "amazon.titan-text-express-v1", "mistral.mistral-7b"]
)
def test_bodies_of_other_families_are_named_and_not_judged(path):
    request = WireRequest("POST", f"http://x/model/{path}/invoke", {}, json_bytes({"prompt": "hi", "inputText": "hi"}))
    assert dialect_of(request) is None
    assert "Bedrock" in str(unread(request.url))


@pytest.mark.parametrize(
    "body", [{"messages": [{"role": "robot"}]}, {"messages": [{"role": "user", "content": "x"}]}, {"messages": 1}]
)
def test_what_is_no_request_gets_one_sentence(body):
    with pytest.raises(WireError) as caught:
        bedrock_converse.parse(WireRequest("POST", f"http://x/model/{MODEL}/converse", {}, json_bytes(body)))
    assert "\n" not in str(caught.value)
