"""Anthropic Messages: read, written, and read by Anthropic's own SDK, over what we write and what Anthropic sent."""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import anthropic as sdk
import httpx2
import pytest
from anthropic.types import Message as SdkMessage
from anthropic.types import RawMessageStreamEvent
from decisions import WORDS, decisions, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sdks import transport
from test_dialect_recordings import SHARED, exchanges

from agentcheck.dialects import anthropic, dialect_of, side_request
from agentcheck.dialects.fine_grained import BETA, EAGER
from agentcheck.dialects.reading import UNKNOWN
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.window import unpaired
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, json_bytes

URL = "https://api.anthropic.com/v1/messages"
ASK: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
FINISH = {
    "end_turn": "stop", "tool_use": "calls", "max_tokens": "length", "refusal": "filter", UNKNOWN: "unknown",
}  # fmt: skip
SIZES = st.sampled_from([0, 1, 2, 7, -1, -2, -3])


def asked(stream: bool = False, eager: tuple[str, ...] = ()) -> Request:
    settings = {"model": "claude-sonnet-4-5", EAGER: eager}
    return Request("anthropic", (Message("user", "hi"),), settings=settings, stream=stream)


def request(url: str = URL, headers: dict[str, str] | None = None, **body: Any) -> WireRequest:
    return WireRequest("POST", url, headers or {}, json_bytes({**ASK, **body}))


def read(**body: Any) -> Request:
    return anthropic.parse(request(**body))


def client_of(reply: WireReply, size: int = 0, seen: list[Any] | None = None) -> sdk.Anthropic:
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    return sdk.Anthropic(api_key="x", max_retries=0, http_client=http)


def wire_of(sent: httpx2.Request) -> WireRequest:
    return WireRequest(sent.method, str(sent.url), dict(sent.headers), sent.content)


# --- what the SDK reads ----------------------------------------------------------------


def by_helper(reply: WireReply, *, stream: bool, size: int = 0) -> Decision:
    """The decision as a user gets it who lets the SDK put streams together."""
    client = client_of(reply, size)
    if not stream:
        return decided(client.messages.create(**ASK))
    with client.messages.stream(**ASK) as events:
        heard = "".join(events.text_stream)
        final = decided(events.get_final_message())
    assert heard == final.text
    return final


def by_events(reply: WireReply, size: int = 0) -> Decision:
    """The decision of a stream as a user gets it who puts it together by hand, arguments as text."""
    blocks, pieces, reason = dict[int, Any](), dict[int, str](), ""
    for event in client_of(reply, size).messages.create(**ASK, stream=True):
        match event.type:
            case "content_block_start":
                blocks[event.index], pieces[event.index] = event.content_block, ""
            case "content_block_delta":
                pieces[event.index] += getattr(event.delta, "text", "") or getattr(event.delta, "partial_json", "")
            case "message_delta":
                reason = str(event.delta.stop_reason)
    uses = [(block, pieces[at]) for at, block in blocks.items() if block.type == "tool_use"]
    calls = tuple(ToolCall(block.name, said or json.dumps(block.input), block.id) for block, said in uses)
    text = "".join(pieces[at] for at, block in blocks.items() if block.type == "text")
    return Decision(text, calls, finish_of(reason, calls))


def decided(message: SdkMessage) -> Decision:
    calls = tuple(ToolCall(b.name, json.dumps(b.input), b.id) for b in message.content if b.type == "tool_use")
    text = "".join(b.text for b in message.content if b.type == "text")
    return Decision(text, calls, finish_of(str(message.stop_reason), calls))


def finish_of(reason: str, calls: tuple[ToolCall, ...]) -> str:
    finish = FINISH[reason]
    return ("calls" if calls else "stop") if finish in ("stop", "calls") else finish


def same(one: Decision, other: Decision) -> bool:
    return plain(one) == plain(other) and [c.id for c in one.calls] == [c.id for c in other.calls]


