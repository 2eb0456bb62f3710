"""Context windows: views compared with the wire, calls paired with results, omissions that are said."""

import json
from typing import Any

import pytest

from agentcheck.finding import Untestable
from agentcheck.messages import Message, Request, ToolCall
from agentcheck.trace import Event, Trace
from agentcheck.window import growth, leaves_a_mark, unpaired, view_differs

CALL = ToolCall("look", '{"at": "sky"}', "c1")
SENT = (
    Message("system", "You look."),
    Message("user", "Look at it."),
    Message("assistant", "", (CALL,)),
    Message("tool", "It is red.", call_id="c1"),
)
WIRE: list[dict[str, Any]] = [
    {"role": "developer", "content": "You look."},
    {"role": "user", "content": [{"type": "text", "text": "Look at it."}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": '{"at": "sky"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "It is red."},
]


def asked(*messages: Message, trace: Trace | None = None) -> Event:
    run = trace or Trace()
    return run.append("model_request", n=len(run) + 1, request=Request("openai-chat", messages), raw=None)


@pytest.mark.parametrize(
    "shown",
    [
        WIRE,
        json.dumps(WIRE),
        {"model": "m", "messages": WIRE},
        "system: You look.\nuser: Look at it.\n-> look({'at': 'sky'})\n<- It is red.",
    ],
    ids=["array", "JSON", "request", "text"],
)
def test_a_view_in_any_form_equals_the_wire(shown: Any) -> None:
    assert view_differs(shown, asked(*SENT)) is None


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (WIRE[:-1], "the view has 3 messages, the request 4"),
        ([*WIRE[:1], {"role": "user", "content": "Look."}, *WIRE[2:]], "message 2 is user “Look.” in the view"),
        ("You look. Look at it.", "message 3 of the request is not in the view"),
    ],
)
def test_what_a_view_leaves_out_is_named(shown: Any, said: str) -> None:
    assert said in str(view_differs(shown, asked(*SENT)))


@pytest.mark.parametrize("shown", [None, 7, [1, 2], {"a": "b"}])
def test_a_view_of_another_kind_is_not_judged(shown: Any) -> None:
    with pytest.raises(Untestable, match="neither a list of messages nor text"):
        view_differs(shown, asked(*SENT))


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (SENT, None),
        (SENT[:-1], "has no result"),
        ((*SENT, SENT[-1]), "two results"),
        ((*SENT[:2], SENT[3]), "no earlier message calls"),
        ((*SENT, SENT[2]), "two calls have the id"),
    ],
)
def test_calls_and_results_pair(messages: tuple[Message, ...], said: str | None) -> None:
    wrong = unpaired(Request("openai-chat", messages))
    assert wrong is None if said is None else said in str(wrong)


@pytest.mark.parametrize(
    ("kept", "marked"),
    [
        ((), False),
        ((Message("user", "It is red."),), False),  # what was said, abridged, and no word about it
        ((Message("user", "Earlier messages were left out."),), True),
        ((Message("user", "Frühere Nachrichten fehlen."),), True),
        ((Message("user", "…"),), True),
    ],
)
def test_an_omission_is_marked_by_words_that_nobody_had_said(kept: tuple[Message, ...], marked: bool) -> None:
    run = Trace()
    before = asked(*SENT, trace=run)
    run.append("tool_returned", call="t1", tool="look", value="It is red.")
    assert leaves_a_mark(run, before, asked(*SENT[:2], *kept, trace=run)) is marked


def test_growth_is_from_one_request_to_the_next() -> None:
    requests = [asked(Message("user", "x" * n)) for n in (1, 3, 7)]
    assert growth(requests, lambda e: len(e.request.messages[0].text)) == [2, 4]
