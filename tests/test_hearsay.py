"""What the model hears of a failure, read off requests in several styles."""

import pytest

from agentcheck.finding import NotReached
from agentcheck.hearsay import beyond, heard, how, names_the_failure, setback, speaks_of_failure, stack_trace, tied
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.trace import Event, Trace

CALL = ToolCall("deploy", "{}", "c1")
ASK = Message("user", "deploy v1")


def run_with(*told: Message, before: tuple[Message, ...] = (ASK,), kind: str = "OSError", message: str = "") -> Trace:
    """A run in which one call fails, and the next request holds these messages anew."""
    trace = Trace()
    trace.append("model_request", n=1, request=Request("test", before))
    trace.append("model_reply", n=1, decision=Decision(calls=(CALL,), finish="calls"))
    trace.append("tool_called", call="t1", tool="deploy", wire="c1", decision=1)
    trace.append("fault_fired", fault="ToolFails(tool='deploy', how=Http(status=503, body=''), times=1)")
    trace.append("tool_failed", call="t1", tool="deploy", kind=kind, message=message)
    trace.append("model_request", n=2, request=Request("test", (*before, Message("assistant", "", (CALL,)), *told)))
    return trace


def failure(trace: Trace) -> Event:
    return setback(trace, "deploy")


def test_the_answer_to_the_call_is_what_is_heard():
    trace = run_with(Message("tool", "it failed", call_id="c1"), Message("user", "hurry up"))
    assert heard(trace, failure(trace)) == "it failed"
    assert tied(trace, failure(trace))


def test_what_quotes_the_failure_is_heard_beside_the_answer():
    trace = run_with(
        Message("tool", "it failed", call_id="c1"), Message("user", "log: kaput"), Message("user", "hurry")
    )
    assert heard(trace, failure(trace), quoting="kaput") == "it failed\nlog: kaput"


def test_an_empty_answer_gives_way_to_what_else_is_new():
    trace = run_with(Message("tool", "", call_id="c1"), Message("user", "deploy failed"))
    assert "deploy failed" in heard(trace, failure(trace))


def test_of_one_message_that_grows_only_the_new_part_is_heard():
    task = "<thread>\n<task>deploy the backend to production</task>\n"
    assert beyond(f"{task}<error>kaput</error>\n</thread>", [f"{task}</thread>"]).strip("</>\n") == "error>kaput</error"


def test_a_text_of_its_own_is_new_as_a_whole():
    assert beyond("deploy failed", ["deploy the backend to production"]) == "deploy failed"


@pytest.mark.parametrize(
    "text",
    [
        "Error: 503",
        "FAILED",
        "could not connect",
        "das Werkzeug ist fehlgeschlagen",
        "ошибка",
        "失败",
        "timed out",
        "it did not end within 5 s",
    ],
)
def test_failures_are_understood_in_many_words(text):
    assert speaks_of_failure(text)


@pytest.mark.parametrize("text", ["", "null", "[]", '{"status": "queued"}', "v1.2.3 is on its way"])
def test_a_result_is_no_failure(text):
    assert not speaks_of_failure(text)


@pytest.mark.parametrize(
    ("kind", "message", "text", "named"),
    [
        ("OSError", "", "deploy failed (OSError)", True),
        ("HTTPError", "HTTP 503", "status 503", True),
        ("TimeoutError", "", "it timed out", True),
        ("TimeoutError", "", "deploy took longer than 8 seconds", True),
        ("TimeoutError", "", "gave up on deploy after a while", True),
        ("RuntimeError", "registry-7 refused", "registry-7 does not answer", True),
        ("HTTPError", "HTTP Error 503", "error", False),
        ("TimeoutError", "", "Error: ", False),
    ],
)
def test_whether_a_text_says_how_it_failed(kind, message, text, named):
    trace = run_with(kind=kind, message=message)
    assert names_the_failure(trace, failure(trace), text) is named


def test_a_body_that_deals_with_its_failure_gives_a_result():
    trace = run_with()
    handled = [e for e in trace.events if e.type != "tool_failed"]
    trace.events[:] = handled[:4]
    returned = trace.append("tool_returned", call="t1", tool="deploy", value="HTTP 503")
    assert setback(trace, "deploy") == returned
    assert names_the_failure(trace, returned, "it said 503")
    assert how(trace, returned) == "deploy failed (503)"


def test_without_a_failure_there_is_no_setback():
    with pytest.raises(NotReached, match="never made to fail"):
        setback(Trace(), "deploy")


def test_a_stack_trace_shows_itself():
    assert stack_trace('x\nTraceback (most recent call last):\n  File "a.py", line 3, in b') is not None
    assert stack_trace('  File "/app/a.py", line 3, in b\n    c()') == 'File "/app/a.py", line 3'
    assert stack_trace("the file a.py, line 3, is wrong") is None
