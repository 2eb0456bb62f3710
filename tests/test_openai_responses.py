"""OpenAI Responses: read, written, and read by OpenAI's own SDK, over what we write and what services sent."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai as sdk
import pytest
from decisions import NAMES, WORDS, decisions, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from sdks import transport
from test_dialect_recordings import SHARED, exchanges

from agentcheck.dialects import dialect_of, openai_responses
from agentcheck.dialects.reading import UNKNOWN
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.window import kept_elsewhere, unpaired
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest, json_bytes

URL = "https://api.openai.com/v1/responses"
INCOMPLETE = {"max_output_tokens": "length", "content_filter": "filter", UNKNOWN: "unknown"}
SIZES = st.sampled_from([0, 1, 2, 7, -1, -2, -3])


def asked(stream: bool = False, **more: Any) -> Request:
    return Request("openai-responses", (Message("user", "hi"),), settings={"model": "gpt-5", **more}, stream=stream)


def request(url: str = URL, **body: Any) -> WireRequest:
    return WireRequest("POST", url, {}, json_bytes({"model": "m", "input": "hi", **body}))


def read(**body: Any) -> Request:
    return openai_responses.parse(request(**body))


def client_of(reply: WireReply, *, size: int = 0, seen: list[Any] | None = None) -> sdk.OpenAI:
    http = httpx2.Client(transport=transport(httpx2, reply, size=size, seen=seen))
    return sdk.OpenAI(api_key="x", max_retries=0, http_client=http)


def wire_of(sent: httpx2.Request) -> WireRequest:
    return WireRequest(sent.method, str(sent.url), dict(sent.headers), sent.content)


# --- what the SDK reads ----------------------------------------------------------------


def by_helper(reply: WireReply, *, stream: bool, size: int = 0) -> Decision:
    """The decision as a user gets it who lets the SDK put streams together."""
    client = client_of(reply, size=size)
    if not stream:
        return decided(client.responses.create(model="m", input="hi"))
    with client.responses.stream(model="m", input="hi") as events:
        heard = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        final = decided(events.get_final_response())
    assert heard == final.text
    return final


def by_events(reply: WireReply, size: int = 0) -> Decision:
    """The decision of a stream as a user gets it who puts it together by hand, from its pieces alone."""
    text, calls, said, last = "", dict[int, Any](), dict[int, str](), None
    for event in client_of(reply, size=size).responses.create(model="m", input="hi", stream=True):
        match event.type:
            case "response.output_text.delta":
                text += event.delta
            case "response.output_item.added" if event.item.type in ("function_call", "custom_tool_call"):
                calls[event.output_index], said[event.output_index] = event.item, ""
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                said[event.output_index] += event.delta
            case "response.completed" | "response.incomplete":
                last = event.response
    made = tuple(ToolCall(item.name, said[at], item.call_id) for at, item in calls.items())
    return Decision(text, made, finish_of(last, made))


def decided(response: Any) -> Decision:
    calls = tuple(ToolCall(o.name, o.arguments, o.call_id) for o in response.output if o.type == "function_call")
    return Decision(response.output_text, calls, finish_of(response, calls))


def finish_of(response: Any, calls: tuple[ToolCall, ...]) -> str:
    if response.status == "incomplete":
        return INCOMPLETE[response.incomplete_details.reason]
    assert response.status == "completed"
    return "calls" if calls else "stop"


# --- what we write ---------------------------------------------------------------------

RAW = st.one_of(st.just('{"a": tr'), st.just("[1]"), st.just(""), WORDS, st.just('{"a":  1}'))
RAW_CALLS = st.lists(st.builds(ToolCall, NAMES, RAW, st.sampled_from(["a", "b"])), max_size=3)
FINISHES = st.sampled_from(["length", "filter", "unknown", "calls"])


@st.composite
def raw_decisions(draw: st.DrawFn) -> Decision:
    """Malformed arguments, two calls of one id, every reason of an end."""
    calls, finish = tuple(draw(RAW_CALLS)), draw(FINISHES)
    return Decision(draw(WORDS), calls, finish if calls or finish != "calls" else "stop")


@settings(max_examples=60, deadline=None)
@given(decision=raw_decisions(), stream=st.booleans(), size=SIZES)
def test_whatever_a_model_does_arrives(decision, stream, size):
    """Event by event, since the SDK's helper takes no stream that is incomplete, nor two calls of one id."""
    reply = openai_responses.reply(decision, asked(stream))
    said = by_events(reply, size) if stream else by_helper(reply, stream=False, size=size)
    assert said == decision == openai_responses.parse_reply(reply)


