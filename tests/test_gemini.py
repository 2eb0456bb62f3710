"""Gemini: read, written, and read by Google's own SDK."""

import json
from typing import Any

import httpx2
import pytest
from decisions import decisions, plain
from google import genai
from google.genai import errors, types
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import transport

from agentcheck.dialects import dialect_of, gemini
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.window import kept_elsewhere, unpaired
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, json_bytes

URL = "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash:generateContent"


def asked(stream: bool = False, alt: str = "sse") -> Request:
    told = (Message("user", "hi"),)
    return Request("gemini", told, settings={"model": "gemini-3-flash", "alt": alt}, stream=stream)


def client_of(reply: WireReply, *, size: int = 0, seen: list[Any] | None = None) -> genai.Client:
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    return genai.Client(api_key="x", http_options=types.HttpOptions(httpx_client=http))


def said_by_sdk(reply: WireReply, *, stream: bool, size: int = 0) -> Decision:
    """The decision as a user of the SDK gets it."""
    client = client_of(reply, size=size)
    if stream:
        answers = list(client.models.generate_content_stream(model="m", contents="hi"))
    else:
        answers = [client.models.generate_content(model="m", contents="hi")]
    parts = [p for a in answers for p in a.candidates[0].content.parts or ()]
    calls = [p.function_call for p in parts if p.function_call]
    assert answers[-1].candidates[0].finish_reason == "STOP"
    called = tuple(ToolCall(c.name, json.dumps(c.args), c.id) for c in calls)
    return Decision("".join(p.text or "" for p in parts), called, "calls" if calls else "stop")


@given(decision=decisions(), stream=st.booleans(), alt=st.sampled_from(["sse", "json"]))
def test_what_is_written_is_read_back(decision, stream, alt):
    said = gemini.parse_reply(gemini.reply(decision, asked(stream, alt)))
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@settings(max_examples=25, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1, -2]))
def test_the_sdk_reads_the_same_decision(decision, stream, size):
    said = said_by_sdk(gemini.reply(decision, asked(stream)), stream=stream, size=size)
    assert plain(said) == plain(decision)
    assert [c.id for c in said.calls] == [c.id for c in decision.calls]


@pytest.mark.parametrize(
    ("status", "error"), [(400, errors.ClientError), (429, errors.ClientError), (503, errors.ServerError)]
)
def test_failures_are_the_sdks_own(status, error):
    with pytest.raises(error, match="too much") as caught:
        said_by_sdk(gemini.failure(status, "too much", retry_after=2.0), stream=False)
    assert caught.value.code == status
    with pytest.raises(WireError, match=f"answered {status}"):
        gemini.parse_reply(gemini.failure(status, "too much"))


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
@pytest.mark.parametrize("stream", [True, False])
def test_every_finish_is_read_back(finish, stream):
    decision = Decision("half of a sent", (), finish)
    assert gemini.parse_reply(gemini.reply(decision, asked(stream))) == decision


def test_malformed_arguments_cannot_arrive():
    with pytest.raises(Uncarriable, match="malformed"):
        gemini.reply(Decision("", (ToolCall("deploy", '{"tag": "v1', "a"),), "calls"), asked(stream=True))


def test_a_stream_that_is_cut_is_no_decision():
    whole = gemini.reply(Decision("hello there, this is a longer text", (), "stop"), asked(stream=True))
    with pytest.raises(WireError, match="cut off"):
        gemini.parse_reply(WireReply(200, whole.headers, whole.chunks[:-1]))


def test_a_blocked_prompt_is_a_decision_of_the_filter():
    blocked = WireReply(200, {}, (json_bytes({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),))
    assert gemini.parse_reply(blocked) == Decision("", (), "filter")


def test_what_the_sdk_sends_is_read():
    seen: list[Any] = []
    client = client_of(gemini.reply(Decision("ok"), asked()), seen=seen)
    parameters = types.Schema(
        type=types.Type.OBJECT, properties={"tag": types.Schema(type=types.Type.STRING, nullable=True)}
    )
    deploy = types.FunctionDeclaration(name="deploy", description="Deploys.", parameters=parameters)
    client.models.generate_content(
        model="gemini-3-flash",
        contents=[
            types.Content(role="user", parts=[types.Part(text="go")]),
            types.Content(role="model", parts=[types.Part.from_function_call(name="deploy", args={"tag": "v1"})]),
            types.Content(role="user", parts=[types.Part.from_function_response(name="deploy", response={"ok": True})]),
        ],
        config=types.GenerateContentConfig(
            system_instruction="You deploy.",
            tools=[types.Tool(function_declarations=[deploy]), types.Tool(google_search=types.GoogleSearch())],
            cached_content="cachedContents/1",
            response_json_schema={"type": "object", "properties": {}},
        ),
    )
    wire = WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content)
    assert dialect_of(wire) is gemini
    request = gemini.parse(wire)
    assert [(m.role, m.text) for m in request.messages] == [
        ("system", "You deploy."),
        ("user", "go"),
        ("assistant", ""),
        ("tool", '{"ok": true}'),
    ]
    assert unpaired(request) is None
    assert {t.name: t.hosted for t in request.tools} == {"deploy": False, "googleSearch": True}
    deployed = request.tool("deploy").parameters
    assert deployed["properties"]["tag"]["type"] == ["string", "null"]
    assert gemini.schema_error(deployed) is None
    assert request.schema == {"type": "object", "properties": {}}
    assert request.settings["model"] == "gemini-3-flash"
    assert kept_elsewhere(request) == "cachedContent"


def test_a_type_that_is_none_is_found_wrong():
    function = {"name": "pay", "parameters": {"type": "OBJECT", "properties": {"sum": {"type": "MONEY"}}}}
    body = {"contents": [{"parts": [{"text": "x"}]}], "tools": [{"function_declarations": [function]}]}
    request = gemini.parse(WireRequest("POST", URL, {}, json_bytes(body)))
    assert "MONEY" in str(gemini.schema_error(request.tools[0].parameters))


def test_results_without_ids_answer_the_calls_of_their_name_in_order():
    calls = [{"functionCall": {"name": "a", "args": {"n": 1}}}, {"functionCall": {"name": "a", "args": {"n": 2}}}]
    results = [{"functionResponse": {"name": "a", "response": {"of": n}}} for n in (1, 2)]
    body = {"contents": [{"role": "model", "parts": calls}, {"role": "function", "parts": results}]}
    request = gemini.parse(WireRequest("POST", URL, {}, json_bytes(body)))
    assert unpaired(request) is None
    assert [m.call_id for m in request.messages[1:]] == [c.id for c in request.messages[0].calls]


@pytest.mark.parametrize("body", [{"contents": [{"role": "robot"}]}, {"contents": [1]}, {"contents": [], "tools": "x"}])
def test_what_is_no_request_gets_one_sentence(body):
    with pytest.raises(WireError) as caught:
        gemini.parse(WireRequest("POST", URL, {}, json_bytes(body)))
    assert "\n" not in str(caught.value)
