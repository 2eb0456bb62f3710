"""Arguments made from a schema, and whether they arrived as they were decided on."""

from typing import Any

import pytest

from agentcheck.arguments import Schema, rewritten
from agentcheck.catalogs import undescribed
from agentcheck.jsonvalues import example_arguments
from agentcheck.messages import ToolSpec

DEPLOY = {
    "type": "object",
    "properties": {
        "tag": {"type": "string"},
        "environment": {"$ref": "#/$defs/Where"},
        "retries": {"type": "integer", "minimum": 0, "default": 3},
        "share": {"type": "number"},
    },
    "required": ["tag", "environment"],
    "additionalProperties": False,
    "$defs": {"Where": {"enum": ["staging", "production"]}},
}
GOOD = {"tag": "v1", "environment": "staging"}


def test_every_way_to_break_a_schema_breaks_it() -> None:
    schema = Schema(DEPLOY)
    broken = schema.broken(GOOD)
    assert [how.partition(":")[0] for how in broken] == [
        "a required argument is missing",
        "an argument of the wrong type",
        "a number where a text belongs",
        "a value that is none of the choices",
        "an argument that the schema does not know",
    ]
    assert not any(schema.accepts(arguments) for arguments in broken.values())


@pytest.mark.parametrize(
    ("parameters", "ways"),
    [
        ({"type": "object", "properties": {"tag": {}}}, 0),
        ({"type": "object", "properties": {"tag": {"type": "string"}}}, 1),
        ({"type": "object", "properties": {"tag": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, 1),
        ({"type": "object", "properties": {"level": {"type": "integer", "enum": [1, 2]}}}, 2),
    ],
)
def test_only_what_the_schema_can_express_is_broken(parameters: dict[str, Any], ways: int) -> None:
    assert len(Schema(parameters).broken({})) == ways


def test_whatever_is_drawn_is_accepted_and_the_same_every_time() -> None:
    schema = Schema(DEPLOY)
    drawn = schema.any(8)
    assert len(drawn) >= 4
    assert all(schema.accepts(arguments) for arguments in drawn)
    assert drawn == Schema(dict(DEPLOY)).any(8)


def test_no_drawn_text_ends_in_a_newline_that_only_python_lets_pass() -> None:
    one = {"type": "object", "properties": {"n": {"type": "string", "pattern": "^[0-9]$"}}, "required": ["n"]}
    assert {a["n"][-1] for a in Schema(one).any(40)} <= set("0123456789")


def test_plain_arguments_are_without_and_with_what_is_optional() -> None:
    least, most = Schema(DEPLOY).plain()
    assert set(least) == {"tag", "environment"}
    assert set(most) == {"tag", "environment", "retries", "share"}


def test_telling_values_stand_where_the_schema_lets_them() -> None:
    told = Schema(DEPLOY).telling(GOOD)
    assert [a["tag"] for a in told] == ["1.10", 'It\'s "Quoted" \\ & é', "007", "true"]
    assert {a["environment"] for a in told} == {"staging"}
    assert told[0]["retries"] == 0


def test_formats_are_left_as_they_are() -> None:
    day = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}}
    assert Schema(day).telling({"day": "2026-01-31"}) == [{"day": "2026-01-31"}]


@pytest.mark.parametrize(
    "parameters", [{"type": "object", "properties": {"price": {"type": "money"}}}, {"type": "object"}, {}]
)
def test_a_schema_that_is_no_use(parameters: dict[str, Any]) -> None:
    assert not Schema(parameters).usable


@pytest.mark.parametrize(
    ("decided", "received"),
    [
        (GOOD, GOOD),
        (GOOD, {**GOOD, "retries": 3}),
        (GOOD, {**GOOD, "idempotency_key": "k"}),
        (GOOD, {"args": {**GOOD, "retries": 3}}),
        (GOOD, {"context": {}, "payload": '{"tag": "v1", "environment": "staging"}'}),
        (GOOD, {"version": "v1", "where": "staging"}),
        ({"share": 0.1}, {"share": "0.1"}),
        ({"share": 1}, {"share": 1.0}),
        ({}, {}),
    ],
)
def test_arguments_that_arrived_as_decided(decided: dict[str, Any], received: Any) -> None:
    assert rewritten(decided, received, DEPLOY) is None


@pytest.mark.parametrize(
    ("decided", "received", "said"),
    [
        ({"tag": "007"}, {"tag": 7}, "tag = '007' arrived as 7"),
        ({"tag": "V1"}, {"tag": "v1"}, "tag = 'V1' arrived as 'v1'"),
        ({"retries": 1}, {"retries": True}, "retries = 1 arrived as True"),
        ({"retries": 1}, {"retries": "1"}, "retries = 1 arrived as '1'"),
        ({"tag": "v1"}, {"tag": "v1", "retries": 5}, "retries, by default 3, arrived as 5"),
        ({"tag": "v1"}, {}, "tag = 'v1' did not arrive"),
        ({"tag": "v1"}, ["v1"], "['v1'] arrived instead of an object"),
    ],
)
def test_arguments_that_did_not(decided: dict[str, Any], received: Any, said: str) -> None:
    assert rewritten(decided, received, DEPLOY) == said


@pytest.mark.parametrize(
    "parameters",
    [
        *([1], "text", 3, True, {"$ref": ["x"]}, {"$ref": "#/nowhere"}),
        {"type": "object", "properties": ["limit"], "required": "limit"},
        {"type": "object", "properties": {"limit": {"enum": 3, "minimum": "x"}}, "required": ["limit"]},
        {"type": "object", "properties": {"limit": {"anyOf": 3}}, "required": ["limit"]},
        {"type": "object", "properties": {"limit": {"type": "string", "pattern": "("}}, "required": ["limit"]},
    ],
)
def test_an_agent_may_send_as_a_schema_what_is_none(parameters: Any) -> None:
    schema = Schema(parameters)
    assert not schema.usable
    assert isinstance(example_arguments(parameters), dict)
    assert undescribed(ToolSpec("list_git_tags", "Lists tags.", parameters)) in ([], ["list_git_tags.limit"])


@pytest.mark.parametrize(
    ("limit", "found"),
    [({"type": "integer", "not": {"const": 1}}, True), ({"minimum": 5, "maximum": 2}, False), ({}, True)],
)
def test_where_the_plainest_example_is_not_accepted_another_is_looked_for(limit: dict[str, Any], found: bool) -> None:
    limit = {"type": "integer", **limit}
    schema = Schema({"type": "object", "properties": {"limit": limit}, "required": ["limit", "unlisted"]})
    assert bool(schema.plain()) is found
    assert all(schema.accepts(arguments) for arguments in schema.plain())
