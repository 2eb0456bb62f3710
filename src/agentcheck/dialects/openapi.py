"""Schemas in Google's subset of OpenAPI 3.0, as the JSON Schema that the rest of agentcheck reads.

Source: https://ai.google.dev/api/caching#Schema. Types in capitals, `nullable`, and few of JSON Schema's keywords: one
that the subset lacks makes Google refuse the whole request. What JSON Schema would take all the same is noted in a
`$comment` of the part, which validates nothing, so that `schema_error` finds it in what is left of the schema.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentcheck.dialects.schema import TOO_DEEP, json_schema_error
from agentcheck.wire import WireError

_TYPES: Final = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")  # numbered from 1 by protobuf
_SPELT: Final = {
    "any_of": "anyOf", "additional_properties": "additionalProperties", "min_items": "minItems",
    "max_items": "maxItems", "min_length": "minLength", "max_length": "maxLength", "min_properties": "minProperties",
    "max_properties": "maxProperties", "property_ordering": "propertyOrdering",
}  # fmt: skip
_FIELDS: Final = frozenset(_SPELT.values()) | {
    "default", "defs", "description", "enum", "example", "format", "items", "maximum", "minimum", "nullable", "pattern",
    "properties", "ref", "required", "title", "type",
}  # fmt: skip
_REFERENCES: Final = {"defs": "$defs", "ref": "$ref"}
_NUMBERS: Final = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_REFUSED: Final = "Google refuses this: "


def json_schema(schema: Any) -> Any:
    """The same schema in the words of JSON Schema 2020-12; what is no object is given back as it is.

    Raises WireError where it is nested too deeply.
    """
    try:
        return _converted(schema)
    except RecursionError:
        raise WireError("a schema is nested too deeply to read") from None


def schema_error(parameters: Mapping[str, Any]) -> str | None:
    """One sentence, or None when valid: of a schema in JSON Schema, or of one that `json_schema` gave."""
    try:
        return json_schema_error(parameters) or next(_refusals(parameters, ""), None)
    except RecursionError:
        return TOO_DEEP


def _refusals(node: Any, where: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        said = node.get("$comment")
        if isinstance(said, str) and said.startswith(_REFUSED):
            yield f"{where or '/'}: {said.removeprefix(_REFUSED)}"
        for key, value in node.items():
            yield from _refusals(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _refusals(value, f"{where}/{index}")


def _converted(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    said = {_SPELT.get(str(key), str(key)): value for key, value in schema.items()}
    found = {_REFERENCES.get(key, key): _part(key, value) for key, value in said.items() if key != "nullable"}
    if said.get("nullable") is True:
        found = _nullable(found)
    if wrong := "; ".join(_wrong(said)):
        found["$comment"] = _REFUSED + wrong
    return found


def _nullable(found: dict[str, Any]) -> dict[str, Any]:
    if isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    if isinstance(found.get("enum"), list):
        found["enum"] = [*found["enum"], None]
    if isinstance(found.get("anyOf"), list):
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
    return found


def _part(key: str, value: Any) -> Any:
    match key, value:
        case "type", _:
            return _type(value)
        case "items" | "additionalProperties" | "not", _:
            return _converted(value)
        case "anyOf" | "oneOf" | "allOf" | "prefixItems", list():
            return [_converted(item) for item in value]
        case "properties" | "$defs" | "defs", Mapping():
            return {name: _converted(part) for name, part in value.items()}
        case "ref", str():
            return value.replace("#/defs/", "#/$defs/", 1)
        case _, str() if key in _NUMBERS and value.isdecimal():
            return int(value)  # int64 is a string in protobuf's JSON
    return value


def _type(value: Any) -> Any:
    """A name in any case; a number where a client writes protobuf's enumerations so."""
    if isinstance(value, list):
        return [_type(item) for item in value]
    if type(value) is int and 0 < value <= len(_TYPES):
        return _TYPES[value - 1].lower()
    return value.lower() if value in _TYPES else value


def _wrong(said: Mapping[str, Any]) -> Iterator[str]:
    """What Google refuses in one part of a schema, and JSON Schema does not."""
    if foreign := sorted(set(said) - _FIELDS):
        yield f"its schemas have no {', '.join(foreign)}; send the schema as parametersJsonSchema"
    if isinstance(said.get("type"), list):
        yield f"a type is one name, found {said['type']}; say nullable for null"
    if _type(said.get("type")) == "array" and "items" not in said:
        yield "an array needs items"
    required, properties = said.get("required"), said.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    if isinstance(required, list) and (missing := [n for n in required if isinstance(n, str) and n not in known]):
        yield f"required names {missing[0]!r:.80}, which is no property"
    enum = said.get("enum")
    if isinstance(enum, list) and not all(isinstance(value, str) for value in enum):
        yield "the values of an enum are texts"
