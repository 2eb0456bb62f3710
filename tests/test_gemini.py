"""Gemini: read, written, and read by Google's own SDK."""

import asyncio
import enum
import json
import re
from dataclasses import asdict
from typing import Any

import httpx2
import pydantic
import pytest
from decisions import decisions, plain
from google import genai
from google.genai import errors, types
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sdks import cut, transport

from agentcheck.dialects import dialect_of, gemini
from agentcheck.dialects.reading import event
from agentcheck.messages import Decision, Message, Request, ToolCall, request_from
from agentcheck.window import kept_elsewhere, unpaired
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, json_bytes

URL = "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash:generateContent"


def asked(stream: bool = False, alt: str = "sse") -> Request:
    told = (Message("user", "hi"),)
    return Request("gemini", told, settings={"model": "gemini-3-flash", "alt": alt}, stream=stream)


def client_of(reply: WireReply, *, size: int = 0, seen: list[Any] | None = None, vertex: bool = False) -> genai.Client:
    """Google's client, of the Gemini API or of Vertex, sync and async over the same replies."""
    both = transport(httpx2, reply, size=size, seen=seen)
    options = types.HttpOptions(
        httpx_client=httpx2.Client(transport=both), httpx_async_client=httpx2.AsyncClient(transport=both)
    )
    return genai.Client(api_key="x", vertexai=vertex, http_options=options)


def said_by_sdk(reply: WireReply, *, stream: bool, size: int = 0) -> Decision:
    """The decision as a user of the SDK gets it."""
    models = client_of(reply, size=size).models
    if stream:
        return _decision(list(models.generate_content_stream(model="m", contents="hi")))
    return _decision([models.generate_content(model="m", contents="hi")])


async def said_by_async_sdk(reply: WireReply, *, stream: bool, size: int) -> Decision:
    models = client_of(reply, size=size, vertex=True).aio.models
    if stream:
        return _decision([a async for a in await models.generate_content_stream(model="m", contents="hi")])
    return _decision([await models.generate_content(model="m", contents="hi")])


def _decision(answers: list[types.GenerateContentResponse]) -> Decision:
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


@settings(max_examples=15, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=st.sampled_from([0, 1, 7, -1]))
def test_the_async_sdk_of_vertex_reads_the_same_decision(decision, stream, size):
    said = asyncio.run(said_by_async_sdk(gemini.reply(decision, asked(stream)), stream=stream, size=size))
    assert plain(said) == plain(decision)


@pytest.mark.parametrize("vertex", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_the_address_says_the_model_and_whether_to_stream(vertex, stream):
    seen: list[Any] = []
    models = client_of(gemini.reply(Decision("ok"), asked(stream)), seen=seen, vertex=vertex).models
    list(models.generate_content_stream(model="gemini-3", contents="hi") if stream else [])
    models.generate_content(model="gemini-3", contents="hi") if not stream else None
    wire = WireRequest("POST", str(seen[0].url), {}, seen[0].content)
    assert ("/publishers/google/" in wire.path) is vertex
    assert dialect_of(wire) is gemini
    request = gemini.parse(wire)
    assert (request.stream, request.settings["model"]) == (stream, "gemini-3")
    assert request.settings["alt"] == ("sse" if stream else "json")


@pytest.mark.parametrize(
    ("status", "error"), [(400, errors.ClientError), (429, errors.ClientError), (503, errors.ServerError)]
)
def test_failures_are_the_sdks_own(status, error):
    with pytest.raises(error, match="too much") as caught:
        said_by_sdk(gemini.failure(status, "too much", retry_after=2.0), stream=False)
    assert caught.value.code == status
    assert caught.value.details["error"]["details"][0]["retryDelay"] == "2s"
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


@given(decision=decisions(), size=st.sampled_from([1, 7, -1]))
def test_an_array_of_json_grows_into_the_same_chunks(decision, size):
    """Without alt=sse: whatever has come of the array is no decision until its last object is there."""
    whole = gemini.reply(decision, asked(stream=True, alt="json"))
    assert not whole.is_stream
    assert len(json.loads(whole.body)) == len(whole.chunks) - 1
    for at in range(1, len(whole.chunks) - 1):
        with pytest.raises(WireError):
            gemini.parse_reply(WireReply(200, whole.headers, whole.chunks[:at]))
    assert plain(gemini.parse_reply(WireReply(200, whole.headers, tuple(cut(whole.body, size))))) == plain(decision)


def test_an_error_in_a_stream_is_no_decision():
    for stream in (asked(True), asked(True, "json")):
        whole = gemini.reply(Decision("hello there, this is a longer text"), stream)
        error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
        broken = event(error) if stream.settings["alt"] == "sse" else b"," + json_bytes(error) + b"]"
        with pytest.raises(WireError, match="overloaded"):
            gemini.parse_reply(WireReply(200, whole.headers, (whole.chunks[0], broken)))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        *((reason, "filter") for reason in ("SAFETY", "PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII", 3)),
        *((reason, "unknown") for reason in ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", 5)),
        ("MAX_TOKENS", "length"), (2, "length"), ("STOP", "stop"), (1, "stop"),
    ],
)  # fmt: skip
def test_reasons_of_googles_own_by_name_and_by_number(reason, finish):
    body = {"candidates": [{"finishReason": reason}]}
    assert gemini.parse_reply(WireReply(200, {}, (json_bytes(body),))) == Decision("", (), finish)


