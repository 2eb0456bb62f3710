"""What model calls cost."""

from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.spending import said, sent, spent
from agentcheck.trace import Trace


def test_four_characters_are_a_token():
    assert sent(Request("test", (Message("user", "x" * 400),))) == 100
    assert said(Decision("x" * 40, (ToolCall("t" * 10, "a" * 30),))) == 20


def test_a_run_costs_what_its_answered_calls_cost():
    trace = Trace()
    for _ in range(2):
        trace.append("model_request", n=1, request=Request("test", (Message("user", "x" * 400),)))
        trace.append("model_reply", n=1, decision=Decision("x" * 40))
    trace.append("model_request", n=3, request=Request("test", (Message("user", "x" * 400),)))
    assert spent(trace) == 220