# --- what we write ---------------------------------------------------------------------

RAW = st.one_of(st.just('{"a": tr'), st.just("[1]"), st.just('"x"'), WORDS.filter(bool), st.just('{"a":  1}'))
RAW_CALLS = st.lists(st.builds(ToolCall, st.just("deploy"), RAW, st.sampled_from(["a", "b"])), max_size=3)
FINISHES = st.sampled_from(["length", "filter", "unknown", "calls"])


@settings(deadline=None)
@given(decision=decisions(), stream=st.booleans())
def test_what_is_written_is_read_back(decision, stream):
    assert same(anthropic.parse_reply(anthropic.reply(decision, asked(stream))), decision)


@settings(max_examples=40, deadline=None)
@given(decision=decisions(), stream=st.booleans(), size=SIZES)
def test_the_sdk_reads_the_same_decision(decision, stream, size):
    assert same(by_helper(anthropic.reply(decision, asked(stream)), stream=stream, size=size), decision)


@settings(max_examples=60, deadline=None)
@given(text=WORDS, calls=RAW_CALLS, finish=FINISHES, size=SIZES)
def test_whatever_a_model_does_arrives_in_a_stream_that_is_not_checked(text, calls, finish, size):
    """Malformed arguments, two calls of one id, every reason of an end."""
    decision = Decision(text, tuple(calls), finish if calls or finish != "calls" else "stop")
    reply = anthropic.reply(decision, asked(stream=True, eager=("deploy",)))
    assert by_events(reply, size) == decision == anthropic.parse_reply(reply)


def test_one_byte_at_a_time_splits_no_character():
    decision = Decision("déjà vu 🛰\u2028 done", (ToolCall("deploy", '{"tag": "ü🛰"}', "a"),), "calls")
    assert by_events(anthropic.reply(decision, asked(stream=True)), 1) == decision


@settings(deadline=None)
@given(decision=decisions())
def test_a_reply_has_all_that_the_sdk_insists_on(decision):
    """The SDK's own models, which it does not enforce itself, but stricter clients do."""
    message = SdkMessage.model_validate_json(anthropic.reply(decision, asked()).body)
    events = TypeAdapter[Any](RawMessageStreamEvent)
    chunks = anthropic.reply(decision, asked(stream=True)).chunks
    kinds = [name_of(c) for c in chunks]
    read = [events.validate_json(c.partition(b"data: ")[2]) for c, kind in zip(chunks, kinds, strict=True)
            if kind != "ping"]  # fmt: skip
    assert [event.type for event in read] == [kind for kind in kinds if kind != "ping"]
    assert read[-2].usage.output_tokens == message.usage.output_tokens
    assert read[0].message.usage.input_tokens == message.usage.input_tokens > 0


def name_of(chunk: bytes) -> str:
    return chunk.split(b"\n")[0].removeprefix(b"event: ").decode()


def test_the_events_come_in_anthropics_order():
    calls = (ToolCall("a", '{"x": 1}', "1"), ToolCall("b", "{}", "2"))
    chunks = anthropic.reply(Decision("hello", calls, "calls"), asked(stream=True)).chunks
    assert all(c.endswith(b"\n\n") and c.count(b"\n\n") == 1 for c in chunks)
    shape = re.sub(r"(content_block_delta )+", "… ", " ".join(map(name_of, chunks)))
    block = "content_block_start … content_block_stop "
    assert shape == f"message_start ping {block * 3}message_delta message_stop"


def test_the_asynchronous_client_reads_it_too():
    decision = Decision("one", (ToolCall("deploy", '{"tag": "v1"}', "a"),), "calls")
    reply = anthropic.reply(decision, asked(stream=True))

    async def said() -> SdkMessage:
        http = httpx2.AsyncClient(transport=transport(httpx2, reply, size=3))
        async with sdk.AsyncAnthropic(api_key="x", http_client=http) as client, client.messages.stream(**ASK) as events:
            return await events.get_final_message()

    assert same(decided(asyncio.run(said())), decision)