@settings(max_examples=40, deadline=None)
@given(decision=decisions(), size=SIZES)
def test_the_sdk_puts_a_stream_together_to_the_same_decision(decision, size):
    assert by_helper(openai_responses.reply(decision, asked(stream=True)), stream=True, size=size) == decision


def test_one_byte_at_a_time_splits_no_character():
    decision = Decision("déjà vu 🛰\u2028 done", (ToolCall("deploy", '{"tag": "ü🛰"}', "a"),), "calls")
    reply = openai_responses.reply(decision, asked(stream=True))
    assert by_events(reply, 1) == decision == by_helper(reply, stream=True, size=1)


@settings(deadline=None)
@given(decision=decisions())
def test_a_reply_has_all_that_the_sdk_insists_on(decision):
    """The SDK's own models, which it does not enforce itself, but stricter clients do."""
    whole = Response.model_validate_json(openai_responses.reply(decision, asked()).body)
    events = TypeAdapter[Any](ResponseStreamEvent)
    chunks = openai_responses.reply(decision, asked(stream=True)).chunks
    data = [json.loads(chunk.partition(b"data: ")[2]) for chunk in chunks]
    found = [events.validate_python(payload) for payload in data]
    assert [event.type for event in found] == [payload["type"] for payload in data]
    assert [chunk.split(b"\n")[0] for chunk in chunks] == [b"event: " + e.type.encode() for e in found]
    assert [event.sequence_number for event in found] == list(range(len(chunks)))
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens > 0
    assert found[-1].response.usage == whole.usage


def test_the_events_come_in_openais_order():
    reply = openai_responses.reply(Decision("hello", (ToolCall("a", '{"x": 1}', "1"),), "calls"), asked(stream=True))
    assert [json.loads(c.partition(b"data: ")[2])["type"].removeprefix("response.") for c in reply.chunks] == [
        "created", "in_progress",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip


def test_an_item_begins_empty_and_ends_whole():
    reply = openai_responses.reply(Decision("", (ToolCall("a", '{"x": 1}', "1"),), "calls"), asked(stream=True))
    events = {e["type"]: e for e in (json.loads(chunk.partition(b"data: ")[2]) for chunk in reply.chunks)}
    begun, ended = (events[f"response.output_item.{when}"]["item"] for when in ("added", "done"))
    assert (begun["status"], begun["arguments"]) == ("in_progress", "")
    assert (ended["status"], ended["arguments"]) == ("completed", '{"x": 1}')
    assert events["response.function_call_arguments.done"]["name"] == "a"
    assert events["response.completed"]["response"]["output"] == [ended]


def test_where_a_reply_is_cut_off_its_last_item_is():
    cut = Decision("so", (ToolCall("a", "{}", "1"), ToolCall("b", '{"x', "2")), "length")
    items = json.loads(openai_responses.reply(cut, asked()).body)["output"]
    assert [item["status"] for item in items] == ["completed", "completed", "incomplete"]
    whole = Decision("so", cut.calls, "calls")
    items = json.loads(openai_responses.reply(whole, asked()).body)["output"]
    assert {item["status"] for item in items} == {"completed"}


def test_the_asynchronous_client_reads_it_too():
    decision = Decision("one", (ToolCall("deploy", '{"tag": "v1"}', "a"),), "calls")
    reply = openai_responses.reply(decision, asked(stream=True))

    async def said() -> Any:
        http = httpx2.AsyncClient(transport=transport(httpx2, reply, size=3))
        async with (
            sdk.AsyncOpenAI(api_key="x", http_client=http) as client,
            client.responses.stream(model="m", input="hi") as events,
        ):
            return await events.get_final_response()

    assert decided(asyncio.run(said())) == decision


class Tagged(BaseModel):
    tag: str


def test_structured_output_arrives_parsed():
    seen: list[Any] = []
    client = client_of(openai_responses.reply(Decision('{"tag": "v1"}'), asked()), seen=seen)
    assert client.responses.parse(model="m", input="hi", text_format=Tagged).output_parsed == Tagged(tag="v1")
    found = openai_responses.parse(wire_of(seen[0])).schema
    assert found is not None
    assert found["properties"]["tag"]["type"] == "string"
    assert read(text={"format": {"type": "json_object"}}).schema is None


def test_calls_without_an_id_get_one_that_no_other_has():
    decision = Decision(calls=(ToolCall("a"), ToolCall("a")), finish="calls")
    found = [openai_responses.parse_reply(openai_responses.reply(decision, asked(s))) for s in (True, False, True)]
    assert len({call.id for said in found for call in said.calls}) == 6


def test_a_finish_that_is_none_is_named():
    with pytest.raises(Uncarriable, match="no reason for an end by 'bored'"):
        openai_responses.reply(Decision("x", (), "bored"), asked())


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, sdk.BadRequestError), (401, sdk.AuthenticationError), (403, sdk.PermissionDeniedError),
     (404, sdk.NotFoundError), (429, sdk.RateLimitError), (500, sdk.InternalServerError),
     (503, sdk.InternalServerError), (529, sdk.InternalServerError)],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False])
