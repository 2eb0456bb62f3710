"""The Chat Completions dialect against the provider's own SDK, and against the shapes that look-alikes send."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any, cast

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState

from agentcheck.dialects import dialect_of, known, named, openai_chat
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.wire import Dialect, WireError, WireReply, WireRequest

URL = "https://api.openai.com/v1/chat/completions"
ASK = [{"role": "user", "content": "go"}]
FINISH = {"stop": "stop", "tool_calls": "calls", "length": "length", "content_filter": "filter"}

texts = st.text(max_size=60)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
arguments = st.one_of(st.just('{"a": 1}'), st.just('{"a": tr'), texts, st.text(min_size=200, max_size=300))
calls = st.lists(st.builds(ToolCall, names, arguments, names), min_size=1, max_size=3, unique_by=lambda c: c.id)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    made = tuple(draw(calls)) if draw(st.booleans()) else ()
    return Decision(draw(texts), made, draw(st.sampled_from(["calls" if made else "stop", "length", "filter"])))


class _Pieces(httpx2.SyncByteStream):
    def __init__(self, pieces: list[bytes]):
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    """The same bytes in pieces of these sizes, in turn."""
    pieces, at, turn = [], 0, 0
    while at < len(body):
        pieces.append(body[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    return pieces


def client(reply: WireReply, sizes: list[int] | None = None, seen: list[WireRequest] | None = None) -> openai.OpenAI:
    """The real SDK over a transport that gives it this reply, its body cut into pieces of these sizes."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if seen is not None:
            seen.append(WireRequest(request.method, str(request.url), dict(request.headers), request.read()))
        pieces = cut(reply.body, sizes) if sizes else list(reply.chunks)
        return httpx2.Response(reply.status, headers=dict(reply.headers), stream=_Pieces(pieces))

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="dummy", http_client=http, max_retries=0)


def create(client: openai.OpenAI, **body: Any) -> Any:
    return cast(Any, client).chat.completions.create(**{"model": "m", "messages": ASK} | body)


def request(*, stream: bool = False, **body: Any) -> WireRequest:
    return WireRequest("POST", URL, {}, json.dumps({"model": "m", "messages": ASK, "stream": stream} | body).encode())


def canonical(*, stream: bool = False, **body: Any) -> Request:
    return openai_chat.parse(request(stream=stream, **body))


def of_sdk(completion: Any) -> Decision:
    choice = completion.choices[0]
    made = tuple(ToolCall(c.function.name, c.function.arguments, c.id) for c in choice.message.tool_calls or ())
    return Decision(choice.message.content or "", made, FINISH[choice.finish_reason])


# --- replies ---------------------------------------------------------------------------


@given(decisions())
def test_the_sdk_reads_a_json_reply_as_the_same_decision(decision: Decision) -> None:
    reply = openai_chat.reply(decision, canonical())
    completion = create(client(reply))
    assert of_sdk(completion) == decision == openai_chat.parse_reply(reply)
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


@given(decisions(), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.booleans())
@settings(deadline=None)
def test_the_sdk_reads_a_stream_cut_anywhere_as_the_same_decision(
    decision: Decision, sizes: list[int], with_usage: bool
) -> None:
    options = {"include_usage": True} if with_usage else None
    reply = openai_chat.reply(decision, canonical(stream=True, stream_options=options))
    state = ChatCompletionStreamState()
    usages = []
    for chunk in create(client(reply, sizes), stream=True):
        state.handle_chunk(chunk)
        usages += [chunk.usage] if chunk.usage else []
    assert of_sdk(state.current_completion_snapshot) == decision
    assert openai_chat.parse_reply(WireReply(200, {}, tuple(cut(reply.body, sizes)))) == decision
    assert len(usages) == with_usage


def test_one_byte_at_a_time_splits_no_character() -> None:
    decision = Decision("déjà vu 🛰\u2028 done", (ToolCall("deploy", '{"tag": "ü🛰"}', "call_1"),), "calls")
    reply = openai_chat.reply(decision, canonical(stream=True))
    state = ChatCompletionStreamState()
    for chunk in create(client(reply, [1]), stream=True):
        state.handle_chunk(chunk)
    assert of_sdk(state.current_completion_snapshot) == decision