def test_calls_without_an_id_get_one_that_no_other_has():
    decision = Decision(calls=(ToolCall("a"), ToolCall("a")), finish="calls")
    replies = [anthropic.parse_reply(anthropic.reply(decision, asked(stream))) for stream in (True, False, True)]
    assert len({call.id for reply in replies for call in reply.calls}) == 6


NO_OBJECTS = ['{"tag": "v1', "[1]", '"{}"', "NaN", '{"a": Infinity}', "null"]


def of_broken(arguments: str, finish: str = "calls") -> Decision:
    return Decision("", (ToolCall("deploy", arguments, "a"),), finish)


@pytest.mark.parametrize("arguments", NO_OBJECTS)
def test_what_is_no_object_arrives_in_a_stream_that_is_not_checked_only(arguments):
    broken = of_broken(arguments)
    for stream, eager in ((False, ()), (False, ("deploy",)), (True, ()), (True, ("look",))):
        with pytest.raises(Uncarriable, match=r"malformed|cannot arrive"):
            anthropic.reply(broken, asked(stream, eager))
    with pytest.raises(Uncarriable, match="cannot arrive unless the request asks for fine-grained tool streaming"):
        anthropic.reply(broken, asked(stream=True))
    assert anthropic.parse_reply(anthropic.reply(broken, asked(stream=True, eager=("deploy",)))) == broken


@pytest.mark.parametrize("arguments", ['{"tag": "v1', '{"tag"', "{"])
def test_the_length_limit_leaves_the_last_call_of_any_stream_unfinished(arguments):
    cut = of_broken(arguments, "length")
    assert anthropic.parse_reply(anthropic.reply(cut, asked(stream=True))) == cut
    with pytest.raises(Uncarriable, match="malformed"):
        anthropic.reply(Decision("", (*cut.calls, ToolCall("look", "{}", "b")), "length"), asked(stream=True))
    with pytest.raises(Uncarriable, match="malformed"):
        anthropic.reply(of_broken(arguments, "filter"), asked(stream=True))


def test_what_is_malformed_in_a_checked_stream_would_be_repaired_by_the_sdk():
    """Which no agent is to be blamed for: it cannot come about."""
    reply = anthropic.reply(of_broken('{"tag": "v1", "environment": "prod'), asked(stream=True, eager=("deploy",)))
    assert by_helper(reply, stream=True).calls[0].parsed() == {"tag": "v1"}


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
@pytest.mark.parametrize("stream", [True, False])
def test_every_finish_is_read_back(finish, stream):
    decision = Decision("half of a sent", (), finish)
    assert anthropic.parse_reply(anthropic.reply(decision, asked(stream))) == decision
    assert by_helper(anthropic.reply(decision, asked(stream)), stream=stream) == decision


@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_says_so_where_the_sdk_looks(stream):
    reply = anthropic.reply(Decision("", (), "filter"), asked(stream))
    client = client_of(reply)
    if stream:
        with client.messages.stream(**ASK) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**ASK)
    assert message.stop_reason == message.stop_details.type == "refusal"


def test_a_finish_that_is_none_is_named():
    with pytest.raises(Uncarriable, match="no reason for an end by 'bored'"):
        anthropic.reply(Decision("x", (), "bored"), asked())


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [(400, sdk.BadRequestError, "invalid_request_error"), (401, sdk.AuthenticationError, "authentication_error"),
     (403, sdk.PermissionDeniedError, "permission_error"), (404, sdk.NotFoundError, "not_found_error"),
     (413, sdk.ContentTooLargeError, "request_too_large"), (422, sdk.UnprocessableEntityError, "invalid_request_error"),
     (429, sdk.RateLimitError, "rate_limit_error"), (500, sdk.InternalServerError, "api_error"),
     (503, sdk.ServiceUnavailableError, "api_error"), (504, sdk.GatewayTimeoutError, "timeout_error"),
     (529, sdk.OverloadedError, "overloaded_error")],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False])