def test_thoughts_and_code_that_google_runs_are_not_text():
    parts: list[dict[str, Any]] = [
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {"executableCode": {"code": "1+1", "language": "PYTHON"}},
        {"codeExecutionResult": {"output": "2", "outcome": "OUTCOME_OK"}},
        {"text": "two", "thoughtSignature": "c2ln"},
    ]
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}, {"index": 1, "content": {}}]}
    assert gemini.parse_reply(WireReply(200, {}, (json_bytes(body),))) == Decision("two")
    (message,) = parsed({"contents": [{"role": "model", "parts": parts}]}).messages
    assert all(said in message.text for said in ("hm", "1+1", "OUTCOME_OK", "two"))


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


def parsed(body: dict[str, Any], url: str = URL) -> Request:
    return gemini.parse(WireRequest("POST", url, {}, json_bytes({"contents": []} | body)))


def offered(parameters: Any, key: str = "parameters") -> dict[str, Any]:
    """A tool's parameters as the rest of agentcheck sees them."""
    return parsed({"tools": [{"functionDeclarations": [{"name": "f", key: parameters}]}]}).tools[0].parameters


def takes(schema: dict[str, Any], value: Any) -> bool:
    return Draft202012Validator(schema).is_valid(value)


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "OBJECT", "properties": properties}


