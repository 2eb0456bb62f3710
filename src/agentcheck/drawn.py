"""Values for a JSON Schema as a Hypothesis strategy: what the schema allows, drawn and shrunk.

hypothesis-jsonschema 0.23.1 does not run on today's Hypothesis (`many` has lost `more`), hence this.
Keywords that the strategy does not build are enforced by the validator, as a filter.
"""

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agentcheck.jsonvalues import example

_TEXT: Final = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))
_FREE: Final = st.one_of(st.none(), st.booleans(), st.integers(-1000, 1000), st.text(_TEXT, max_size=20))
_FORMATS: Final[dict[str, st.SearchStrategy[str]]] = {
    "date": st.dates().map(str),
    "date-time": st.datetimes().map(lambda d: d.isoformat() + "Z"),
    "time": st.times().map(lambda t: t.isoformat() + "Z"),
    "email": st.emails(),
    "uuid": st.uuids().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
}
_DEEPEST: Final = 4


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """JSON values that the schema allows; `$ref` to its own definitions is followed, a few levels deep."""
    check = Draft202012Validator(schema)
    return _Builder(schema).build(schema, 0).filter(check.is_valid)


class _Builder:
    def __init__(self, root: Mapping[str, Any]):
        self.root = root

    def build(self, schema: Any, depth: int) -> st.SearchStrategy[Any]:
        if not isinstance(schema, Mapping):
            return _FREE
        schema = self._resolved(schema)
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if depth > _DEEPEST:
            return st.just(example({**schema, "$defs": self.root.get("$defs", {})}))
        for several in ("anyOf", "oneOf"):
            if schema.get(several):
                rest = {k: v for k, v in schema.items() if k != several}
                return st.one_of([self.build({**rest, **self._resolved(o)}, depth + 1) for o in schema[several]])
        if "allOf" in schema:
            return self.build(self._merged(schema), depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
        kinds = schema.get("type", "object" if "properties" in schema else None)
        if kinds is None:
            return _FREE
        if isinstance(kinds, list):
            return st.one_of([self._typed({**schema, "type": kind}, depth) for kind in kinds])
        builders = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda *_: st.booleans(),
            "null": lambda *_: st.none(),
        }
        return builders[kinds](schema, depth) if kinds in builders else st.nothing()

    def _object(self, schema: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
        parts = {name: self.build(part, depth + 1) for name, part in schema.get("properties", {}).items()}
        required = {n: parts.get(n, _FREE) for n in schema.get("required", ())}
        optional = {n: s for n, s in parts.items() if n not in required}
        known = st.fixed_dictionaries(required, optional=optional)
        if parts or schema.get("additionalProperties", True) is False:
            return known
        return st.dictionaries(
            st.text(_TEXT, min_size=1, max_size=10),
            self.build(schema.get("additionalProperties"), depth + 1),
            max_size=3,
        )

    def _array(self, schema: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
        first = [self.build(part, depth + 1) for part in schema.get("prefixItems", ())]
        low = schema.get("minItems", 0)
        high = min(schema.get("maxItems", low + 3), low + 3)
        items = self.build(schema.get("items", {"type": "string"}), depth + 1)
        rest = st.lists(items, min_size=max(0, low - len(first)), max_size=max(0, high - len(first)))
        unique = rest.filter(lambda v: len({repr(i) for i in v}) == len(v)) if schema.get("uniqueItems") else rest
        return st.tuples(*first, unique).map(lambda t: [*t[:-1], *t[-1]])

    def _string(self, schema: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
        if "pattern" in schema:
            return st.from_regex(schema["pattern"], alphabet=_TEXT)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        low = schema.get("minLength", 0)
        return st.text(_TEXT, min_size=low, max_size=schema.get("maxLength", low + 30))

    def _integer(self, schema: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
        low, high = _bounds(schema, 1)
        step = int(schema.get("multipleOf", 1)) or 1
        return st.integers(low, high).map(lambda n: n // step * step)

    def _number(self, schema: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
        low, high = _bounds(schema, 0)
        whole = st.integers(None if low is None else -(-low // 1), None if high is None else high // 1)
        return st.one_of(st.floats(low, high, allow_nan=False, allow_infinity=False, width=32), whole)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in range(_DEEPEST):
            if "$ref" not in schema:
                break
            found: Any = self.root
            for part in str(schema["$ref"]).lstrip("#/").split("/"):
                found = found.get(part, {}) if isinstance(found, Mapping) else {}
            schema = {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def _merged(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        whole: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
        for part in map(self._resolved, schema["allOf"]):
            properties = {**whole.get("properties", {}), **part.get("properties", {})}
            required = [*whole.get("required", ()), *part.get("required", ())]
            whole = {**whole, **part, **({"properties": properties, "required": required} if properties else {})}
        return whole


def _bounds(schema: Mapping[str, Any], open_step: int) -> tuple[Any, Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and isinstance(schema.get("exclusiveMinimum"), (int, float)):
        low = schema["exclusiveMinimum"] + open_step
    if high is None and isinstance(schema.get("exclusiveMaximum"), (int, float)):
        high = schema["exclusiveMaximum"] - open_step
    return low, high