def test_failures_are_the_sdks_own(status, error, kind, stream):
    reply = anthropic.failure(status, "too much", retry_after=2.0)
    with pytest.raises(error, match="too much") as caught:
        by_helper(reply, stream=stream)
    assert caught.value.type == kind
    assert caught.value.response.headers["retry-after"] == "2"
    with pytest.raises(WireError, match=f"answered {status}"):
        anthropic.parse_reply(reply)


# --- replies that are none -------------------------------------------------------------


@settings(deadline=None)
@given(decision=decisions(), at=st.integers(0, 20_000))
def test_a_stream_cut_anywhere_is_no_decision(decision, at):
    whole = anthropic.reply(decision, asked(stream=True))
    end = whole.body.rindex(b'{"type":"message_stop"}')
    with pytest.raises(WireError, match=r"cut off|not JSON"):
        anthropic.parse_reply(WireReply(200, whole.headers, (whole.body[: min(at, end)],)))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n', "overloaded_error"),
        (b'data: {"type": "content_block_delta", "index": [], "delta": {}}\n\n', "never began"),
        (b'{"type": "error", "error": {"type": "api_error", "message": "Oh"}}', "api_error"),
        (b"<html>", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "without content"),
        (b'{"content": "hi", "stop_reason": "end_turn"}', "list of objects"),
        (b'{"choices": []}', "without content"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_reply_gets_one_sentence(body, sentence):
    with pytest.raises(WireError, match=sentence) as caught:
        anthropic.parse_reply(WireReply(200, {}, (body,)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "filter"),
     ("pause_turn", "stop"), ("model_context_window_exceeded", "length"), ("tired", "unknown")],
)  # fmt: skip
def test_every_reason_is_understood(reason, finish):
    body = {"content": [{"type": "text", "text": "x"}], "stop_reason": reason}
    assert anthropic.parse_reply(WireReply(200, {}, (json_bytes(body),))).finish == finish


def test_only_what_is_said_is_text_and_only_what_the_client_runs_is_a_call():
    body = {
        "stop_reason": "end_turn",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
            {"type": "text", "text": "Found", "citations": []},
            {"type": "text", "text": " it."},
        ],
    }
    assert anthropic.parse_reply(WireReply(200, {}, (json_bytes(body),))) == Decision("Found it.")


def test_thinking_in_a_stream_is_not_text():
    events: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "Do"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ne"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    assert anthropic.parse_reply(streamed(events)) == Decision("Done")


def streamed(events: Iterable[dict[str, Any]]) -> WireReply:
    return WireReply(200, {}, tuple(b"data: %s\r\n\r\n" % json_bytes(event) for event in events))


# --- requests --------------------------------------------------------------------------

TOOLS: list[Any] = [
    {"name": "deploy", "description": "Deploys.", "input_schema": {"type": "object", "properties": {}}},
    {"type": "web_search_20250305", "name": "web_search"},
]


