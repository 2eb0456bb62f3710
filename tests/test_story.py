"""A trace told as a story, and the exact messages of one call."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcheck.messages import Message, Request, ToolCall
from agentcheck.reducer import Approved, Denied, Text, to_data
from agentcheck.render.story import messages, story
from agentcheck.render.text import Paper, columns
from agentcheck.trace import TYPES, Event, Trace

SYSTEM = Message("system", "You deploy.")
USER = Message("user", "deploy the backend")
CALL = ToolCall("deploy_backend", '{"tag": "v1.2.3"}', "call_1")


def request(*sent: Message, body: Any = None, **more: Any) -> dict[str, Any]:
    raw = {"method": "POST", "url": "http://127.0.0.1/v1/chat/completions", "headers": {}, "body": body}
    return {"request": Request("openai", sent), "raw": raw, **more}


def a_run() -> Trace:
    trace = Trace()
    trace.append("launched", trigger="deploy the backend", kind="host", machine=1)
    trace.append("model_request", n=1, **request(SYSTEM, USER))
    trace.append("model_reply", n=1, decision={"text": "Well.", "calls": [CALL], "finish": "calls"})
    trace.append("asked", id="q1", kind="approval", text="May I deploy v1.2.3?", tool="deploy_backend", via="inbox")
    trace.append("saved", digest="abc", size=120)
    trace.append("killed", point="after saved 1")
    trace.append("resumed")
    trace.append("answered", id="q1", answer=to_data(Approved()))
    trace.append("tool_called", call="call_1", tool="deploy_backend", arguments={"tag": "v1.2.3"})
    trace.append("effect", tool="deploy_backend", key="k1", call="call_1")
    trace.append("fault_fired", fault='ToolFails("deploy_backend", Http(503))')
    trace.append("tool_failed", call="call_1", tool="deploy_backend", kind="HTTPError", message="503")
    failed = Message("tool", "failed: 503", call_id="call_1")
    trace.append("model_request", n=2, **request(SYSTEM, USER, Message("assistant", "Well.", (CALL,)), failed))
    trace.append("model_failed", n=2, failure={"status": 429, "message": "slow down"})
    trace.append("model_request", n=3, **request(SYSTEM, Message("user", "summary")))
    trace.append("model_reply", n=3, decision={"text": "Deployed.", "calls": [], "finish": "stop"})
    trace.append("finished", status="finished", result="Deployed.")
    return trace


def told(trace: Trace) -> list[str]:
    """The story without its clock, which no test can know."""
    return [line[12:] for line in story(trace)]


def test_a_run_is_told_in_order() -> None:
    assert told(a_run()) == [
        'launched as a host on machine 1 with "deploy the backend"',
        "asked the model (call 1): 2 messages",
        'system: "You deploy."',
        'user: "deploy the backend"',
        'the model decided to call deploy_backend {"tag": "v1.2.3"}',
        'and said "Well."',
        "asked a human for approval to run deploy_backend through inbox: \"May",
        'I deploy v1.2.3?"',
        "saved its state (120 bytes, digest abc)",
        "KILLED at \"after saved 1\"",
        "resumed",
        "the human approved",
        'called deploy_backend with {"tag": "v1.2.3"}',
        "EFFECT of deploy_backend (key k1)",
        'FAULT fired: "ToolFails(\\"deploy_backend\\", Http(503))"',
        "deploy_backend failed, HTTPError: 503",
        "asked the model (call 2): 4 messages, 2 new",
        'assistant: "Well.", calls deploy_backend {"tag": "v1.2.3"}',
        'tool for call_1: "failed: 503"',
        'the model failed: {"status": 429, "message": "slow down"}',
        "asked the model (call 3): 2 messages, 1 new; 3 messages of the call",
        "before changed or left out",
        'user: "summary"',
        'the model said "Deployed."',
        "finished with Deployed.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (to_data(Approved()), "the human approved"),
        (to_data(Denied("too risky")), 'the human denied: "too risky"'),
        (to_data(Text("yes")), 'the human answered: "yes"'),
        ("whatever it is", 'the human answered "whatever it is"'),
        (None, "the human answered null"),
    ],
)
def test_answers(answer: Any, said: str) -> None:
    trace = Trace()
    trace.append("answered", id="q1", answer=answer)
    assert told(trace) == [said]


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ({"text": "", "calls": [], "finish": "stop"}, "the model said nothing"),
        ({"text": "He", "calls": [], "finish": "length"}, 'the model said "He"; cut off at the length limit'),
        ({"text": "", "calls": [], "finish": "filter"}, "the model said nothing; stopped by a filter"),
    ],
)
def test_replies_without_calls(decision: dict[str, Any], said: str) -> None:
    trace = Trace()
    trace.append("model_reply", decision=decision)
    assert told(trace) == [said]


@pytest.mark.parametrize(
    ("status", "said"),
    [("waiting", "stopped, waiting for a human"), ("timeout", "ended: timeout"), ("finished", "finished")],
)
def test_ends(status: str, said: str) -> None:
    trace = Trace()
    trace.append("finished", status=status, error="it broke")
    assert told(trace) == [said, "error: it broke"]


def test_refusals_and_misses_are_named() -> None:
    trace = Trace()
    trace.append("refused", what="connection", detail="203.0.113.5:443", where="ops.py:12")
    trace.append("miss", url="http://127.0.0.1/v1/x", reason="no decision left")
    assert told(trace) == [
        "REFUSED connection at ops.py:12: 203.0.113.5:443",
        'MISS: nothing recorded or scripted for http://127.0.0.1/v1/x: "no',
        'decision left"',
    ]


def test_sessions_are_told_apart_only_where_there_are_several() -> None:
    trace = Trace()
    for session in ("a", "b", "a"):
        trace.append("model_request", session=session, **request(USER))
    assert [line for line in told(trace) if "asked" in line] == [
        "[a] asked the model (call 1): 1 message",
        "[b] asked the model (call 2): 1 message",
        "[a] asked the model (call 3): 1 message, 0 new",
    ]


def test_an_empty_trace_says_so() -> None:
    assert story(Trace()) == ["The trace is empty: nothing happened."]


@pytest.mark.parametrize("type", sorted(TYPES))
def test_events_without_data_are_told(type: str) -> None:
    trace = Trace()
    trace.append(type)
    assert len(story(trace)) >= 1


KEYS = (
    *("trigger", "kind", "machine", "request", "raw", "n", "decision", "failure", "call", "tool", "arguments", "value"),
    *("message", "messages", "calls", "name", "role", "call_id", "text", "via", "answer", "type", "finish", "result"),
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.sampled_from(sorted(TYPES)), st.dictionaries(st.sampled_from(KEYS), ANY_JSON), st.sampled_from([40, 80]))
def test_whatever_the_data_the_story_fits_and_is_harmless(type: str, data: dict[str, Any], width: int) -> None:
    event = Event(0, 0.0, "run", "main", 0, type, data)
    for line in story(Trace(events=[event]), paper=Paper(width)):
        assert columns(line) <= width
        assert line.isprintable()


def test_escape_sequences_and_long_texts_are_harmless() -> None:
    trace = Trace()
    trace.append("model_request", **request(Message("user", "\x1b[2J\x9b31m \u202e" + "y" * 100_000)))
    lines = story(trace)
    assert max(map(columns, lines)) <= 80
    assert len(lines) < 10
    assert "".join(lines).isprintable()


# --- the exact messages of one call ---------------------------------------------------------------


def one_call(body: Any, **more: Any) -> Trace:
    trace = Trace()
    trace.append("model_request", **request(SYSTEM, USER, body=body, **more))
    return trace


CHAT = [{"role": "user", "content": "déploie \x9b2J \u202e 𝄞", "odd": [1.50, 10**20, None]}]


@pytest.mark.parametrize(
    ("body", "exact"),
    [
        ({"model": "m", "messages": CHAT}, CHAT),
        ({"model": "m", "input": "deploy"}, "deploy"),
        (
            {"contents": CHAT, "systemInstruction": {"parts": []}},
            {"systemInstruction": {"parts": []}, "contents": CHAT},
        ),
        ({"system": "You deploy.", "messages": CHAT}, {"system": "You deploy.", "messages": CHAT}),
    ],
)
@pytest.mark.parametrize("encode", [json.dumps, lambda body: json.dumps(body, ensure_ascii=False), dict])
def test_the_array_is_exactly_what_was_on_the_wire(encode: Any, body: dict[str, Any], exact: Any) -> None:
    printed = messages(one_call(encode(body)), 1)
    assert json.loads(printed) == exact
    assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize("body", [None, "", "not JSON", "[1]", '{"prompt": "x"}', 7])
def test_without_the_wire_the_canonical_messages_are_printed(body: Any) -> None:
    printed = json.loads(messages(one_call(body), 1))
    assert [(m["role"], m["text"]) for m in printed] == [("system", "You deploy."), ("user", "deploy the backend")]


def test_calls_bear_the_numbers_of_the_story() -> None:
    trace = a_run()
    assert json.loads(messages(trace, 3))[1]["text"] == "summary"


def test_numbers_that_repeat_give_way_to_the_place_in_the_trace() -> None:
    """As after a resume, where a new process counts from 1 again."""
    trace = Trace()
    for text in ("first", "second"):
        trace.append("model_request", n=1, **request(Message("user", text)))
    assert "(call 2)" in "".join(story(trace))
    assert json.loads(messages(trace, 2))[0]["text"] == "second"


def test_a_call_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="there is no model call 4: the trace holds calls 1 to 3"):
        messages(a_run(), 4)
    with pytest.raises(LookupError, match="the trace holds no model call"):
        messages(Trace(), 1)


def test_a_written_trace_tells_the_same_story(tmp_path: Path) -> None:
    written = Trace(tmp_path / "a.jsonl")
    written.append("launched", trigger={"text": "deploy"})
    written.append("model_request", n=1, **request(SYSTEM, USER))
    written.close()
    assert story(Trace.read(tmp_path / "a.jsonl")) == story(written)
