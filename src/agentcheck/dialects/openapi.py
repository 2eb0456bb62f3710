"""Schemas in Google's subset of OpenAPI 3.0, as the JSON Schema that the rest of agentcheck reads.

Source: https://ai.google.dev/api/caching#Schema. Types in capitals, `nullable`, and some keywords of OpenAPI alone.
What is no type of theirs stays as it is, so that it can be found wrong.
"""

from collections.abc import Mapping
from typing import Any, Final

_TYPES: Final = frozenset({"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"})
_ONE: Final = ("items", "additionalProperties", "additional_properties")
_SEVERAL: Final = ("anyOf", "any_of", "prefixItems")
_NAMED: Final = ("properties", "$defs", "defs")
_NUMBERS: Final = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_SPELT: Final = {"any_of": "anyOf", "additional_properties": "additionalProperties", "defs": "$defs"}


def json_schema(schema: Any) -> Any:
    """The same schema in the words of JSON Schema 2020-12; what is no object is given back as it is."""
    if not isinstance(schema, Mapping):
        return schema
    found = {_SPELT.get(key, key): _part(key, value) for key, value in schema.items() if key != "nullable"}
    if schema.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if isinstance(found.get("enum"), list):
            found["enum"] = [*found["enum"], None]
    return found


def _part(key: str, value: Any) -> Any:
    if key == "type" and isinstance(value, str):
        return value.lower() if value in _TYPES else value
    if key in _ONE:
        return json_schema(value)
    if key in _SEVERAL and isinstance(value, list):
        return [json_schema(item) for item in value]
    if key in _NAMED and isinstance(value, Mapping):
        return {name: json_schema(part) for name, part in value.items()}
    if key in _NUMBERS and isinstance(value, str) and value.isdigit():
        return int(value)  # int64 is a string in protobuf's JSON
    return value
