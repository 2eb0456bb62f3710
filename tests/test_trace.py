"""The record of a run: where its events are found, and that what is kept is what is read back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcheck.messages import Message, ToolCall
from agentcheck.plain import plain
from agentcheck.trace import Event, Trace

TYPES = ("launched", "model_request", "tool_called", "finished")
happened = st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(["main", "other"])), max_size=12)


def trace_of(events, trace=None):
    trace = trace or Trace()
    for type, session in events:
        trace.append(type, session=session, tool=session)
    return trace


def between(trace, types, after, before):
    first, last = after.seq if after else -1, before.seq if before else len(trace)
    return [e for e in trace if first < e.seq < last and (not types or e.type in types)]


@given(happened, st.lists(st.sampled_from(TYPES), max_size=3), st.data())
def test_events_are_found_where_they_are(events, types, data):
    trace = trace_of(events)
    some = st.sampled_from([None, *trace])
    after, before = data.draw(some), data.draw(some)
    expected = between(trace, types, after, before)
    assert trace.of(*types, after=after, before=before) == expected
    assert trace.of(*types, after=after, before=before, tool="main") == [e for e in expected if e["tool"] == "main"]
    earlier = between(trace, types, None, before)
    assert trace.last(*types, before=before) == (earlier or [None])[-1]
    mine = [e for e in earlier if e.session == "other"]
    assert trace.last(*types, before=before, session="other") == (mine or [None])[-1]


@given(happened, happened)
def test_what_comes_after_a_look_is_found_too(events, later):
    trace = trace_of(events)
    assert trace.of() == list(trace)
    trace_of(later, trace)
    assert trace.of("finished") == [e for e in trace if e.type == "finished"]


def test_a_list_that_was_changed_from_outside_is_looked_at_anew():
    trace = trace_of([("launched", "main"), ("finished", "main"), ("finished", "other")])
    assert len(trace.of("finished")) == 2
    trace.events[:] = trace.events[:2]
    assert [e.seq for e in trace.of("finished")] == [1]
    trace.events[:] = [trace.events[1], trace.events[0]]
    assert [e.seq for e in trace.of()] == [1, 0]
    assert trace.last() == trace.events[-1]


def test_a_request_is_read_once_and_is_no_part_of_the_file(tmp_path):
    trace = Trace(tmp_path / "run.jsonl")
    message = Message("user", "hello", (ToolCall("t", "{}", "1"),))
    request = {"dialect": "d", "messages": [message], "tools": [], "settings": {}, "schema": None, "stream": False}
    asked = trace.append("model_request", request=request, raw=None)
    trace.close()
    assert asked.request is asked.request
    assert asked.request.messages == (message,)
    assert Trace.read(tmp_path / "run.jsonl").events == [asked]


@dataclass
class Point:
    x: Any


class Name(str):
    pass


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Point, st.text())
keys = st.text() | st.integers() | st.none()
values = st.recursive(
    leaves, lambda part: st.lists(part) | st.tuples(part) | st.builds(Point, part) | st.dictionaries(keys, part)
)


@given(values)
def test_a_plain_value_is_what_is_read_back(value):
    assert json.loads(json.dumps(plain(value))) == plain(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, {2: b"\xff"}), [1, {"2": "\\xff"}]),
        ({"a": float("nan"), "b": float("-inf")}, {"a": "NaN", "b": "-Infinity"}),
        ({Path("x"), Path("x")}, ["x"]),
        (Point(Point((Name("n"), None))), {"x": {"x": ["n", None]}}),
        (Event(0, 0.0, "r", "s", 0, "t", {}).type, "t"),
    ],
)
def test_what_json_does_not_have_is_put_in_its_terms(value, expected):
    assert plain(value) == expected
    assert type(plain(Name("n"))) is str


def test_a_value_that_holds_itself_is_refused():
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="Circular"):
        plain(endless)