def test_failures_are_the_sdks_own(status, error, stream):
    reply = openai_responses.failure(status, "too much", retry_after=2.0)
    with pytest.raises(error, match="too much") as caught:
        by_helper(reply, stream=stream)
    assert caught.value.response.headers["retry-after"] == "2"
    with pytest.raises(WireError, match=f"answered {status}"):
        openai_responses.parse_reply(reply)


# --- replies that are none -------------------------------------------------------------


@settings(deadline=None)
@given(decision=decisions(), at=st.integers(0, 20_000))
def test_a_stream_cut_anywhere_is_no_decision(decision, at):
    whole = openai_responses.reply(decision, asked(stream=True))
    end = len(whole.body) - len(whole.chunks[-1]) // 2
    with pytest.raises(WireError, match=r"cut off|not JSON"):
        openai_responses.parse_reply(WireReply(200, whole.headers, (whole.body[: min(at, end)],)))


FAILED = {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error"}}}
BROKE = {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"data: %s\n\n" % json_bytes(FAILED), "server_error"),
        (b"event: error\ndata: %s\n\n" % json_bytes(BROKE), "broke off with an error: .*Slow down"),
        (b'{"status": "cancelled", "output": []}', "cancelled"),
        (b'{"status": "queued", "output": []}', "decides nothing"),
        (b'{"status": "in_progress", "output": []}', "decides nothing"),
        (b"<html>", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "decides nothing"),
        (b'{"output": ["x"]}', "list of objects"),
        (b'{"output": [{"type": "message", "content": "x"}]}', "list of objects"),
        (b'data: {"type": "response.completed"}\n\ndata: [DONE]\n\n', "decides nothing"),
        (b"data: [DONE]\n\n", "cut off"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_reply_gets_one_sentence(body, sentence):
    with pytest.raises(WireError, match=sentence) as caught:
        openai_responses.parse_reply(WireReply(200, {}, (body,)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


REFUSAL = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
SAID = {"type": "message", "content": [{"type": "output_text", "text": "Yes"}, {"type": "output_text", "text": "."}]}
THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "content": None}
CALLED = {"type": "function_call", "name": "a", "arguments": "{}", "call_id": "1", "id": "fc_1"}
CUSTOM = {"type": "custom_tool_call", "name": "sh", "input": "ls -l", "call_id": "2"}
LOADED = {**CALLED, "namespace": "a"}
SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"output": [REFUSAL]}, Decision("No.", (), "filter")),
        ({"output": [THOUGHT, SEARCHED, SAID]}, Decision("Yes.")),
        ({"output": [THOUGHT]}, Decision()),
        ({"output": [SAID, CALLED]}, Decision("Yes.", (ToolCall("a", "{}", "1"),), "calls")),
        ({"output": [CUSTOM]}, Decision("", (ToolCall("sh", "ls -l", "2"),), "calls")),
        ({"output": [LOADED]}, Decision("", (ToolCall("a", "{}", "1"),), "calls")),
        ({"output": [SAID], "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
         Decision("Yes.", (), "length")),
        ({"output": [SAID], "status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
         Decision("Yes.", (), "filter")),
        ({"output": [SAID], "status": "incomplete", "incomplete_details": {"reason": "steered"}},
         Decision("Yes.", (), "unknown")),
        ({"output": [SAID], "status": "incomplete"}, Decision("Yes.", (), "unknown")),
    ],
)  # fmt: skip
def test_every_item_is_understood(body, expected):
    assert openai_responses.parse_reply(WireReply(200, {}, (json_bytes(body),))) == expected


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_item.done", "output_index": [0], "item": SAID},
        {"type": ["response.created"]},
        {"type": "response.output_item.done", "output_index": 0, "item": {"type": ["function_call"]}},
    ],
)
def test_odd_values_in_a_stream_break_nothing(event):
    end = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    assert openai_responses.parse_reply(streamed([event, end])).calls == ()