@settings(max_examples=40, deadline=None)
@given(decision=decisions(), result=WORDS, failed=st.booleans(), stream=st.booleans())
def test_what_the_sdk_sends_parses_to_what_was_said(decision, result, failed, stream):
    """Also: a decision, put back into the history as the SDK gave it, is read as the same calls."""
    first = client_of(anthropic.reply(decision, asked())).messages.create(**ASK)
    results = [
        {"type": "tool_result", "tool_use_id": c.id, "is_error": failed, "content": [{"type": "text", "text": result}]}
        for c in decision.calls
    ]
    seen: list[Any] = []
    body: Any = {
        "system": [{"type": "text", "text": "You deploy.", "cache_control": {"type": "ephemeral"}}],
        "tools": TOOLS,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "messages": [
            *ASK["messages"],
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [*results, {"type": "text", "text": "and now?"}]},
        ],
    }
    client_of(anthropic.reply(Decision("ok"), asked(stream)), seen=seen).messages.create(
        **{**ASK, **body}, stream=stream
    )
    assert dialect_of(wire_of(seen[0])) is anthropic
    found = anthropic.parse(wire_of(seen[0]))
    texts = [(m.role, m.text, [(c.name, c.parsed(), c.id) for c in m.calls], m.call_id) for m in found.messages]
    assert texts == [
        ("system", "You deploy.", [], None),
        ("user", "hi", [], None),
        ("assistant", decision.text, [(c.name, c.parsed(), c.id) for c in decision.calls], None),
        *[("tool", result, [], c.id) for c in decision.calls],
        ("user", "and now?", [], None),
    ]
    assert unpaired(found) is None
    assert found.tools == (
        ToolSpec("deploy", "Deploys.", {"type": "object", "properties": {}}),
        ToolSpec("web_search", hosted=True),
    )
    assert (found.settings["model"], found.settings["parallel_tool_calls"]) == ("m", False)
    assert (found.stream, found.schema) == (stream, None)


FLAGGED: dict[str, Any] = TOOLS[0] | {"eager_input_streaming": True}
BUFFERED: dict[str, Any] = TOOLS[0] | {"name": "look", "eager_input_streaming": False}
UNSAID: dict[str, Any] = TOOLS[0] | {"name": "wait", "eager_input_streaming": None}


@pytest.mark.parametrize(
    ("betas", "eager"),
    [("", ["deploy"]), (BETA, ["deploy", "wait"]), (f"x-2025-01-01, {BETA}", ["deploy", "wait"]),
     (f"{BETA}-not", ["deploy"])],
)  # fmt: skip
def test_fine_grained_streaming_is_asked_for_by_a_header_or_by_a_tool_which_has_the_last_word(betas, eager):
    tools = [FLAGGED, BUFFERED, UNSAID]
    found = anthropic.parse(request(headers={"Anthropic-Beta": betas}, tools=tools, stream=True))
    assert found.settings[EAGER] == eager
    assert read(tools=tools, anthropic_beta=[betas]).settings[EAGER] == eager  # as Bedrock and Vertex take it


@pytest.mark.parametrize("tools", [[], [UNSAID], [BUFFERED], TOOLS])
def test_where_nothing_asks_for_fine_grained_streaming_nothing_is_said_of_it(tools):
    assert EAGER not in read(tools=tools, stream=True, **{EAGER: ["deploy"]}).settings


@pytest.mark.parametrize("way", ["header", "betas", "vertex", "flag"])
def test_the_sdk_asks_for_fine_grained_streaming_in_every_way_that_it_has(way):
    seen: list[Any] = []
    reply = anthropic.reply(Decision("ok"), asked(stream=True))
    http = httpx2.Client(transport=transport(httpx2, reply, seen=seen))
    vertex = sdk.AnthropicVertex(region="us-east5", project_id="p", access_token="x", http_client=http)
    client = client_of(reply, seen=seen)
    body: Any = {**ASK, "stream": True, "tools": [UNSAID]}
    match way:
        case "header":
            client.messages.create(**body, extra_headers={"anthropic-beta": BETA})
        case "betas":
            client.beta.messages.create(**body, betas=["context-1m-2025-08-07", BETA])
        case "vertex":
            vertex.beta.messages.create(**body, betas=[BETA])
        case "flag":
            client.messages.create(**{**body, "tools": [FLAGGED | {"name": "wait"}]})
    assert dialect_of(wire_of(seen[0])) is anthropic
    assert anthropic.parse(wire_of(seen[0])).settings[EAGER] == ["wait"]


def test_what_the_sdk_sends_for_structured_output_is_the_schema():
    schema = {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]}
    form: Any = {"type": "json_schema", "schema": schema}
    seen: list[Any] = []
    client = client_of(anthropic.reply(Decision('{"tag": "v1"}'), asked()), seen=seen)
    client.messages.create(**ASK, output_config={"format": form})
    assert anthropic.parse(wire_of(seen[0])).schema == schema
    assert read(output_format=form).schema == schema  # as its beta has it
    assert read(output_config={"effort": "low"}).schema is None


