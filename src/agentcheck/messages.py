"""What crosses the model boundary, in one shape for every provider's wire format."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that a model decided on; `arguments` is the text exactly as the model sent it."""

    name: str
    arguments: str = "{}"
    id: str = ""

    def parsed(self) -> Json:
        """The arguments as JSON. Raises ValueError where they are not JSON."""
        return json.loads(self.arguments or "{}")  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a request: role is system, user, assistant or tool."""

    role: str
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None  # of a tool result: the call that it answers


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as offered on the wire. `hosted` tools run at the provider and have no schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    hosted: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One model request. `schema` is the JSON Schema that the reply's content must follow, if any."""

    dialect: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)  # model, temperature, tool_choice, …
    schema: Mapping[str, Any] | None = None
    stream: bool = False

    def text(self, *roles: str) -> str:
        """All message text, calls included, of these roles (none named: all), one per line."""
        return "\n".join(
            part
            for message in self.messages
            if not roles or message.role in roles
            for part in (message.text, *(f"{c.name} {c.arguments}" for c in message.calls))
            if part
        )

    def tool(self, name: str) -> ToolSpec | None:
        return next((spec for spec in self.tools if spec.name == name), None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a model replied. `finish` is the provider-neutral reason: stop, calls, length, filter or unknown."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"


def request_from(data: Mapping[str, Any]) -> Request:
    """The inverse of `to_data` for requests, as stored in a trace."""
    return Request(
        dialect=data["dialect"],
        messages=tuple(_message_from(m) for m in data["messages"]),
        tools=tuple(ToolSpec(**t) for t in data["tools"]),
        settings=data["settings"],
        schema=data["schema"],
        stream=data["stream"],
    )


def decision_from(data: Mapping[str, Any]) -> Decision:
    return Decision(data["text"], _calls_from(data["calls"]), data["finish"])


def _message_from(data: Mapping[str, Any]) -> Message:
    return Message(data["role"], data["text"], _calls_from(data["calls"]), data["call_id"])


def _calls_from(data: Sequence[Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(**call) for call in data)
