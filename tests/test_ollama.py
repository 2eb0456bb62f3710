"""Ollama's chat: what clients send and the server answers, with ids and without, beyond the round trip of decisions."""

import json
from typing import Any

import httpx
import ollama as ollama_sdk
import pytest
from decisions import WORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from sdks import transport

from agentcheck.dialects import ollama
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.window import unpaired
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest

URL = "http://localhost:11434/api/chat"
USER = {"role": "user", "content": "go"}


def wire(**body: Any) -> WireRequest:
    return WireRequest("POST", URL, {}, json.dumps({"model": "m", "messages": [USER]} | body).encode())


def asked(**body: Any) -> Request:
    return ollama.parse(wire(**body))


def client(reply: WireReply, size: int = 0, seen: list[Any] | None = None) -> ollama_sdk.Client:
    return ollama_sdk.Client(host="http://localhost:9", transport=transport(httpx, reply, size=size, seen=seen))


def lines(*pieces: dict[str, Any], kind: str = "application/x-ndjson") -> Decision:
    body = tuple(json.dumps(piece).encode() + b"\n" for piece in pieces)
    return ollama.parse_reply(WireReply(200, {"Content-Type": kind}, body))


def said(content: str = "", **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content, **more}, "done": False}


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {}}, **more}


DONE = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


# --- requests --------------------------------------------------------------------------


def deploy(tag: str) -> str:
    """Deploys.

    Args:
        tag: what to deploy
    """
    return tag


def test_what_the_sdk_sends_is_read_whole() -> None:
    seen: list[Any] = []
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    first = client(ollama.reply(Decision("", (ToolCall("deploy", '{"tag": "v1"}'),), "calls"), asked(stream=False)))
    decided = first.chat(model="m", messages=[USER]).message
    history = [{"role": "system", "content": "You deploy."}, USER, decided, {"role": "tool", "tool_name": "deploy"}]
    client(ollama.reply(Decision("ok"), asked(stream=False)), seen=seen).chat(
        model="m", messages=[*history[:3], {**history[3], "content": "done"}], tools=[deploy], format=schema,
        options={"temperature": 0.5}, keep_alive="5m",
    )  # fmt: skip
    request = ollama.parse(WireRequest("POST", str(seen[0].url), dict(seen[0].headers), seen[0].content))
    id = request.messages[2].calls[0].id
    assert request.messages == (
        Message("system", "You deploy."),
        Message("user", "go"),
        Message("assistant", "", (ToolCall("deploy", '{"tag": "v1"}', id),)),
        Message("tool", "done", call_id=id),
    )
    assert id
    assert unpaired(request) is None
    assert [(tool.name, tool.description, tool.parameters["required"]) for tool in request.tools] == [
        ("deploy", "Deploys.", ["tag"])
    ]
    assert ollama.schema_error(request.tools[0].parameters) is None
    assert request.schema == schema
    assert (request.settings["model"], request.settings["options"]["temperature"]) == ("m", 0.5)
    assert request.settings["keep_alive"] == "5m"
    assert request.stream is False


def test_a_stream_is_what_comes_where_nothing_is_said() -> None:
    assert asked().stream is True
    assert [asked(stream=value).stream for value in (True, False, None)] == [True, False, True]


def test_format_is_a_schema_where_it_is_an_object() -> None:
    assert asked(format="json").schema is None
    assert asked(format={"type": "object"}).schema == {"type": "object"}


def pairs(*messages: dict[str, Any]) -> list[str]:
    """Which calls the results answer, by the names of these calls and the order in which they are."""
    request = asked(messages=[USER, *messages])
    made = {c.id: f"{c.name}-{n}" for n, c in enumerate(c for m in request.messages for c in m.calls)}
    assert unpaired(request) is None
    return [made[str(m.call_id)] for m in request.messages if m.role == "tool"]