@pytest.mark.parametrize("stream", [True, False])
def test_on_vertex_the_model_and_the_stream_are_in_the_address(stream):
    seen: list[Any] = []
    decision = Decision("one", (ToolCall("deploy", '{"tag": "v1"}', "a"),), "calls")
    http = httpx2.Client(transport=transport(httpx2, anthropic.reply(decision, asked(stream)), seen=seen))
    client = sdk.AnthropicVertex(region="us-east5", project_id="p", access_token="x", http_client=http)
    answer = client.messages.create(**ASK | {"model": "claude-sonnet-4@20250514"}, stream=stream)
    if not stream:
        assert same(decided(answer), decision)
    wire = wire_of(seen[0])
    assert b'"model"' not in wire.body
    assert dialect_of(wire) is anthropic
    found = anthropic.parse(wire)
    assert (found.settings["model"], found.stream) == ("claude-sonnet-4@20250514", stream)
    bare = {key: value for key, value in json.loads(wire.body).items() if key != "stream"}
    quoted = anthropic.parse(WireRequest("POST", wire.url.replace("@", "%40"), {}, json_bytes(bare)))
    assert (quoted.settings["model"], quoted.stream) == ("claude-sonnet-4@20250514", stream)


def test_on_vertex_what_is_no_call_of_claude_is_not_taken():
    seen: list[Any] = []
    http = httpx2.Client(transport=transport(httpx2, WireReply(200, {}, (b'{"input_tokens": 3}',)), seen=seen))
    client = sdk.AnthropicVertex(region="us-east5", project_id="p", access_token="x", http_client=http)
    assert client.messages.count_tokens(model="m", messages=ASK["messages"]).input_tokens == 3
    assert dialect_of(wire_of(seen[0])) is None
    assert side_request(wire_of(seen[0])) == "a count of tokens"
    other = request("https://x.googleapis.com/v1/projects/p/locations/l/publishers/mistralai/models/large:rawPredict")
    assert dialect_of(other) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("plain", [("user", "plain")]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], [("user", "a\nb")]),
        ([], [("user", "")]),
        ([{"type": "image", "source": {"type": "url", "url": "u"}}],
         [("user", '{"type": "image", "source": {"type": "url", "url": "u"}}')]),
        ([{"type": "tool_result", "tool_use_id": "1"}], [("tool", "")]),
        ([{"type": "tool_result", "tool_use_id": "1", "content": ""}], [("tool", "")]),
        ([{"type": "tool_result", "tool_use_id": "1", "content": "x", "is_error": True}], [("tool", "x")]),
        ([{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "tool_reference", "tool_name": "t"}]}],
         [("tool", '{"type": "tool_reference", "tool_name": "t"}')]),
        ([{"type": "text", "text": "also"}, {"type": "tool_result", "tool_use_id": "1", "content": "x"},
          {"type": "tool_result", "tool_use_id": "2", "content": "y"}],
         [("tool", "x"), ("tool", "y"), ("user", "also")]),
    ],
)  # fmt: skip
def test_content_in_every_shape_is_read(content, expected):
    messages = read(messages=[{"role": "user", "content": content}]).messages
    assert [(m.role, m.text) for m in messages] == expected
    assert [m.call_id for m in messages if m.role == "tool"] == ["1", "2"][: sum(r == "tool" for r, _ in expected)]