def test_a_stream_is_one_chunk_per_event() -> None:
    reply = openai_chat.reply(Decision("a longer sentence in pieces"), canonical(stream=True))
    assert len(reply.chunks) > 4
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in reply.chunks)


@given(decisions(), st.integers(0, 5000))
def test_a_stream_cut_before_its_end_is_no_decision(decision: Decision, at: int) -> None:
    body = openai_chat.reply(decision, canonical(stream=True)).body
    end = body.index(b'"finish_reason":"')
    with pytest.raises(WireError):
        openai_chat.parse_reply(WireReply(200, {"Content-Type": "text/event-stream"}, (body[: min(at, end)],)))


def test_calls_without_an_id_get_one_that_no_other_reply_has() -> None:
    decision = Decision(calls=(ToolCall("a"), ToolCall("a")), finish="calls")
    replies = [openai_chat.parse_reply(openai_chat.reply(decision, canonical())) for _ in range(3)]
    assert len({call.id for reply in replies for call in reply.calls}) == 6


@pytest.mark.parametrize("stream", [False, True])
def test_the_finish_reason_follows_the_calls(stream: bool) -> None:
    reply = openai_chat.reply(Decision(calls=(ToolCall("a"),)), canonical(stream=stream))
    assert b'"finish_reason":"tool_calls"' in reply.body
    assert openai_chat.parse_reply(reply).finish == "calls"


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_that_offers_legacy_functions_gets_a_function_call(stream: bool) -> None:
    asked = canonical(stream=stream, functions=[{"name": "deploy", "parameters": {"type": "object"}}])
    decision = Decision(calls=(ToolCall("deploy", '{"tag": "v1.2.3 of the backend"}'),), finish="calls")
    reply = openai_chat.reply(decision, asked)
    assert b'"function_call"' in reply.body
    assert b'"tool_calls"' not in reply.body
    assert openai_chat.parse_reply(reply) == decision
    with pytest.raises(WireError, match="one call"):
        openai_chat.reply(Decision(calls=(ToolCall("a"), ToolCall("b"))), asked)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_the_sdk_raises_its_own_error_for_a_failure(status: int, expected: type[openai.APIStatusError]) -> None:
    reply = openai_chat.failure(status, "no luck today", retry_after=1.5)
    with pytest.raises(expected, match="no luck today") as caught:
        create(client(reply))
    assert caught.value.response.headers["Retry-After"] == "1.5"
    with pytest.raises(WireError, match=f"answered {status}"):
        openai_chat.parse_reply(reply)


PIECES: list[tuple[str, list[dict[str, Any]]]] = [
    ("no index", [{"id": "1", "function": {"name": "a", "arguments": "{"}}, {"function": {"arguments": "}"}}]),
    ("name and id again", [{"index": 0, "id": "1", "function": {"name": "a", "arguments": x}} for x in "{}"]),
    ("arguments as an object", [{"index": 0, "id": "1", "function": {"name": "a", "arguments": {}}}]),
]


@pytest.mark.parametrize(("label", "pieces"), PIECES)
def test_streamed_calls_of_look_alikes_come_together(label: str, pieces: list[dict[str, Any]]) -> None:
    assert streamed(*pieces) == (ToolCall("a", "{}", "1"),)


def test_two_calls_that_are_both_numbered_nought_are_two() -> None:
    pieces = [{"index": 0, "id": i, "function": {"name": "a", "arguments": "{}"}} for i in ("1", "2")]
    assert streamed(*pieces) == (ToolCall("a", "{}", "1"), ToolCall("a", "{}", "2"))


def test_a_call_said_in_both_forms_is_one() -> None:
    """As llama-cpp-python 0.3.36 replies, streamed or not."""
    call = {"index": 0, "id": "1", "function": {"name": "a", "arguments": "{}"}}
    both = {"tool_calls": [call], "function_call": call["function"]}
    whole = json.dumps({"choices": [{"message": both, "finish_reason": "tool_calls"}]}).encode()
    event = json.dumps({"choices": [{"delta": both, "finish_reason": "tool_calls"}]}).encode()
    for body in (whole, b"data: " + event + b"\n\n"):
        assert openai_chat.parse_reply(WireReply(200, {}, (body,))).calls == (ToolCall("a", "{}", "1"),)
    assert canonical(messages=[{"role": "assistant", **both}]).messages[0].calls == (ToolCall("a", "{}", "1"),)