def test_results_find_their_calls_by_name_by_order_or_by_id() -> None:
    both = {"role": "assistant", "tool_calls": [call("a"), call("b")]}
    twice = {"role": "assistant", "tool_calls": [call("a"), call("a")]}
    with_ids = {"role": "assistant", "tool_calls": [call("a", id="1"), call("a", id="2")]}
    tool = {"role": "tool", "content": "x"}
    assert pairs(both, tool | {"tool_name": "b"}, tool | {"tool_name": "a"}) == ["b-1", "a-0"]
    assert pairs(both, tool | {"name": "b"}, tool) == ["b-1", "a-0"]  # an older field, and none at all
    assert pairs(twice, tool | {"tool_name": "a"}, tool | {"tool_name": "a"}) == ["a-0", "a-1"]
    assert pairs(with_ids, tool | {"tool_call_id": "2"}, tool | {"tool_call_id": "1"}) == ["a-1", "a-0"]
    assert pairs(both, tool, tool, both, tool, tool) == ["a-0", "b-1", "a-2", "b-3"]


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        ({"tool_name": "c"}, "a result answers c, which no earlier message calls"),
        ({"tool_call_id": "7", "tool_name": "a"}, "a result answers 7, which no earlier message calls"),
        ({"tool_name": "a"}, "of b has no result"),
    ],
)
def test_a_result_of_no_call_and_a_call_without_result_are_seen(result: dict[str, Any], complaint: str) -> None:
    history = [USER, {"role": "assistant", "tool_calls": [call("a"), call("b")]}, {"role": "tool", **result}]
    assert complaint in (unpaired(asked(messages=history)) or "all is in pairs")


def test_pictures_and_thinking_stay_as_their_json() -> None:
    history = [USER | {"images": ["AAAA"]}, {"role": "assistant", "content": "ok", "thinking": "hm"}]
    assert [m.text for m in asked(messages=history).messages] == ['go\n{"images": ["AAAA"]}', '{"thinking": "hm"}\nok']


@pytest.mark.parametrize(
    ("url", "body", "known"),
    [
        (URL, b'{"messages": []}', True),
        ("https://ollama.com/api/chat/", b'{"messages": []}', True),
        (URL, b'{"prompt": "x"}', False),
        (URL, b"nothing", False),
        ("http://localhost:11434/api/generate", b'{"messages": []}', False),
        ("http://localhost:11434/v1/chat/completions", b'{"messages": []}', False),
    ],
)
def test_it_is_known_by_its_path_and_body(url: str, body: bytes, known: bool) -> None:
    assert ollama.recognises(WireRequest("POST", url, {}, body)) is known


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"messages": "hi"}, "list of objects"),
        ({"messages": [{"role": "wizard"}]}, "message 0 has role 'wizard'; the roles are"),
        ({"messages": [{"role": "assistant", "tool_calls": "a"}]}, "'tool_calls'"),
        ({"tools": [{"type": "function"}]}, "has no name"),
    ],
)
def test_a_broken_request_is_refused_in_one_sentence(body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        asked(**body)


# --- replies ---------------------------------------------------------------------------


@given(text=WORDS | st.text(max_size=20), size=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_no_text_breaks_the_sdks_reading_of_a_stream(text: str, size: int) -> None:
    """The client splits lines at U+2028, U+0085 and their like too: none may stand in a line as it is."""
    decision = Decision(text + "\u2028\x85\x1e", (ToolCall("f", json.dumps({"a": text + "\u2029"})),), "calls")
    parts = list(client(ollama.reply(decision, asked()), size=size).chat(model="m", messages=[USER], stream=True))
    assert "".join(part.message.content or "" for part in parts) == decision.text
    assert [dict(c.function.arguments) for part in parts for c in part.message.tool_calls or ()] == [
        {"a": text + "\u2029"}
    ]


@pytest.mark.parametrize("stream", [True, False])
def test_the_sdk_is_given_figures_and_a_reason(stream: bool) -> None:
    reply = ollama.reply(Decision("Half of", (), "length"), asked(stream=stream))
    answer = client(reply, size=1).chat(model="m", messages=[USER], stream=stream)
    last = list(answer)[-1] if stream else answer
    assert (last.done, last.done_reason, last.model) == (True, "length", "m")
    assert last.prompt_eval_count > 0
    assert last.eval_count > 0
    assert last.created_at.endswith("Z")


@pytest.mark.parametrize("stream", [True, False])
def test_ids_are_kept_and_given(stream: bool) -> None:
    calls = (ToolCall("a", "{}", "same"), ToolCall("b", "{}", "same"), ToolCall("c"), ToolCall("c"))
    found = ollama.parse_reply(ollama.reply(Decision("", calls, "calls"), asked(stream=stream))).calls
    assert [c.id for c in found[:2]] == ["same", "same"]
    assert len({c.id for c in found[2:]} - {""}) == 2
    assert [c.name for c in found] == ["a", "b", "c", "c"]


def test_a_stream_is_one_chunk_per_line() -> None:
    reply = ollama.reply(Decision("a longer sentence in pieces", (ToolCall("a"),)), asked())
    assert len(reply.chunks) > 4
    assert all(chunk.endswith(b"\n") and chunk.count(b"\n") == 1 for chunk in reply.chunks)
    assert reply.is_stream


@pytest.mark.parametrize("arguments", ['{"a": tr', "[1]", "5", '"x"', "null", '{"a": NaN}', "[" * 100_000])
@pytest.mark.parametrize("stream", [True, False])
def test_arguments_that_are_no_object_cannot_be_said(arguments: str, stream: bool) -> None:
    with pytest.raises(Uncarriable, match="Ollama's chat carries arguments as"):
        ollama.reply(Decision("", (ToolCall("a", arguments),), "calls"), asked(stream=stream))


def test_there_is_no_word_for_a_filter() -> None:
    with pytest.raises(Uncarriable, match="no reason for an end by 'filter'"):
        ollama.reply(Decision("x", (), "filter"), asked())


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), ("load", "unknown"), (None, "stop")]
)
def test_reasons(reason: str | None, finish: str) -> None:
    assert lines(said("x"), DONE | {"done_reason": reason}) == Decision("x", (), finish)