@pytest.mark.parametrize(
    ("part", "good", "bad"),
    [
        ({"type": "STRING", "enum": ["a"], "nullable": True}, ["a", None], ["b", 1]),
        ({"type": "INTEGER", "minimum": 1}, [1], [0, None, "1"]),
        ({"type": 3}, [1], ["1"]),
        ({"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}], "nullable": True}, ["a", 1.5, None], [True]),
        ({"any_of": [{"type": "STRING"}, {"type": "NULL"}]}, ["a", None], [1]),
        ({"type": "ARRAY", "items": {"type": "BOOLEAN"}, "min_items": "1", "maxItems": "2"}, [[True]], [[], [1]]),
        ({"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}, [{"type": "a"}], [{}]),
        ({"type": "OBJECT", "additional_properties": {"type": "STRING"}}, [{"a": "b"}], [{"a": 1}]),
    ],
)
def test_googles_schemas_validate_arguments_as_json_schema(part, good, bad):
    schema = offered(object_of(x=part))
    assert gemini.schema_error(schema) is None
    assert [value for value in good if not takes(schema, {"x": value})] == []
    assert [value for value in bad if takes(schema, {"x": value})] == []


def test_references_of_vertex_are_those_of_json_schema():
    schema = offered(object_of(pet={"ref": "#/defs/Pet"}) | {"defs": {"Pet": object_of(name={"type": "STRING"})}})
    assert gemini.schema_error(schema) is None
    assert takes(schema, {"pet": {"name": "Rex"}})
    assert not takes(schema, {"pet": {"name": 1}})


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Box(pydantic.BaseModel):
    size: Size
    tags: list[str] = []
    weight: float | None = None


def pack(box: Box, to: str, times: int = 1, note: str | None = None, notes: list[str] | None = None) -> str:
    """Packs a box."""
    return f"{box}{to}{times}{note}{notes}"


@pytest.mark.parametrize("vertex", [True, False])
def test_what_the_sdk_makes_of_a_function_is_valid(vertex):
    seen: list[Any] = []
    models = client_of(gemini.reply(Decision("ok"), asked()), seen=seen, vertex=vertex).models
    config = types.GenerateContentConfig(tools=[pack], response_mime_type="application/json", response_schema=Box)
    models.generate_content(model="m", contents="hi", config=config)
    request = gemini.parse(WireRequest("POST", str(seen[0].url), {}, seen[0].content))
    schema = request.tools[0].parameters
    assert gemini.schema_error(schema) is None
    assert gemini.schema_error(request.schema) is None
    assert takes(schema, {"box": {"size": "small", "weight": None}, "to": "x", "note": None, "notes": ["a"]})
    assert not takes(schema, {"box": {"size": "huge"}, "to": "x"})


REFUSED = [
    ({"type": "MONEY"}, "MONEY"),
    ({"type": "INTEGER", "exclusiveMinimum": 0}, "exclusiveMinimum"),
    ({"type": "STRING", "const": "a"}, "const"),
    ({"oneOf": [{"type": "STRING"}]}, "oneOf"),
    ({"type": ["string", "null"]}, "nullable"),
    ({"type": "ARRAY"}, "items"),
    ({"type": "OBJECT", "properties": {}, "required": ["a"]}, "required names 'a'"),
    ({"type": "INTEGER", "enum": [1, 2]}, "enum"),
]


@pytest.mark.parametrize(("part", "said"), REFUSED)
def test_what_google_would_refuse_is_found_wrong_after_a_trip_through_a_trace(part, said):
    request = parsed(
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": object_of(deep=object_of(x=part))}]}]}
    )
    again = request_from(json.loads(json.dumps(asdict(request))))
    found = str(gemini.schema_error(again.tools[0].parameters))
    assert said in found
    assert found.startswith("/properties/deep/properties/x")


@pytest.mark.parametrize(("part", "said"), REFUSED[1:])
def test_in_json_schema_the_same_is_allowed(part, said):
    lowered = re.sub(r'"[A-Z]+"', lambda name: name[0].lower(), json.dumps(part))
    schema = offered({"type": "object", "properties": {"x": json.loads(lowered)}}, "parametersJsonSchema")
    assert gemini.schema_error(schema) is None, said


def test_what_is_no_schema_is_found_wrong():
    nonsense: dict[str, Any] = {"type": "OBJECT", "required": [{}], "enum": [[]], "anyOf": {}, "minItems": []}
    for parameters in ("text", [], {"type": "STRING"}, {"type": "OBJECT", "properties": []}, nonsense):
        assert gemini.schema_error(offered(parameters)), parameters
    assert gemini.schema_error(offered(None)) is None


def test_a_schema_nested_without_end_gets_one_sentence():
    deep: dict[str, Any] = {"type": "STRING"}
    for _ in range(400):
        deep = {"type": "ARRAY", "items": deep}
    with pytest.raises(WireError, match="too deeply"):
        offered(object_of(x=deep))


def test_the_schema_of_a_reply_is_json_schema():
    loose = {"responseSchema": object_of(sum={"type": "NUMBER"}), "responseMimeType": "application/json"}
    assert parsed({"generationConfig": loose}).schema == {"type": "object", "properties": {"sum": {"type": "number"}}}
    assert parsed({"generation_config": {"response_json_schema": {"type": "array"}}}).schema == {"type": "array"}


def test_names_in_snake_case_are_read_as_those_in_camel_case():
    request = parsed(
        {
            "system_instruction": {"parts": {"text": "You deploy."}},
            "contents": [
                {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a": 1}, "id": "x"}}]},
                {
                    "role": "user",
                    "parts": [{"function_response": {"name": "f", "id": "x", "response": {"output": "é\n"}}}],
                },
            ],
            "tools": [{"function_declarations": [{"name": "f"}], "google_search": {}}],
            "cached_content": "cachedContents/1",
        }
    )
    call = ToolCall("f", '{"a": 1}', "x")
    assert request.messages == (
        Message("system", "You deploy."), Message("assistant", "", (call,)), Message("tool", "é\n", (), "x"),
    )  # fmt: skip
    assert [(t.name, t.hosted) for t in request.tools] == [("f", False), ("google_search", True)]
    assert kept_elsewhere(request) == "cachedContent"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"mode": "ANY"}, "required"),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, {"type": "function", "name": "f"}),
        ({"mode": "NONE"}, "none"),
        ({}, None),
    ],
)
def test_what_must_be_called_is_said_as_elsewhere(config, said):
    assert parsed({"toolConfig": {"functionCallingConfig": config}}).settings.get("tool_choice") == said


