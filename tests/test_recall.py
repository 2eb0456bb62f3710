"""Facts of a run, and whether a later request still holds them."""

from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.recall import facts, forgotten, how_ended, is_within, told
from agentcheck.trace import Trace


def asked(*texts):
    return Request(dialect="x", messages=tuple(Message("user", text) for text in texts))


def story():
    trace = Trace()
    trace.append("launched", triggers={"main": {"text": "Deploy v1.2.3", "to": "ops"}})
    trace.append("model_reply", decision=Decision("", (ToolCall("deploy", '{"tag": "v1.2.3", "n": 4711}', "c1"),)))
    trace.append("tool_returned", call="t1", tool="deploy", value={"status": "queued", "id": 81})
    trace.append("tool_failed", call="t2", tool="deploy", kind="E", message="no route")
    trace.append("answered", id="q", answer={"type": "Denied", "reason": "too late"})
    return trace


def test_facts_come_from_triggers_decisions_results_errors_and_answers():
    assert list(facts(story())) == ["Deploy v1.2.3", "ops", "v1.2.3", "4711", "queued", "no route", "too late"]


def test_a_fact_is_credited_to_the_event_that_brought_it_first():
    trace = story()
    assert facts(trace)["queued"] is trace.of("tool_returned")[0]
    assert "queued" not in facts(trace, before=trace.of("tool_returned")[0])


def test_only_what_the_reference_shows_can_be_forgotten():
    known = facts(story())
    lost = forgotten(known, asked('{"tag": "v1.2.3"}', "queued"), asked("tag v1.2.3"))
    assert list(lost) == ["queued"]


def test_facts_are_found_in_any_encoding():
    assert "naïve" in told(asked('{"a": {"b": "na\\u00efve"}}'))
    call = Message("assistant", "", (ToolCall("look", '{"where": "caf\\u00e9"}', "c"),))
    assert "café" in told(Request(dialect="x", messages=(call,)))


def test_a_request_within_another_begins_it_whatever_its_ids():
    one = Message("assistant", "", (ToolCall("look", "{}", "call_1"),))
    other = Message("assistant", "", (ToolCall("look", "{}", "call_2"),))
    first, second = Request(dialect="x", messages=(one,)), Request(dialect="x", messages=(other, Message("user", "so")))
    assert is_within(first, second)
    assert not is_within(second, first)


def test_an_error_is_part_of_how_a_run_ended():
    trace = Trace()
    trace.append("finished", status="failed", error={"kind": "KeyError", "message": "'x'", "where": ""})
    assert how_ended(trace) == "failed (KeyError: 'x')"
