"""What is wrong with a tool's parameters, for the formats whose schema language is JSON Schema 2020-12."""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

TOO_DEEP: Final = "the schema is nested too deeply to read"

_DATA: Final = frozenset({"const", "default", "enum", "example", "examples"})  # values, not schemas


def json_schema_error(parameters: Mapping[str, Any]) -> str | None:
    """One sentence, or None when valid. Empty parameters are valid: a tool without arguments."""
    if not isinstance(parameters, Mapping):
        return f"the parameters are a {type(parameters).__name__}, not a JSON Schema object"
    if not parameters:
        return None
    try:
        return _grammar_error(parameters) or _top_level_error(parameters) or _reference_error(parameters)
    except RecursionError:
        return TOO_DEEP


def _grammar_error(schema: Mapping[str, Any]) -> str | None:
    try:
        return _grammar_error_of(json.dumps(schema))
    except (TypeError, ValueError):  # no JSON: its grammar is looked at as it is
        return _looked_at(schema)


@functools.lru_cache(maxsize=512)
def _grammar_error_of(text: str) -> str | None:
    """The same schema is asked about again and again: at each request, and for each call that is drawn."""
    return _looked_at(json.loads(text))


def _looked_at(schema: Mapping[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator  # late: an agent's process that is only watched never needs it
    from jsonschema.exceptions import best_match

    worst = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
    if worst is None:
        return None
    where = "".join(f"/{part}" for part in worst.absolute_path) or "/"
    return f"{where}: {_short(worst.message)}"


def _top_level_error(schema: Mapping[str, Any]) -> str | None:
    found = schema.get("type")
    return None if found == "object" else f'/: the top level must be of "type": "object", found {found!r}'


def _reference_error(schema: Mapping[str, Any]) -> str | None:
    missing = (ref for ref in _references(schema) if not _resolves(schema, ref))
    return next((f"$ref {_short(ref)!r} points to nothing in this schema" for ref in missing), None)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        ref = node.get("$ref")
        if isinstance(ref, str) and (ref == "#" or ref.startswith("#/")):
            yield ref
        for key, value in node.items():
            if key not in _DATA or (isinstance(value, Mapping) and "type" in value):  # a property may be named so
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _resolves(schema: Any, ref: str) -> bool:
    for part in ref.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(schema, Mapping) and key in schema:
            schema = schema[key]
        elif isinstance(schema, list) and key.isdigit() and int(key) < len(schema):
            schema = schema[int(key)]
        else:
            return False
    return True


def readable_here(node: Any) -> bool:
    """Whether Python can read every pattern: the language of JSON Schema is that of JavaScript, which has more."""
    if isinstance(node, Mapping):
        several = node.get("patternProperties")
        patterns = [node.get("pattern"), *(several if isinstance(several, Mapping) else ())]
        return all(map(_compiles, patterns)) and all(map(readable_here, node.values()))
    return all(map(readable_here, node)) if isinstance(node, list) else True


def _compiles(pattern: Any) -> bool:
    try:
        return not isinstance(pattern, str) or bool(re.compile(pattern))
    except re.error:
        return False


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
