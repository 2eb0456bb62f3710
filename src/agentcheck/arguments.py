"""Arguments made from a tool's schema: telling ones, broken ones, and any that it accepts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Final

from agentcheck.dialects.schema import json_schema_error, readable_here
from agentcheck.jsonvalues import example, resolved

Arguments = dict[str, Any]
_TEXTS: Final = ("1.10", 'It\'s "Quoted" \\ & é', "007", "true")
_TELLING: Final[tuple[Any, ...]] = (*_TEXTS, 0, 1_234_567, 0.1, False, True, [], ["007"])
_MISFITS: Final = ({"unexpected": True}, "neither number nor list nor object")
_LARGEST: Final = 2**53  # beyond it readers of JSON differ (RFC 8259, section 6)
_SEARCHED: Final = 20
_STRANGERS: Final = ("none of these", 987_654_321)


class Schema:
    """The schema of a tool's arguments: `readable` where it is valid itself, `usable` where it also has properties.

    `named` says whether it has any, valid or not; `beyond`: it is valid, with a pattern that Python cannot read.
    """

    def __init__(self, parameters: Mapping[str, Any]):
        self.whole = parameters
        valid = json_schema_error(parameters) is None
        self.beyond = valid and not readable_here(parameters)
        self.readable = valid and not self.beyond
        self.named = isinstance(parameters, Mapping) and bool(parameters.get("properties"))
        self.usable = self.readable and self.named

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.whole["properties"]  # type: ignore[no-any-return]

    def accepts(self, arguments: Any) -> bool:
        return bool(self._validator.is_valid(arguments))

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self.whole)

    def part_accepts(self, name: str, value: Any) -> bool:
        """Whether one property accepts this value, references to the whole schema resolved."""
        shared = {k: self.whole[k] for k in ("$defs", "definitions") if k in self.whole}
        return _valid({**shared, "allOf": [self.properties[name]]}, value)

    # --- arguments that the schema accepts ---------------------------------------------------

    def plain(self) -> list[Arguments]:
        """Without anything optional, and with all of it; where the schema accepts neither, one that it does."""
        found = self._distinct(example(self.whole), example(self.whole, required_only=False))
        return found or self.any(_SEARCHED)[:1]

    def telling(self, good: Arguments) -> list[Arguments]:
        """The good arguments with values that show a cast, a changed case, lost quotes, a dropped zero."""
        fitting = {name: [v for v in _TELLING if self._may_tell(name, v)] for name in self.properties}
        changed = [
            {**good, **{name: values[n % len(values)] for name, values in fitting.items() if values}}
            for n in range(len(_TEXTS))
        ]
        return self._distinct(*changed)

    def _may_tell(self, name: str, value: Any) -> bool:
        said = json.dumps(self.properties[name])  # a format may be checked by the agent, and not by jsonschema
        return '"format"' not in said and self.part_accepts(name, value)

    def any(self, count: int) -> list[Arguments]:
        """Up to `count` arguments as Hypothesis draws them from the schema, the same every time."""
        return self._distinct(*_drawn(json.dumps(self.whole), count))

    def _distinct(self, *several: Any) -> list[Arguments]:
        unique = {json.dumps(a, sort_keys=True): a for a in several}
        return [a for a in unique.values() if isinstance(a, dict) and self.accepts(a)]

    # --- arguments that it does not accept ----------------------------------------------------

    def broken(self, good: Arguments) -> dict[str, Arguments]:
        """Ways to break the schema that it can express → arguments; what is wrong with them is the key."""
        ways: dict[str, Arguments] = {}
        for how, arguments in self._ways(good):
            if how.partition(":")[0] not in {w.partition(":")[0] for w in ways} and not self.accepts(arguments):
                ways[how] = arguments
        return ways

    def _ways(self, good: Arguments) -> Iterator[tuple[str, Arguments]]:
        for name in self.whole.get("required", ()):
            yield f"a required argument is missing: {name}", {k: v for k, v in good.items() if k != name}
        for name in self.properties:
            for misfit in _MISFITS:
                if not self.part_accepts(name, misfit):
                    yield f"an argument of the wrong type: {name}", {**good, name: misfit}
        for name in self.properties:
            if isinstance(good.get(name), str) and not self.part_accepts(name, 1):
                yield f"a number where a text belongs: {name}", {**good, name: 1}
        for name in self.properties:
            for stranger in _STRANGERS:
                if self._outside_choice(name, stranger):
                    yield f"a value that is none of the choices: {name}", {**good, name: stranger}
        yield "an argument that the schema does not know: unknown_argument", {**good, "unknown_argument": True}

    def _outside_choice(self, name: str, value: Any) -> bool:
        """Whether the property is a choice of values of this type, and this value is none of them."""
        choices = [c for c in _choices(self.properties[name], self.whole) if type(c) is type(value)]
        return bool(choices) and not self.part_accepts(name, value)


def rewritten(decided: Mapping[str, Any], received: Any, schema: Mapping[str, Any]) -> str | None:
    """Which argument did not reach the tool as the model decided on it, in words; None where all did.

    Arguments may arrive in a model, an object or as JSON text, and beside those that the host adds.
    """
    if not isinstance(received, Mapping):
        return f"{received!r} arrived instead of an object"
    arrived, properties = _spread(received, decided), schema.get("properties", {})
    for name, value in decided.items():
        said = json.dumps(properties.get(name, {}))
        if name in arrived and not _same(value, arrived[name], said):
            return f"{name} = {value!r} arrived as {arrived[name]!r}"
        if name not in arrived and not any(_same(value, other, said) for other in arrived.values()):
            return f"{name} = {value!r} did not arrive"
    defaults = {n: p["default"] for n, p in properties.items() if isinstance(p, Mapping) and "default" in p}
    for name in (defaults.keys() & arrived.keys()) - decided.keys():
        if not _same(defaults[name], arrived[name], ""):
            return f"{name}, by default {defaults[name]!r}, arrived as {arrived[name]!r}"
    return None


def _spread(received: Mapping[str, Any], decided: Mapping[str, Any]) -> Mapping[str, Any]:
    """The received arguments by name, those inside one object or JSON text included."""
    spread = dict(received)
    for value in received.values():
        inner = _object(value)
        if inner is not None and not (decided.keys() & received.keys()) and inner.keys() & decided.keys():
            spread |= inner
    return spread


def _object(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None


def _same(decided: Any, received: Any, said: str) -> bool:
    """Whether two values are the same once both are JSON; a decimal number arrives there as text."""
    if isinstance(decided, bool) or isinstance(received, bool):
        return decided is received
    if isinstance(decided, Mapping) and isinstance(received, Mapping):
        return all(k in received and _same(v, received[k], said) for k, v in decided.items())
    if isinstance(decided, list) and isinstance(received, list):
        return len(decided) == len(received) and all(_same(a, b, said) for a, b in zip(decided, received, strict=True))
    if isinstance(decided, (int, float)) and isinstance(received, str) and '"number"' in said:
        return _number(received) == decided
    return bool(decided == received)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _choices(part: Any, whole: Mapping[str, Any], depth: int = 0) -> Sequence[Any]:
    """The values of an enum, wherever it stands in a property's schema."""
    if not isinstance(part, Mapping) or depth > 4:
        return ()
    part = resolved(part, whole)
    options = [option for several in ("anyOf", "oneOf") for option in part.get(several, ())]
    return [*part.get("enum", ()), *(choice for option in options for choice in _choices(option, whole, depth + 1))]


def _valid(schema: Mapping[str, Any], value: Any) -> bool:
    from jsonschema import Draft202012Validator

    return bool(Draft202012Validator(schema).is_valid(value))


@cache
def _drawn(parameters: str, count: int) -> tuple[Any, ...]:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import HypothesisException

    from agentcheck.drawn import values

    drawn: list[Any] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(values(json.loads(parameters)))
    def draw(arguments: Any) -> None:
        drawn.append(arguments)

    try:
        draw()
    except HypothesisException:  # nothing satisfies the schema, or nothing that can be found
        return ()
    return tuple(arguments for arguments in drawn if _portable(arguments))


def _portable(value: Any) -> bool:
    """Whether all readers agree on a value: no huge integers, and no newline that only Python's "$" lets pass."""
    if isinstance(value, (list, dict)):
        return all(_portable(part) for part in (value.values() if isinstance(value, dict) else value))
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    return not (isinstance(value, str) and value.endswith("\n"))
