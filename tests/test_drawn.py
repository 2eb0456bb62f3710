"""Drawn values satisfy their schema, and schemas of every shape can be drawn from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agentcheck.drawn import values
from agentcheck.jsonvalues import example

SCHEMAS = {
    "no arguments": {"type": "object", "properties": {}, "additionalProperties": False},
    "required and optional": {
        "type": "object",
        "properties": {"tag": {"type": "string", "minLength": 2}, "dry": {"type": "boolean"}},
        "required": ["tag"],
        "additionalProperties": False,
    },
    "numbers": {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 3, "exclusiveMaximum": 9},
            "x": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        },
        "required": ["n", "x"],
    },
    "enum and null": {"type": "object", "properties": {"e": {"enum": ["a", None]}}, "required": ["e"]},
    "nullable": {"type": "object", "properties": {"s": {"type": ["string", "null"]}}, "required": ["s"]},
    "nested list": {
        "type": "object",
        "properties": {"l": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Item"}}},
        "required": ["l"],
        "$defs": {"Item": {"type": "object", "properties": {"k": {"const": 1}}, "required": ["k"]}},
    },
    "choice": {
        "anyOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"type": "null"}]
    },
    "pattern": {
        "type": "object",
        "properties": {"v": {"type": "string", "pattern": r"^v\d+\.\d+$"}},
        "required": ["v"],
    },
    "all of": {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}]},
    "recursive": {
        "type": "object",
        "properties": {"child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_drawn_values_satisfy_the_schema(schema):
    seen = []

    @settings(max_examples=30, database=None, derandomize=True, deadline=None)
    @given(values(schema))
    def holds(value):
        Draft202012Validator(schema).validate(value)
        seen.append(value)

    holds()
    assert seen


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_example_satisfies_the_schema(schema):
    Draft202012Validator(schema).validate(example(schema))


@given(st.sampled_from(sorted(SCHEMAS)))
@settings(max_examples=10, database=None, derandomize=True)
def test_the_example_is_the_same_every_time(name):
    assert example(SCHEMAS[name]) == example(SCHEMAS[name])