def test_a_stream_whose_end_repeats_no_items_is_read_from_them():
    done = [{"type": "response.output_item.done", "output_index": n, "item": i} for n, i in enumerate([SAID, CALLED])]
    end = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    decision = openai_responses.parse_reply(streamed([*done, end]))
    assert decision == Decision("Yes.", (ToolCall("a", "{}", "1"),), "calls")


def streamed(events: Iterable[Any]) -> WireReply:
    return WireReply(200, {}, tuple(b"data: %s\r\n\r\n" % json_bytes(event) for event in events))


# --- requests --------------------------------------------------------------------------

PARAMETERS = {"type": "object", "properties": {"tag": {"type": "string"}}}
DEPLOY = {"type": "function", "name": "deploy", "description": "Deploys.", "parameters": PARAMETERS, "strict": False}


@settings(max_examples=40, deadline=None)
@given(decision=raw_decisions(), result=WORDS, stream=st.booleans())
def test_what_the_sdk_sends_parses_to_what_was_said(decision, result, stream):
    """Also: a decision, put back into the history as the SDK gave it, is read as the same calls."""
    first = client_of(openai_responses.reply(decision, asked())).responses.create(model="m", input="hi")
    calls = [item for item in first.output if item.type == "function_call"]
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": result} for call in calls]
    seen: list[Any] = []
    history: Any = [{"role": "user", "content": [{"type": "input_text", "text": "go"}]}, *first.output, *results]
    tools: Any = [DEPLOY, {"type": "web_search"}]
    client_of(openai_responses.reply(Decision("ok"), asked(stream)), seen=seen).responses.create(
        model="gpt-5", instructions="You deploy.", tools=tools, parallel_tool_calls=False,
        previous_response_id="resp_1", input=history, stream=stream,
    )  # fmt: skip
    wire = wire_of(seen[0])
    assert dialect_of(wire) is openai_responses
    found = openai_responses.parse(wire)
    said = [Message("assistant", decision.text)] if decision.text or not decision.calls else []
    assert found.messages == (
        Message("system", "You deploy."),
        Message("user", "go"),
        *said,
        *(Message("assistant", "", (call,)) for call in decision.calls),
        *(Message("tool", result, call_id=call.id) for call in decision.calls),
    )
    if len({call.id for call in decision.calls}) == len(decision.calls):
        assert unpaired(found) is None
    assert found.tools == (ToolSpec("deploy", "Deploys.", PARAMETERS), ToolSpec("web_search", hosted=True))
    assert (found.settings["model"], found.settings["parallel_tool_calls"]) == ("gpt-5", False)
    assert (found.stream, found.schema, kept_elsewhere(found)) == (stream, None, "previous_response_id")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"role": "developer", "content": "x"}, Message("system", "x")),
        ({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"},
          {"type": "refusal", "refusal": "b"}]}, Message("assistant", "a\nb")),
        ({"role": "user", "content": [{"type": "input_text", "text": "look"},
          {"type": "input_image", "image_url": "u"}]},
         Message("user", 'look\n{"type": "input_image", "image_url": "u"}')),
        (CALLED, Message("assistant", "", (ToolCall("a", "{}", "1"),))),
        ({**CALLED, "namespace": "mcp__ops"}, Message("assistant", "", (ToolCall("mcp__ops__a", "{}", "1"),))),
        ({**CALLED, "namespace": "mcp__ops__"}, Message("assistant", "", (ToolCall("mcp__ops__a", "{}", "1"),))),
        (LOADED, Message("assistant", "", (ToolCall("a", "{}", "1"),))),
        (CUSTOM, Message("assistant", "", (ToolCall("sh", "ls -l", "2"),))),
        ({"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "x"},
          {"type": "input_file", "file_id": "f"}]},
         Message("tool", 'x\n{"type": "input_file", "file_id": "f"}', call_id="1")),
        ({"type": "custom_tool_call_output", "call_id": "2", "output": "total 0"},
         Message("tool", "total 0", call_id="2")),
    ],
)  # fmt: skip
def test_items_that_are_understood(item, expected):
    assert read(input=[item]).messages == (expected,)