def test_a_reply_is_read_in_one_line_or_in_many() -> None:
    whole = said("a\nb", tool_calls=[call("f")], thinking="hm") | {"done": True}
    for body in (json.dumps(whole), json.dumps(whole, indent=2)):
        found = ollama.parse_reply(WireReply(200, {"content-type": "application/json"}, (body.encode(),)))
        assert (found.text, [c.name for c in found.calls], found.finish) == ("a\nb", ["f"], "calls")
    found = lines(said(thinking="hm"), said("a"), said("b", tool_calls=[call("f")]), said(tool_calls=[call("g")]), DONE)
    assert (found.text, [c.name for c in found.calls], found.finish) == ("ab", ["f", "g"], "calls")
    assert len({c.id for c in found.calls} - {""}) == 2
    assert lines(said("a"), said("b"), DONE, kind="").text == "ab"


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        ((said("half"),), "before it was done: it was cut off"),
        ((), "not JSON|cut off"),
        ((said("half"), {"error": "unexpected EOF"}), "answered with an error: unexpected EOF"),
        ((said(tool_calls="x"), DONE), "'tool_calls'"),
    ],
)
@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json"])
def test_a_broken_reply_is_refused_in_one_sentence(pieces: tuple[Any, ...], sentence: str, kind: str) -> None:
    with pytest.raises(WireError, match=sentence) as caught:
        lines(*pieces, kind=kind)
    assert "\n" not in str(caught.value)


def test_a_line_that_is_cut_is_no_decision() -> None:
    body = ollama.reply(Decision("hello there, this is longer"), asked()).body
    for at in range(len(body) - 1):  # the last newline may be missing
        with pytest.raises(WireError):
            ollama.parse_reply(WireReply(200, {"content-type": "application/x-ndjson"}, (body[:at],)))


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
@pytest.mark.parametrize("stream", [True, False])
def test_the_sdk_raises_its_own_error(status: int, stream: bool) -> None:
    answer = client(ollama.failure(status, "no luck today"))
    with pytest.raises(ollama_sdk.ResponseError, match="no luck today") as caught:
        list(answer.chat(model="m", messages=[USER], stream=stream))
    assert (caught.value.status_code, caught.value.error) == (status, "no luck today")
