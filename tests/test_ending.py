"""How a run ended, and what it did twice."""

import pytest

from agentcheck.ending import cut_off, done_more_often, done_twice, unclear
from agentcheck.trace import Trace


def ended(status: str, **data: object) -> Trace:
    trace = Trace()
    trace.append("finished", status=status, **data)
    return trace


GOOD = ended("finished", result={"status": "done", "message": "v1 is deployed"})


@pytest.mark.parametrize(
    "run",
    [
        ended("finished", result={"status": "failed", "message": ""}),
        ended("finished", result="Sorry, the model does not answer."),
        ended("failed", error={"kind": "RateLimitError", "message": "429"}),
        ended("waiting", questions=[]),
    ],
)
def test_an_end_that_says_something_of_its_own_is_clear(run):
    assert unclear(run, GOOD) is None


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (ended("finished", result=None), "says nothing"),
        (ended("finished", result={"status": "done", "message": ""}), "says nothing"),
        (ended("finished", result="v1 is deployed"), "says nothing"),
        (ended("timeout", seconds=5), "never ended"),
        (ended("exited", code=1), "went away"),
        (ended("stalled"), "stopped without"),
        (Trace(), "never ended"),
    ],
)
def test_an_end_like_a_success_or_none_at_all_is_not(run, why):
    assert why in (unclear(run, GOOD) or "")


def test_a_run_that_was_killed_was_cut_off():
    trace = ended("waiting", questions=[])
    assert not cut_off(trace)
    trace.append("killed", point="51 model calls and no end")
    assert cut_off(trace)


def calls(*decisions: int | None, effects: int) -> Trace:
    trace = Trace()
    trace.append("effect", tool="deploy", call="t0")  # before the model was asked: the agent's own doing
    trace.append("model_reply", n=1, decision={})
    for decision in decisions:
        trace.append("tool_called", tool="deploy", call="t", decision=decision)
    for _ in range(effects):
        trace.append("effect", tool="deploy", call="t")
    return trace


def test_two_effects_of_one_decision_are_one_too_many():
    assert done_twice(calls(1, None, effects=2)) == "deploy"


def test_an_effect_for_each_decision_is_right():
    assert done_twice(calls(1, 4, effects=2)) is None
    assert done_twice(calls(None, effects=1)) is None


def test_what_was_done_more_often_is_named():
    assert done_more_often(calls(1, 4, effects=2), calls(1, effects=1)) == "deploy"
    assert done_more_often(calls(1, effects=1), calls(1, 4, effects=2)) is None
