"""Decisions as JSON in the content: which intents a schema offers, and how one of them is written.

Agents that use structured output have no native tools; their schema is a choice of objects told
apart by one constant field, perhaps inside a wrapper: {"next": {"intent": "deploy", "tag": …}}.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentcheck.messages import Request, ToolSpec
from agentcheck.scenario import Scenario

_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Intent:
    """One possible decision: its name, the field that holds it, and where its arguments go.

    `path` are the wrappers around the object; `inside` the field that holds the arguments, or
    None where they stand beside the name.
    """

    name: str
    key: str
    parameters: Mapping[str, Any]
    path: tuple[str, ...] = ()
    inside: str | None = None

    def written(self, arguments: Any) -> str:
        """The content that decides on this intent."""
        if self.inside is not None:
            body: Any = {self.key: self.name, self.inside: arguments}
        else:
            body = {self.key: self.name, **(arguments if isinstance(arguments, Mapping) else {})}
        for wrapper in reversed(self.path):
            body = {wrapper: body}
        return json.dumps(body, ensure_ascii=False)

    def written_as(self, arguments: str) -> str:
        """The content with this text where the arguments stand, JSON or not."""
        hole = "agentcheck-arguments"
        if self.inside is not None:
            return self.written(hole).replace(json.dumps(hole), arguments)
        if not arguments.lstrip().startswith("{"):
            return arguments
        before, _, after = self.written({hole: None}).partition(f'"{hole}": null')
        return f"{before}{arguments.strip().removeprefix('{')}{after.removeprefix('}')}"


def offered(request: Request, scenario: Scenario) -> tuple[Intent, ...]:
    """The intents that a request without native tools lets the model choose from."""
    if request.tools:
        return ()
    if request.schema:
        return tuple(_of_schema(request.schema, request.schema, (), 0))
    return scenario.once("intents", lambda it: tuple(_of_examples(it)))


def as_tools(intents: tuple[Intent, ...]) -> tuple[ToolSpec, ...]:
    """Intents in the shape of tools, so that one judgement serves both."""
    return tuple(ToolSpec(i.name, str(i.parameters.get("description", "")), i.parameters) for i in intents)


def _of_schema(schema: Any, root: Mapping[str, Any], path: tuple[str, ...], depth: int) -> Iterator[Intent]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    schema = _resolved(schema, root)
    for several in ("anyOf", "oneOf"):
        for option in schema.get(several, ()):
            yield from _of_schema(option, root, path, depth + 1)
    properties = schema.get("properties", {})
    for key, part in properties.items():
        for name in _constants(_resolved(part, root)):
            yield Intent(name, key, _without(schema, key, root), path, _inside(properties, key, root))
        if any(_constants(_resolved(part, root))):
            return
    for key, part in properties.items():
        yield from _of_schema(part, root, (*path, key), depth + 1)


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = schema if isinstance(schema, Mapping) else {}
    for _ in range(_DEEPEST):
        if "$ref" not in found:
            break
        target: Any = root
        for part in str(found["$ref"]).lstrip("#/").split("/"):
            target = target.get(part, {}) if isinstance(target, Mapping) else {}
        found = target
    return found  # type: ignore[no-any-return]


def _constants(part: Mapping[str, Any]) -> list[str]:
    values = [part["const"]] if "const" in part else part.get("enum", []) if part.get("title") != "" else []
    return (
        [v for v in values if isinstance(v, str)]
        if len(values) != 0 and all(isinstance(v, str) for v in values)
        else []
    )


def _without(schema: Mapping[str, Any], key: str, root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an intent's arguments: the object without the field that names it."""
    properties = schema.get("properties", {})
    said = schema.get("description") or _resolved(properties[key], root).get("description", "")
    inside = _inside(properties, key, root)
    if inside is not None:
        held = _resolved(properties[inside], root)
        return {**held, "description": said or held.get("description", ""), "$defs": root.get("$defs", {})}
    rest = {k: v for k, v in properties.items() if k != key}
    required = [r for r in schema.get("required", []) if r != key]
    whole = {**schema, "description": said, "type": "object", "properties": rest, "required": required}
    return {**whole, "$defs": root["$defs"]} if "$defs" in root else whole


def _inside(properties: Mapping[str, Any], key: str, root: Mapping[str, Any]) -> str | None:
    others = [k for k in properties if k != key]
    if len(others) == 1 and others[0] in ("arguments", "args", "parameters", "params", "input", "action_input"):
        return others[0]
    return None


def _of_examples(scenario: Scenario) -> Iterator[Intent]:
    """What the user's own decisions show, where the schema stands in the prompt only."""
    seen: set[str] = set()
    for turn in scenario.turns or ():
        if not turn.verbatim:
            continue
        found = _example(turn.text, scenario.tools)
        if found and found.name not in seen:
            seen.add(found.name)
            yield found


def _example(text: str, tools: set[str]) -> Intent | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    path: tuple[str, ...] = ()
    while isinstance(body, dict):
        named = next(
            (k for k, v in body.items() if isinstance(v, str) and (v in tools or k in ("intent", "tool", "action"))),
            None,
        )
        if named is not None:
            return _shown(body, named, path)
        wrapper = next((k for k, v in body.items() if isinstance(v, dict)), None)
        if wrapper is None:
            return None
        path, body = (*path, wrapper), body[wrapper]
    return None


def _shown(body: Mapping[str, Any], key: str, path: tuple[str, ...]) -> Intent:
    rest = {k: v for k, v in body.items() if k != key}
    only = next(iter(rest.items()), None) if len(rest) == 1 else None
    inside = only[0] if only and isinstance(only[1], Mapping) else None
    arguments = only[1] if inside and only else rest
    return Intent(str(body[key]), key, {"type": "object", "examples": [arguments]}, path, inside)
