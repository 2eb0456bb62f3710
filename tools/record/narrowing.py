"""Which decisions are open to the model at each turn: the code owns the control flow, the model chooses within it.

A model of 135 million parameters left to itself deploys tags that it invents, over and over. Given
only the steps that make sense now, and only the tags that exist, it mostly gets a job done.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.messages import Request, ToolSpec

ANSWER: Final = "answer"  # the option that ends a run in plain text, where no tool does
_FINISH: Final = "done_for_now"
_TAG: Final = re.compile(r"\bv\d+\.\d+\.\d+\b")
_LONGEST: Final = {"tag": 24}  # characters; other texts: 160
_KEPT: Final = ("type", "enum", "properties", "required", "items", "description")


@dataclass(frozen=True, slots=True)
class Option:
    """One decision that the model may make: a tool (or ANSWER), with the schema of its arguments."""

    name: str
    parameters: Mapping[str, Any]
    description: str = ""


def narrowed(request: Request) -> list[Option]:
    """What makes sense now: to deploy a tag that was named or listed, to list the tags, to ask once; then to end."""
    tags, deployed = known_tags(request), _called(request, "deploy_backend")
    names = {_FINISH, ANSWER} if deployed else {"deploy_backend"} if tags else set()
    if not deployed:
        names |= {tool for tool in ("list_git_tags", "ask_human") if not _called(request, tool)}
    options = [option for option in free(request) if option.name in names]
    return [_only_tags(o, tags) if o.name == "deploy_backend" else o for o in options]


def free(request: Request) -> list[Option]:
    """Every tool that the agent offers with any arguments, and a plain answer where no tool ends the run."""
    options = [_option(spec) for spec in request.tools]
    if request.tool(_FINISH) is None:
        text = {"type": "string", "minLength": 1, "maxLength": 160}
        options.append(Option(ANSWER, _object({"text": text}), "Say what was done and end."))
    return options


def known_tags(request: Request) -> list[str]:
    """The tags that the person has named or a tool has listed in this conversation."""
    return list(dict.fromkeys(_TAG.findall(request.text("user", "tool"))))


def _called(request: Request, tool: str) -> bool:
    return any(call.name == tool for message in request.messages for call in message.calls)


def _only_tags(option: Option, tags: list[str]) -> Option:
    properties = {**option.parameters["properties"], "tag": {"type": "string", "enum": tags}}
    return Option(option.name, _object(properties), option.description)


def _option(spec: ToolSpec) -> Option:
    properties = {name: _bounded(name, part) for name, part in spec.parameters.get("properties", {}).items()}
    return Option(spec.name, _object(properties), spec.description)


def _bounded(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What the server's grammar understands of a schema; texts get an end, or the model writes on and on."""
    kept = {key: value for key, value in schema.items() if key in _KEPT}
    if kept.get("type") == "string" and "enum" not in kept:
        kept |= {"minLength": 1, "maxLength": _LONGEST.get(name, 160)}
    return kept


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