@pytest.mark.parametrize(
    ("item", "role"),
    [
        (THOUGHT, "assistant"),
        (SEARCHED, "assistant"),
        ({"type": "mcp_call", "id": "m", "name": "x", "arguments": "{}", "output": "y"}, "assistant"),
        ({"type": "computer_call", "call_id": "c", "action": {"type": "click"}}, "assistant"),
        ({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}}, "user"),
        ({"type": "shell_call_output", "call_id": "c", "output": []}, "user"),
        ({"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}, "user"),
        ({"type": "item_reference", "id": "msg_1"}, "assistant"),
        ({"id": "msg_1"}, "assistant"),
        ({"type": "additional_tools", "role": "developer", "tools": []}, "system"),
    ],
)
def test_items_of_other_kinds_stay_as_they_were_sent(item, role):
    (message,) = read(input=[item]).messages
    assert (message.role, json.loads(message.text)) == (role, item)


def test_a_number_of_an_item_is_that_of_its_message():
    found = read(input=[{"role": "user", "content": "x"}, THOUGHT, CALLED, {**CALLED, "call_id": "3"}, CUSTOM])
    assert len(found.messages) == 5
    assert read(input="hi", instructions=None).messages == (Message("user", "hi"),)
    assert read(input=[], instructions="Be good.").messages == (Message("system", "Be good."),)


def test_a_stored_prompt_may_come_without_an_input():
    wire = WireRequest("POST", URL, {}, json_bytes({"prompt": {"id": "pmpt_1", "variables": {"x": "y"}}}))
    assert dialect_of(wire) is openai_responses
    found = openai_responses.parse(wire)
    assert (found.messages, found.settings["prompt"]["id"]) == ((), "pmpt_1")


# --- tools -----------------------------------------------------------------------------

NAMESPACE = {"type": "namespace", "name": "mcp__ops", "description": "Ops.", "tools": [DEPLOY]}
SHELL = {"type": "custom", "name": "sh", "format": {"type": "text"}}


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (DEPLOY, ToolSpec("deploy", "Deploys.", PARAMETERS)),
        ({"type": "function", "name": "a", "parameters": None}, ToolSpec("a")),
        (NAMESPACE, ToolSpec("mcp__ops__deploy", "Deploys.", PARAMETERS)),
        ({**NAMESPACE, "name": "mcp__ops__"}, ToolSpec("mcp__ops__deploy", "Deploys.", PARAMETERS)),
        (SHELL, ToolSpec("sh", hosted=True)),
        ({"type": "web_search_preview"}, ToolSpec("web_search_preview", hosted=True)),
        ({"type": "mcp", "server_label": "ops", "server_url": "u"}, ToolSpec("mcp", hosted=True)),
    ],
)
def test_tools_in_every_shape_are_read(tool, expected):
    assert read(tools=[tool]).tools == (expected,)


