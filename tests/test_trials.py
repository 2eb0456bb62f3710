"""What became of one decision, read off a trace that is written here by hand."""

from typing import Any, cast

import pytest

from agentcheck.intents import Intent
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.plan import Run
from agentcheck.scenario import call
from agentcheck.stage.tools import handled
from agentcheck.trace import Trace
from agentcheck.trials import Trial, excerpt

TASK = Message("user", "Deploy v1.")
DECIDED = Message("assistant", "", (ToolCall("deploy", "{}", "c1"),))


def asked(trace: Trace, *messages: Message) -> None:
    trace.append("model_request", request=Request("openai-chat", (TASK, *messages)), raw=None)


def trial(*messages: Message, status: str = "finished") -> Trial:
    """A trial whose next request has these messages beyond the task; without any there is no next request."""
    trace = Trace()
    asked(trace)
    reply = trace.append("model_reply", decision=Decision("", DECIDED.calls, "calls"))
    if messages:
        asked(trace, *messages)
    trace.append("finished", status=status, error={"kind": "KeyError", "message": "", "where": ""})
    return Trial(call("deploy"), cast(Run, trace), reply)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([DECIDED, Message("tool", "no such tool", call_id="c1")], "no such tool"),
        ([DECIDED, Message("tool", "", call_id="c1")], ""),
        ([DECIDED, Message("tool", "None", call_id="c1")], ""),
        ([DECIDED], ""),
        ([Message("assistant", '{"intent": "deploy"}')], ""),
        ([Message("user", "Deploy v1.\n<error>no such tool</error>")], "<error>no such tool</error>"),
    ],
)
def test_what_the_model_is_told(messages: list[Message], told: str) -> None:
    assert trial(*messages).told == told


def test_how_a_decision_turned_out() -> None:
    assert trial(DECIDED).outcome == "the model was told nothing"
    assert trial(DECIDED, Message("tool", "no", call_id="c1")).outcome == "the model was told 'no'"
    assert trial(status="failed").outcome == "KeyError ended the run"
    assert trial(status="failed").broke_off
    assert not trial().broke_off
    assert not trial(DECIDED, status="failed").broke_off


def test_a_question_without_an_answer_is_waited_for() -> None:
    waiting = trial(status="waiting")
    waiting.run.append("asked", id="q1", kind="approval", text="May I?")
    assert waiting.waits
    waiting.run.append("answered", id="q1", answer={"type": "Approved"})
    assert not waiting.waits


def test_the_invocation_that_carries_a_decision_out() -> None:
    one = trial()
    one.run.append("tool_called", tool="deploy", call="t1", arguments={}, decision=None)
    assert one.ran is None
    carried = one.run.append("tool_called", tool="deploy", call="t2", arguments={}, decision=one.reply.seq)
    assert one.ran == carried
    assert one.outcome == "deploy ran"


def test_an_excerpt_is_one_line_of_bounded_length() -> None:
    assert excerpt("a\n b") == "a b"
    assert excerpt("x" * 50, most=10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("intent", "written"),
    [
        (Intent("go", "intent", {}), '{"intent": "go", "tag": "v'),
        (Intent("go", "intent", {}, ("next",)), '{"next": {"intent": "go", "tag": "v}'),
        (Intent("go", "tool", {}, (), "args"), '{"tool": "go", "args": {"tag": "v}'),
    ],
)
def test_half_a_decision_in_the_content(intent: Intent, written: str) -> None:
    assert intent.written_as('{"tag": "v') == written


def branches(tag: Any) -> str:
    if tag not in ("v1", "v2"):
        return "no such tag"
    return "ok"


def asserts(tag: Any) -> str:
    assert isinstance(tag, str)
    return "ok"


def validates(**given: Any) -> Any:
    return TagModel.model_validate(given)


def goes_on(tag: Any, verbose: bool = False) -> str:
    if verbose:
        tag = tag.strip()
    return str(tag)


class TagModel:
    @classmethod
    def model_validate(cls, given: Any) -> Any:
        return given


@pytest.mark.parametrize(
    ("function", "may_refuse"), [(branches, True), (asserts, True), (validates, True), (goes_on, False)]
)
def test_a_body_that_may_refuse_its_arguments(function: Any, may_refuse: bool) -> None:
    assert ("arguments" in handled(function)) is may_refuse
