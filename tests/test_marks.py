"""Marks are put where they survive, and values keep their form."""

import json
from typing import Any

import pytest

from agentcheck.marks import with_text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("anything", "mark"),
        ([], ["mark"]),
        (["a", "b"], ["a", "b", "mark"]),
        ({"status": "ok", "note": "all is well"}, {"status": "ok", "note": "mark"}),
        ({"text": "agentcheck-123", "long": "a longer text"}, {"text": "mark", "long": "a longer text"}),
        ([{"id": 7, "name": "Ada"}], [{"id": 7, "name": "mark"}]),
        ('{"a": "b"}', json.dumps({"a": "mark"})),
        (7, None),
        (None, None),
        ({"n": 1, "ok": True}, None),
    ],
)
def test_the_main_text_is_replaced_and_the_form_kept(value: Any, expected: Any) -> None:
    assert with_text(value, "mark") == expected


def test_a_trigger_keeps_what_it_says() -> None:
    trigger = {"text": "Deploy it please", "to": {"channel": "slack"}}
    assert with_text(trigger, "mark", keep=True) == {"text": "Deploy it please (mark)", "to": {"channel": "slack"}}
    assert with_text(["go"], "mark", keep=True) == ["go (mark)"]