@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_tools_that_come_along_in_the_input_are_offered(kind):
    found = read(tools=[DEPLOY], input=[{"type": kind, "role": "developer", "tools": [DEPLOY, NAMESPACE, SHELL]}])
    assert [tool.name for tool in found.tools] == ["deploy", "mcp__ops__deploy", "sh"]


def test_a_tool_that_is_offered_twice_is_two_tools():
    assert [tool.name for tool in read(tools=[DEPLOY, DEPLOY]).tools] == ["deploy", "deploy"]


@pytest.mark.parametrize("namespace", ["mcp__ops", "mcp__ops__", "deploy"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_in_a_namespace_is_called_by_both_names(namespace, stream):
    found = read(tools=[{**NAMESPACE, "name": namespace}, {**DEPLOY, "name": "plain"}], stream=stream)
    decision = Decision("", (ToolCall(found.tools[0].name, "{}", "c1"), ToolCall("plain", "{}", "c2")), "calls")
    reply = openai_responses.reply(decision, found)
    client = client_of(reply)
    if stream:
        with client.responses.stream(model="m", input="hi") as events:
            items = events.get_final_response().output
    else:
        items = client.responses.create(model="m", input="hi").output
    called = [(item.namespace, item.name) for item in items if item.type == "function_call"]
    assert called == [(namespace, "deploy"), (None, "plain")]
    assert openai_responses.parse_reply(reply) == decision
    echoed = openai_responses.parse(request(input=[item.model_dump() for item in items]))
    assert [message.calls[0].name for message in echoed.messages] == [call.name for call in decision.calls]


@pytest.mark.parametrize("stream", [True, False])
@settings(deadline=None)
@given(text=WORDS)
def test_a_custom_tool_is_called_with_free_text(stream, text):
    found = read(tools=[SHELL, {**NAMESPACE, "tools": [SHELL]}], stream=stream)
    decision = Decision("", (ToolCall("sh", text, "c1"), ToolCall("mcp__ops__sh", "x", "c2")), "calls")
    reply = openai_responses.reply(decision, found)
    assert openai_responses.parse_reply(reply) == decision
    if stream:
        assert [(c.name, c.arguments) for c in by_events(reply).calls] == [("sh", text), ("sh", "x")]
        with client_of(reply).responses.stream(model="m", input="hi") as events:
            items = events.get_final_response().output
    else:
        items = client_of(reply).responses.create(model="m", input="hi").output
    assert [(i.type, i.input, i.namespace) for i in items if i.type == "custom_tool_call"] == [
        ("custom_tool_call", text, None), ("custom_tool_call", "x", "mcp__ops"),
    ]  # fmt: skip


def test_no_request_can_say_itself_how_calls_are_written():
    found = read(tools=[DEPLOY], agentcheck_call_forms={"deploy": {"type": "nonsense"}}, tool_choice=None)
    body = json.loads(openai_responses.reply(Decision("", (ToolCall("deploy"),), "calls"), found).body)
    assert [item["type"] for item in body["output"]] == ["function_call"]
    assert body["tool_choice"] == "auto"


def test_the_forms_of_calls_survive_a_trace():
    found = read(tools=[NAMESPACE, SHELL])
    again = Request(found.dialect, found.messages, settings=json.loads(json.dumps(found.settings)))
    decision = Decision("", (ToolCall("mcp__ops__deploy", "{}", "c1"), ToolCall("sh", "ls", "c2")), "calls")
    assert openai_responses.parse_reply(openai_responses.reply(decision, again)) == decision
    assert b'"namespace":"mcp__ops"' in openai_responses.reply(decision, again).body


# --- what is no request ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"input": [{"role": "robot", "content": "x"}]}, "role 'robot'; the roles of OpenAI's Responses are system"),
        ({"input": [{"type": "message"}]}, "role None"),
        ({"input": [{}]}, "role None"),
        ({"input": ["x"]}, "'input' in OpenAI's Responses must be a list of objects"),
        ({"tools": [{"type": "function"}]}, "no name"),
        ({"tools": [{"type": "function", "function": {"name": "as in Chat Completions"}}]}, "no name"),
        ({"tools": [{"type": "namespace", "name": "x", "tools": "y"}]}, "'tools'"),
        ({"tools": {"a": 1}}, "'tools'"),
    ],
)
def test_what_is_no_request_gets_one_sentence(body, sentence):
    with pytest.raises(WireError, match=sentence) as caught:
        read(**body)
    assert "\n" not in str(caught.value)