def test_what_else_is_in_a_result_or_a_turn_is_not_hidden():
    answer = {"name": "f", "response": {"error": "no"}, "parts": [{"inlineData": {"mimeType": "image/png"}}]}
    request = parsed({"contents": [{"parts": [{"functionResponse": answer}, {"fileData": {"fileUri": "gs://x"}}]}]})
    result, turn = request.messages
    assert (result.text, result.call_id) == ('{"error": "no"}\n{"inlineData": {"mimeType": "image/png"}}', "f")
    assert "gs://x" in turn.text
    assert "f" in str(unpaired(request))


@pytest.mark.parametrize(("called", "answered"), [("x", None), (None, "x"), ("x", "x"), (None, None)])
def test_a_result_finds_its_call_where_one_of_the_two_has_no_id(called, answered):
    calls = [{"functionCall": {"name": name, "id": called and f"{called}{name}"}} for name in "ab"]
    results = [{"functionResponse": {"name": name, "id": answered and f"{answered}{name}"}} for name in "ba"]
    request = parsed({"contents": [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]})
    assert unpaired(request) is None
    made = request.messages[0].calls
    assert [m.call_id for m in request.messages[1:]] == [made[1].id, made[0].id]


def streamed(*calls: dict[str, Any]) -> WireReply:
    """A stream of these pieces of calls, as Vertex sends them."""
    events = [event({"candidates": [{"content": {"parts": [{"functionCall": call}]}}]}) for call in calls]
    return WireReply(
        200, {"content-type": "text/event-stream"}, (*events, event({"candidates": [{"finishReason": "STOP"}]}))
    )


def piece(path: str, more: bool = True, **value: Any) -> dict[str, Any]:
    return {"partialArgs": [{"jsonPath": path, **value}], "willContinue": more}


def test_arguments_in_pieces_are_put_together():
    reply = streamed(
        {"name": "deploy", "id": "a", "willContinue": True},
        piece("$.tag", stringValue="v1", willContinue=True),
        piece("$.tag", stringValue=".2"),
        piece("$.to[0]['the host']", stringValue="x"),
        piece("$.to[1].port", numberValue=80),
        piece("$.dry", boolValue=False),
        piece("$.note", nullValue="NULL_VALUE"),
        {},
        {"name": "wait", "args": {}},
    )
    first, second = gemini.parse_reply(reply).calls
    assert (first.name, first.id) == ("deploy", "a")
    assert first.parsed() == {"tag": "v1.2", "to": [{"the host": "x"}, {"port": 80}], "dry": False, "note": None}
    assert (second.name, second.parsed()) == ("wait", {})


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([piece("$.tag", stringValue="v1")], "cut off"),
        ([piece("tag", stringValue="v1")], "cannot be followed"),
        ([piece("$.tag..x", stringValue="v1")], "cannot be followed"),
        ([piece("$.a", numberValue=1), piece("$.a.b", numberValue=1)], "no such place"),
        ([piece("$.a[0]", numberValue=1), piece("$.a.b", numberValue=1)], "no such place"),
    ],
)
def test_pieces_that_make_no_arguments_get_one_sentence(calls, said):
    with pytest.raises(WireError, match=said):
        gemini.parse_reply(streamed(*calls))


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
