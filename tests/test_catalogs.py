"""What the model can choose from, judged over requests alone."""

from collections.abc import Sequence
from typing import Any

import pytest

from agentcheck.catalogs import REPLY, schema_error, schemas, turns, undescribed, unexplained
from agentcheck.messages import Decision, Message, Request, ToolSpec
from agentcheck.trace import Trace


def tool(name: str, description: str = "d", **properties: Any) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": properties})


TAGS, DEPLOY = tool("list_tags"), tool("deploy")


def trace_of(*asked: tuple[Sequence[ToolSpec], Sequence[str]], prompt: str = "You deploy.") -> Trace:
    """A run of these requests: the tools of each, and its messages, of which the first is the task."""
    trace = Trace()
    for tools, said in asked:
        messages = (Message("system", prompt), *(Message("user", text) for text in said))
        trace.append("model_request", request=Request("openai-chat", messages, tuple(tools)), raw=None)
        trace.append("model_reply", decision=Decision("ok"))
    return trace


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        (tool("a", x={"type": "string", "description": "the x"}), []),
        (tool("a", "", x={"type": "string"}), ["a", "a.x"]),
        (tool("a", x={"anyOf": [{"type": "string", "description": "the x"}, {"type": "null"}]}), []),
        (tool("a", x={"const": 1}), []),
        (tool("a", x=True), ["a.x"]),
        (ToolSpec("a", "d"), []),
        (
            ToolSpec("a", "d", {"properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"description": "the x"}}}),
            [],
        ),
    ],
)
def test_what_carries_no_description(spec: ToolSpec, missing: list[str]) -> None:
    assert undescribed(spec) == missing


def test_schemas_of_tools_and_of_the_reply() -> None:
    trace = Trace()
    reply = {"anyOf": [{"type": "object"}]}
    hosted = ToolSpec("web_search", hosted=True)
    trace.append("model_request", request=Request("openai-chat", (), (TAGS, hosted), schema=reply), raw=None)
    found = schemas(trace)
    assert list(found) == ["list_tags", REPLY]
    assert all(schema_error(parameters, asked.request) is None for asked, parameters in found.values())


def test_a_type_that_no_schema_language_has() -> None:
    for dialect in ("openai-chat", "reducer"):
        error = schema_error(tool("a", price={"type": "money"}).parameters, Request(dialect, ()))
        assert error is not None
        assert "money" in error


def changes(trace: Trace) -> list[str]:
    return [change for pair in turns(trace) if (change := unexplained(trace, *pair))]


def test_the_same_tools_at_every_turn() -> None:
    both = (TAGS, DEPLOY)
    assert changes(trace_of((both, ["go"]), (both, ["go", "tags: v1"]), (both, ["go", "tags: v1", "done"]))) == []


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ((DEPLOY, TAGS), "the same tools came in another order: deploy, list_tags after list_tags, deploy"),
        ((TAGS,), "deploy went without a word"),
        ((TAGS, DEPLOY, tool("rollback")), "rollback came without a word"),
        ((TAGS, tool("deploy", "Deploy now")), "deploy changed without a word"),
    ],
)
def test_tools_that_change_without_a_word(later: Sequence[ToolSpec], said: str) -> None:
    both = (TAGS, DEPLOY)
    assert changes(trace_of((both, ["go"]), (later, ["go", "ok"]), (later, ["go", "ok", "ok"]))) == [said]


def test_a_change_that_the_model_is_told_of() -> None:
    both = (TAGS, DEPLOY)
    assert changes(trace_of((both, ["go"]), ((TAGS,), ["go", "deploy is frozen now"]), ((TAGS,), ["go", "x"]))) == []


def test_choices_that_come_from_a_result() -> None:
    before, after = tool("deploy", tag={"enum": ["?"]}), tool("deploy", tag={"enum": ["?", "v1.2"]})
    assert changes(trace_of(([before], ["go"]), ([after], ["go", "tags: v1.2"]), ([after], ["go", "x"]))) == []


def test_a_last_request_for_closing_words_offers_nothing() -> None:
    both = (TAGS, DEPLOY)
    assert changes(trace_of((both, ["go"]), (both, ["go", "x"]), ((), ["go", "x", "sum up"]))) == []
    assert changes(trace_of((both, ["go"]), ((), ["go", "x"]), ((), ["go", "x", "y"]))) != []


def test_another_conversation_has_tools_of_its_own() -> None:
    trace = trace_of(([TAGS], ["go"]), ([TAGS], ["go", "x"]))
    for event in trace_of(([DEPLOY], ["look into it"]), prompt="You look into things."):
        trace.append(event.type, **event.data)
    trace.append("model_request", request=trace.requests()[1].request, raw=None)
    assert changes(trace) == []