FIELDS = ["input", "instructions", "tools", "tool_choice", "text", "output", "content", "role", "type", "item", "name",
          "status", "response", "namespace", "stream", "error", "metadata"]  # fmt: skip
KINDS = ["user", "assistant", "message", "function_call", "function_call_output", "additional_tools", "namespace",
         "function", "custom", "response.output_item.done", "response.completed", "output_text"]  # fmt: skip
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
    assert openai_responses.reply(Decision("x"), found).status == 200
    end = {"type": "response.completed", "response": body}
    for reply in (WireReply(200, {}, (json_bytes(body),)), streamed([*events, end])):
        with contextlib.suppress(WireError):
            assert openai_responses.parse_reply(reply).finish in ("stop", "calls", "length", "filter", "unknown")


@pytest.mark.parametrize(("read_it", "step"), [(openai_responses.parse, 1), (openai_responses.messages_json, 40)])
def test_what_is_nested_too_deeply_is_refused_at_every_depth(read_it, step):
    """Also where it can still be read, but not be written again: by whom the stack is used up is no matter."""
    assert readable(read_it, 10)
    assert not readable(read_it, 100_000)
    assert {readable(read_it, depth) for depth in range(850, 1010, step)} <= {True, False}


def readable(read_it: Callable[[WireRequest], Any], depth: int) -> bool:
    item = '{"type": "reasoning", "summary": ' + "[" * depth + "]" * depth + "}"
    body = f'{{"input": [{item}]}}'
    with contextlib.suppress(WireError):
        return bool(read_it(WireRequest("POST", URL, {}, body.encode())))
    return False


def test_the_messages_are_printed_as_they_were_sent_after_the_instructions():
    sent = [{"role": "user", "content": [{"type": "input_text", "text": "ü"}]}, THOUGHT]
    printed = openai_responses.messages_json(request(input=sent, instructions="You deploy."))
    assert json.loads(printed) == [{"role": "system", "content": "You deploy."}, *sent]
    assert "ü" in printed
    assert json.loads(openai_responses.messages_json(request(input=sent))) == sent


@pytest.mark.parametrize(
    ("url", "body", "taken"),
    [
        (URL, {"input": "x"}, True),
        ("https://x.openai.azure.com/openai/v1/responses?api-version=preview", {"input": []}, True),
        ("https://x.openai.azure.com/openai/responses?api-version=2025-04-01-preview", {"input": "x"}, True),
        ("http://127.0.0.1:8000/token/responses/", {"input": "x"}, True),
        (URL, {"prompt": {"id": "p"}}, True),
        (URL, {"messages": []}, False),
        (URL, {"prompt": "x"}, False),
        (f"{URL}/resp_1/cancel", {"input": "x"}, False),
        (f"{URL}/input_tokens", {"input": "x"}, False),
        (f"{URL}/compact", {"input": "x"}, False),
    ],
)
def test_a_model_call_is_known_by_its_path_and_body(url, body, taken):
    assert openai_responses.recognises(WireRequest("POST", url, {}, json_bytes(body))) is taken
    assert not openai_responses.recognises(WireRequest("GET", url, {}, b""))