def streamed(*pieces: dict[str, Any]) -> tuple[ToolCall, ...]:
    choices = [{"delta": {"tool_calls": [piece]}} for piece in pieces] + [{"delta": {}, "finish_reason": "stop"}]
    events = tuple(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\r\n\r\n" for choice in choices)
    decision = openai_chat.parse_reply(WireReply(200, {}, (b": keep-alive\r\n\r\n", *events)))
    assert decision.finish == "calls"
    return decision.calls


BROKEN_REPLIES = [
    (b"<html>", "not JSON"),
    (b"[]", "not an object"),
    (b"{}", "without a message"),
    (b'{"choices": [{"message": null}]}', "without a message"),
    (b'{"choices": [{"message": {"tool_calls": ["x"]}}]}', "list of objects"),
    (b'data: {"error": {"message": "overloaded"}}\n\n', "overloaded"),
    (b'data: {"choices": [{"del\n\n', "not JSON"),
    (b"[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("body", "sentence"), BROKEN_REPLIES)
def test_a_broken_reply_is_refused_in_one_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence) as caught:
        openai_chat.parse_reply(WireReply(200, {}, (body,)))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


# --- requests --------------------------------------------------------------------------

TOOL = {
    "type": "function",
    "function": {"name": "deploy", "description": "Deploys.", "parameters": {"type": "object", "properties": {}}},
}


@given(decisions(), texts, st.booleans())
@settings(deadline=None)
def test_what_the_sdk_sends_parses_to_what_was_said(decision: Decision, result: str, stream: bool) -> None:
    """Also: a decision, put back into the history as the SDK gave it, is read as the same calls."""
    first = create(client(openai_chat.reply(decision, canonical())))
    results = [{"role": "tool", "tool_call_id": call.id, "content": result} for call in decision.calls]
    history = [{"role": "developer", "content": "be good"}, *ASK, first.choices[0].message, *results]
    seen: list[WireRequest] = []
    reply = openai_chat.reply(Decision("done"), canonical(stream=stream))
    create(client(reply, seen=seen), messages=history, tools=[TOOL], temperature=0.5, stream=stream)
    dialect = dialect_of(seen[0])
    assert dialect is not None
    assert dialect.parse(seen[0]) == Request(
        "openai-chat",
        (
            Message("system", "be good"),
            Message("user", "go"),
            Message("assistant", decision.text, decision.calls),
            *(Message("tool", result, call_id=call.id) for call in decision.calls),
        ),
        (ToolSpec("deploy", "Deploys.", {"type": "object", "properties": {}}),),
        {"model": "m", "temperature": 0.5},
        None,
        stream,
    )


def test_structured_output_is_the_schema_of_the_request() -> None:
    schema = {"type": "object", "properties": {"intent": {"type": "string"}}}
    openai_form = {"type": "json_schema", "json_schema": {"name": "step", "schema": schema}}
    assert canonical(response_format=openai_form).schema == schema
    assert canonical(response_format={"type": "json_object", "schema": schema}).schema == schema
    assert canonical(response_format={"type": "json_object"}).schema is None


def test_content_in_every_shape_is_read() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [{"type": "text", "text": "look"}, image, {"type": "refusal", "refusal": "no"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}, {"role": "assistant"}]
    read = canonical(messages=messages).messages
    assert read[0].text == f"look\n{json.dumps(image)}\nno"
    assert [m.text for m in read[1:]] == ["", ""]


def test_legacy_calls_and_results_find_each_other() -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}
    result = {"role": "function", "name": "f", "content": "ok"}
    read = canonical(messages=[*ASK, call, result, call, result, result]).messages
    ids = [m.calls[0].id for m in read if m.calls]
    assert all(ids)
    assert len(set(ids)) == 2
    assert [m.call_id for m in read if m.role == "tool"] == [*ids, "f"]
    assert read[1].calls[0].arguments == '{"a":1}'


def test_tools_in_every_shape_are_read() -> None:
    flat = {"type": "function", "name": "flat", "parameters": {"type": "object"}}
    hosted = {"type": "web_search", "max_uses": 3}
    custom = {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}
    tools = canonical(tools=[TOOL, flat, hosted, custom], functions=[{"name": "old"}]).tools
    assert [(t.name, t.hosted) for t in tools] == [
        ("deploy", False), ("flat", False), ("web_search", True), ("shell", True), ("old", False)
    ]  # fmt: skip


def test_arguments_stay_as_the_model_wrote_them() -> None:
    sent = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": a}} for a in ("{ 'a' :1}", {"a": 1})]
    sent.append({"id": "2", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}})
    read = canonical(messages=[{"role": "assistant", "tool_calls": sent}]).messages[0].calls
    assert [c.arguments for c in read] == ["{ 'a' :1}", '{"a": 1}', "ls -l"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"messages": "hello"}, "list of objects"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "role 'wizard'; the roles are"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "message 0 has role"),
        ({"tools": {"a": 1}}, "'tools'"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "names no function"),
    ],
)
def test_a_broken_request_is_refused_in_one_sentence(body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        canonical(**body)


FIELDS = """
    messages role content tool_calls function_call function name arguments id type text tools functions stream
    response_format json_schema schema choices delta message index custom error tool_call_id
""".split()  # noqa: SIM905  a table
junk = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["user", "tool", "assistant", "function", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(FIELDS), junk, max_size=5), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_is_read_or_refused(body: dict[str, Any], stream: bool) -> None:
    asked = canonical()
    with contextlib.suppress(WireError):
        asked = canonical(**body)
    assert openai_chat.reply(Decision("x"), asked).status == 200
    raw = json.dumps(body).encode()
    with contextlib.suppress(WireError):
        decision = openai_chat.parse_reply(WireReply(200, {}, (b"data: %s\n\n" % raw if stream else raw,)))
        assert decision.finish in ("stop", "calls", "length", "filter")


def test_the_messages_are_printed_as_they_were_sent() -> None:
    sent = [{"role": "user", "content": "ü", "name": "x"}, {"role": "user", "content": [{"type": "text", "text": "y"}]}]
    printed = openai_chat.messages_json(request(messages=sent))
    assert json.loads(printed) == sent
    assert "ü" in printed
    assert printed.count("\n") > 5


# --- recognition and schemas -----------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        (URL, b'{"messages": []}', "openai-chat"),
        ("http://127.0.0.1:8000/api/v1/chat/completions?x=1", b'{"messages": []}', "openai-chat"),
        ("https://x.azure.com/openai/deployments/d/chat/completions?api-version=1", b'{"messages": []}', "openai-chat"),
        (URL, b'{"prompt": "x"}', None),
        (URL, b"not json", None),
        ("https://api.openai.com/v1/embeddings", b'{"messages": []}', None),
    ],
)  # fmt: skip
def test_a_model_call_is_known_by_its_path_and_body(url: str, body: bytes, expected: str | None) -> None:
    found = dialect_of(WireRequest("POST", url, {}, body))
    assert (found and found.name) == expected