def test_nothing_that_an_assistant_message_holds_is_hidden():
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "Searching."},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        {"type": "tool_use", "id": "t1", "name": "deploy", "input": {"tag": "ü"}},
    ]
    (message,) = read(messages=[{"role": "assistant", "content": blocks}]).messages
    lines = message.text.split("\n")
    assert lines.pop(1) == "Searching."
    assert [json.loads(line) for line in lines] == [blocks[0], *blocks[2:4]]
    assert message.calls == (ToolCall("deploy", '{"tag": "ü"}', "t1"),)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ({"name": "a", "input_schema": {"type": "object"}}, ToolSpec("a", "", {"type": "object"})),
        ({"name": "a", "type": "custom", "description": "A.", "input_schema": {}}, ToolSpec("a", "A.")),
        ({"name": "a"}, ToolSpec("a")),
        ({"name": "bash", "type": "bash_20250124"}, ToolSpec("bash", hosted=True)),
        ({"type": "mcp_toolset", "mcp_server_name": "ops"}, ToolSpec("mcp_toolset", hosted=True)),
    ],
)
def test_tools_in_every_shape_are_read(tool, expected):
    assert read(tools=[tool]).tools == (expected,)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "role 'robot'; the roles"),
        ({"messages": [{"content": "x"}]}, "role None"),
        ({"messages": "x"}, "'messages' in Anthropic's Messages must be a list of objects"),
        ({"messages": ["x"]}, "must be a list of objects"),
        ({"tools": [{"input_schema": {}}]}, "no name"),
        ({"tools": {"a": 1}}, "'tools'"),
    ],
)
def test_what_is_no_request_gets_one_sentence(body, sentence):
    with pytest.raises(WireError, match=sentence) as caught:
        read(**body)
    assert "\n" not in str(caught.value)


FIELDS = ["messages", "system", "tools", "tool_choice", "output_config", "content", "role", "type", "index", "delta",
          "stop_reason", "stream", "error"]  # fmt: skip
KINDS = ["user", "assistant", "tool_use", "tool_result", "text", "content_block_start", "content_block_delta",
         "message_delta", "message_stop", "text_delta"]  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=20,
)


@given(body=st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=5), events=st.lists(JUNK, max_size=4))
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_is_read_or_refused(body, events):
    found = asked()
    with contextlib.suppress(WireError):
        found = read(**body)
    assert anthropic.reply(Decision("x"), found).status == 200
    for reply in (WireReply(200, {}, (json_bytes(body),)), streamed([*events, body, {"type": "message_stop"}])):
        with contextlib.suppress(WireError):
            assert anthropic.parse_reply(reply).finish in ("stop", "calls", "length", "filter", "unknown")


@pytest.mark.parametrize(("read_it", "step"), [(anthropic.parse, 1), (anthropic.messages_json, 40)])
def test_what_is_nested_too_deeply_is_refused_at_every_depth(read_it, step):
    """Also where it can still be read, but not be written again: by whom the stack is used up is no matter."""
    assert readable(read_it, 10)
    assert not readable(read_it, 100_000)
    assert {readable(read_it, depth) for depth in range(850, 1010, step)} <= {True, False}


def readable(read_it: Callable[[WireRequest], Any], depth: int) -> bool:
    content = '[{"type": "image", "source": ' + "[" * depth + "]" * depth + "}]"
    body = f'{{"max_tokens": 9, "messages": [{{"role": "user", "content": {content}}}]}}'
    with contextlib.suppress(WireError):
        return bool(read_it(WireRequest("POST", URL, {}, body.encode())))
    return False


def test_the_messages_are_printed_as_they_were_sent_after_the_prompt():
    sent = [{"role": "user", "content": [{"type": "text", "text": "ü"}]}]
    printed = anthropic.messages_json(request(messages=sent, system="You deploy."))
    assert json.loads(printed) == [{"role": "system", "content": "You deploy."}, *sent]
    assert "ü" in printed
    assert json.loads(anthropic.messages_json(request(messages=sent))) == sent