def test_azures_client_is_read_too():
    seen: list[Any] = []
    http = httpx2.Client(transport=transport(httpx2, openai_responses.reply(Decision("ok"), asked()), seen=seen))
    client = sdk.AzureOpenAI(
        api_key="x", api_version="2025-04-01-preview", azure_endpoint="https://x.openai.azure.com", http_client=http
    )
    assert client.responses.create(model="deployment", input="hi").output_text == "ok"
    assert dialect_of(wire_of(seen[0])) is openai_responses
    assert openai_responses.parse(wire_of(seen[0])).settings["model"] == "deployment"


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [({"type": "array"}, "found 'array'"), ({"type": "object", "properties": {"a": {"type": "money"}}}, "'money'")],
)
def test_an_invalid_schema_is_named(schema, sentence):
    assert sentence in (openai_responses.schema_error(schema) or "valid")
    assert openai_responses.schema_error(PARAMETERS) is None


# --- what services sent ----------------------------------------------------------------

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/cassettes, recordings that others made")


@needs_shared
@pytest.mark.parametrize("size", [0, 1, -4])
def test_the_sdk_reads_from_recordings_what_we_read(size):
    houses: dict[str, int] = {}
    streams = calls = 0
    for where, exchange in exchanges("openai-responses"):
        if exchange.reply.status < 300:
            ours, stream = openai_responses.parse_reply(exchange.reply), exchange.reply.is_stream
            kind = "text/event-stream" if stream else "application/json"
            reply = WireReply(200, {"content-type": kind}, exchange.reply.chunks)
            said = by_events(reply, size) if stream else by_helper(reply, stream=False, size=size)
            assert plain(said) == plain(ours), where
            assert [c.id for c in said.calls] == [c.id for c in ours.calls], where
            house = ".".join(str(urlsplit(exchange.request.url).hostname).split(".")[-2:])
            houses[house], streams, calls = houses.get(house, 0) + 1, streams + stream, calls + len(ours.calls)
    assert houses.keys() == {"api.aws", "deepseek.com", "openai.com", "pydantic.dev"}
    assert sum(houses.values()) >= 52
    assert streams >= 17
    assert calls >= 27


@needs_shared
def test_the_sdk_reads_the_same_from_what_we_write_for_them():
    for where, exchange in exchanges("openai-responses"):
        if exchange.reply.status < 300:
            found = openai_responses.parse(exchange.request)
            decision = openai_responses.parse_reply(exchange.reply)
            again = by_helper(openai_responses.reply(decision, found), stream=found.stream, size=3)
            assert again == decision, where


@needs_shared
def test_recorded_requests_say_what_their_raw_bytes_say():
    calls = 0
    for where, exchange in exchanges("openai-responses"):
        raw, found = exchange.request.json(), openai_responses.parse(exchange.request)
        items = raw["input"] if isinstance(raw["input"], list) else []
        made = [(i["name"], i["arguments"], i["call_id"]) for i in items if i.get("type") == "function_call"]
        assert [(c.name, c.arguments, c.id) for m in found.messages for c in m.calls] == made, where
        answers = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
        assert [m.call_id for m in found.messages if m.role == "tool"] == answers, where
        assert len(found.messages) == len(items or [1]) + bool(raw.get("instructions")), where
        brought = {t["name"] for i in items for t in i.get("tools") or ()}
        offered = {str(t.get("name") or t["type"]) for t in raw.get("tools") or ()}
        assert {t.name for t in found.tools} == offered | brought, where
        assert all(openai_responses.schema_error(t.parameters) is None for t in found.tools if not t.hosted), where
        calls += len(made)
    assert calls >= 49


@needs_shared
def test_what_was_decided_is_what_the_next_request_says_was_decided():
    agreed, every = 0, exchanges("openai-responses")
    for (where, first), (_, second) in pairwise(every):
        if first.reply.status < 300:
            decided_on = {call.id: call for call in openai_responses.parse_reply(first.reply).calls}
            after = openai_responses.parse(second.request)
            echoed = [c for m in after.messages for c in m.calls if c.id in decided_on]
            assert all((c.name, c.parsed()) == (decided_on[c.id].name, decided_on[c.id].parsed()) for c in echoed), (
                where
            )
            agreed += bool(echoed)
    assert agreed >= 10