def test_every_known_dialect_has_the_shape_of_one_and_a_name_of_its_own() -> None:
    assert all(isinstance(dialect, Dialect) for dialect in known())
    assert [named(dialect.name) for dialect in known()] == list(known())
    with pytest.raises(WireError, match="the dialects are openai-chat"):
        named("telegraph")


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ({"type": "object", "properties": {"amount": {"type": "money"}}}, "/properties/amount/type: 'money'"),
        ({"type": "object", "properties": ["a"]}, "/properties"),
        ({"type": "object", "properties": {"a": {"anyOf": []}}}, "/properties/a/anyOf"),
        ({"type": "array", "items": {}}, "top level"),
        ({"properties": {"a": {"type": "string"}}}, "found None"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/Gone"}}}, "Gone"),
    ],
)
def test_an_invalid_schema_is_named(schema: dict[str, Any], sentence: str) -> None:
    assert sentence in (openai_chat.schema_error(schema) or "valid")


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": ["string", "null"], "default": {"$ref": "#/x"}}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A~1B"}}, "$defs": {"A/B": {"type": "integer"}}},
        {"type": "object", "properties": {"default": {"type": "string"}, "type": {"enum": ["money"]}}},
    ],
)
def test_a_valid_schema_is_accepted(schema: dict[str, Any]) -> None:
    assert openai_chat.schema_error(schema) is None
