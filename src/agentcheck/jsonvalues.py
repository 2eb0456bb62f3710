"""One plain example for a JSON Schema: the same every time, as small as the schema allows."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_TEXT_BY_FORMAT = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}
_DEEPEST = 12


def example(schema: Mapping[str, Any] | bool, *, text: str = "example", required_only: bool = True) -> Any:
    """A value that satisfies `schema` in all ordinary cases.

    None where `schema` is no JSON Schema, which F04-schema-is-valid reports.

    Args:
        schema: a JSON Schema; `$ref` to its own `$defs` or `definitions` is followed.
        text: what free strings are.
        required_only: leave optional properties out.
    """
    try:
        return _Maker(schema, text, required_only).make(schema, 0)
    except (AttributeError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError, re.error):
        return None


def example_arguments(schema: Mapping[str, Any] | bool, *, text: str = "example") -> dict[str, Any]:
    """A tool's arguments by such an example; none where its schema does not describe an object."""
    made = example(schema, text=text)
    return made if isinstance(made, dict) else {}


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any] | bool) -> Mapping[str, Any]:
    """This part of the schema `root` with its `$ref` followed and its `allOf` merged."""
    maker = _Maker(root, "", True)
    schema = maker.resolved(schema)
    return maker.merged(schema) if "allOf" in schema else schema


class _Maker:
    def __init__(self, root: Mapping[str, Any] | bool, text: str, required_only: bool):
        self.root = root
        self.text = text
        self.required_only = required_only

    def make(self, schema: Mapping[str, Any] | bool, depth: int) -> Any:
        if isinstance(schema, bool) or depth > _DEEPEST:
            return None
        schema = self.resolved(schema)
        for given in ("const", "default"):
            if given in schema:
                return schema[given]
        for choice in ("enum", "examples"):
            if schema.get(choice):
                return schema[choice][0]
        for several in ("anyOf", "oneOf"):
            if schema.get(several):
                return self.make(self.first_value(schema[several]), depth + 1)
        if "allOf" in schema:
            return self.make(self.merged(schema), depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((k for k in kind if k != "null"), "null")
        maker = getattr(self, f"_{kind}", None)
        return maker(schema, depth) if maker else None

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        seen = set()
        while "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            found: Any = self.root
            for part in str(schema["$ref"]).lstrip("#/").split("/"):
                found = found.get(part, {}) if isinstance(found, Mapping) else {}
            schema = {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def merged(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        whole: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
        for part in schema["allOf"]:
            part = self.resolved(part)
            properties = {**whole.get("properties", {}), **part.get("properties", {})}
            required = [*whole.get("required", []), *part.get("required", [])]
            whole = {**whole, **part} | ({"properties": properties, "required": required} if properties else {})
        return whole

    def first_value(self, options: list[Any]) -> Mapping[str, Any]:
        solid = [o for o in options if isinstance(o, Mapping) and o.get("type") != "null"]
        return solid[0] if solid else {"type": "null"}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        parts = {**{name: {} for name in required}, **schema.get("properties", {})}
        return {
            name: self.make(part, depth + 1)
            for name, part in parts.items()
            if name in required or not self.required_only
        }

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        prefix = [self.make(part, depth + 1) for part in schema.get("prefixItems", [])]
        missing = max(schema.get("minItems", 0), 0 if self.required_only else 1) - len(prefix)
        return prefix + [self.make(schema.get("items", {"type": "string"}), depth + 1) for _ in range(missing)]

    def _string(self, schema: Mapping[str, Any], depth: int) -> str:
        if "pattern" in schema:
            return _matching(schema["pattern"])
        text = _TEXT_BY_FORMAT.get(schema.get("format", ""), self.text)
        text = text.ljust(schema.get("minLength", 0), "x")
        return text[: schema.get("maxLength", len(text))]

    def _integer(self, schema: Mapping[str, Any], depth: int) -> int:
        return int(self._number(schema, depth))

    def _number(self, schema: Mapping[str, Any], depth: int) -> float | int:
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is None and isinstance(schema.get("exclusiveMinimum"), (int, float)):
            low = schema["exclusiveMinimum"] + 1
        if high is None and isinstance(schema.get("exclusiveMaximum"), (int, float)):
            high = schema["exclusiveMaximum"] - 1
        value: float | int = low if low is not None else min(1, high) if high is not None else 1
        step = schema.get("multipleOf")
        return value if not step or value % step == 0 else (value // step + 1) * step

    def _boolean(self, schema: Mapping[str, Any], depth: int) -> bool:
        return True

    def _null(self, schema: Mapping[str, Any], depth: int) -> None:
        return None


@cache
def _matching(pattern: str) -> str:
    """The shortest simple text that matches a regular expression."""
    from hypothesis import Phase, find, settings
    from hypothesis.errors import HypothesisException
    from hypothesis.strategies import from_regex

    quick = settings(phases=[Phase.generate, Phase.shrink], derandomize=True, database=None, deadline=None)
    try:
        return find(from_regex(pattern, fullmatch=True), lambda _: True, settings=quick)
    except HypothesisException:
        return "example"