# --- recognition and schemas -----------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "headers", "without", "taken"),
    [
        (URL, {}, "", True),
        (f"{URL}?beta=true", {}, "", True),
        ("http://127.0.0.1:8000/token/v1/messages/", {}, "", True),
        ("https://x.services.ai.azure.com/anthropic/v1/messages", {}, "", True),
        (URL, {"Anthropic-Version": "2023-06-01"}, "max_tokens", True),
        (URL, {}, "max_tokens", False),
        (URL, {}, "messages", False),
        ("https://api.anthropic.com/v1/messages/count_tokens", {}, "", False),
        ("https://api.anthropic.com/v1/messages/batches", {}, "", False),
        ("https://api.openai.com/v1/chat/completions", {}, "", False),
    ],
)
def test_a_model_call_is_known_by_its_path_and_body(url, headers, without, taken):
    body = {key: value for key, value in ASK.items() if key != without}
    assert anthropic.recognises(WireRequest("POST", url, headers, json_bytes(body))) is taken
    assert not anthropic.recognises(WireRequest("GET", url, headers, b""))


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ({}, "top level must be of"),
        ({"type": "array"}, "found 'array'"),
        ({"type": "object", "properties": {"a": {"type": "money"}}}, "/properties/a/type: 'money'"),
        ({"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["a"]}]}, "/anyOf: Anthropic takes no"),
        ({"type": "object", "properties": {"user name": {"type": "string"}}}, "found 'user name'"),
        ({"type": "object", "properties": {"x" * 65: {}}}, "found 'xxx"),
    ],
)
def test_an_invalid_schema_is_named(schema, sentence):
    assert sentence in (anthropic.schema_error(schema) or "valid")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        {"type": "object", "properties": {"a.b-c_1": {"type": "object", "properties": {"any name": {}}}}},
        {"type": "object", "anyOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "object"}}},
    ],
)
def test_a_valid_schema_is_accepted(schema):
    assert anthropic.schema_error(schema) is None


# --- what Anthropic sent ---------------------------------------------------------------

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/cassettes, recordings that others made")


@needs_shared
@pytest.mark.parametrize("size", [0, 1, -4])
def test_the_sdk_reads_from_recordings_what_we_read(size):
    counted = {"stream": 0, "json": 0, "calls": 0}
    for where, exchange in exchanges("anthropic"):
        if exchange.reply.status < 300:
            ours, stream = anthropic.parse_reply(exchange.reply), exchange.reply.is_stream
            kind = "text/event-stream" if stream else "application/json"
            reply = WireReply(200, {"content-type": kind}, exchange.reply.chunks)
            assert same(by_helper(reply, stream=stream, size=size), ours), where
            counted["stream" if stream else "json"] += 1
            counted["calls"] += len(ours.calls)
    assert counted["stream"] >= 59
    assert counted["json"] >= 44
    assert counted["calls"] >= 45


@needs_shared
def test_the_sdk_reads_the_same_from_what_we_write_for_them():
    for where, exchange in exchanges("anthropic"):
        if exchange.reply.status < 300:
            found, decision = anthropic.parse(exchange.request), anthropic.parse_reply(exchange.reply)
            again = by_helper(anthropic.reply(decision, found), stream=found.stream, size=3)
            assert same(again, decision), where


@needs_shared
def test_recorded_requests_say_what_their_raw_bytes_say():
    results = 0
    for where, exchange in exchanges("anthropic"):
        raw, found = exchange.request.json(), anthropic.parse(exchange.request)
        blocks = [b for m in raw["messages"] if isinstance(m["content"], list) for b in m["content"]]
        uses = [(b["name"], b["input"], b["id"]) for b in blocks if b["type"] == "tool_use"]
        assert [(c.name, c.parsed(), c.id) for m in found.messages for c in m.calls] == uses, where
        answers = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        assert [m.call_id for m in found.messages if m.role == "tool"] == answers, where
        assert len(found.tools) == len(raw.get("tools") or ()), where
        assert all(anthropic.schema_error(t.parameters) is None for t in found.tools if not t.hosted), where
        assert found.stream is bool(raw.get("stream")), where
        results += len(answers)
    assert results >= 97
