"""The vocabulary of a stateless agent: events in, commands out, all plain data.

A `Reducer` needs nothing of this package at run time but these names. A host that keeps its
own state (`launch` and `resume`) answers with `Paused` or `Finished`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from agentcheck.messages import Message, ToolCall

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the agent may call; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


# --- commands: what the agent wants done ------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallModel:
    """Ask the model. Decisions come back as native tool calls, or as JSON in the content (`schema`)."""

    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    schema: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallTool:
    """Run a tool. `deadline` is in seconds; `approval` is the id of the approval that allows it.

    `arguments` are what the tool receives; `call.id` names the call in the event that answers.
    """

    call: ToolCall
    arguments: Mapping[str, Any]
    deadline: float | None = None
    approval: str | None = None


@dataclass(frozen=True, slots=True)
class AskHuman:
    """Ask a human a question, or for approval of `call`. `deadline` is in seconds."""

    id: str
    kind: Literal["question", "approval"]
    text: str
    call: ToolCall | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass; a `TimePassed` follows."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over. `result` is plain data."""

    result: Any = None


Command: TypeAlias = CallModel | CallTool | AskHuman | Wait | Finish


# --- events: what has happened ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Triggered:
    """The run was started by `trigger`: plain data, text or an object."""

    trigger: Any


@dataclass(frozen=True, slots=True)
class ModelReplied:
    """The model replied. Arguments of calls are the raw text that the model sent."""

    text: str = ""
    calls: Sequence[ToolCall] = ()
    finish: str = "stop"  # stop, calls, length or filter


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model did not reply. `retry_after` is in seconds, as the provider asked."""

    status: int | None
    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class ToolReturned:
    call_id: str
    value: Any


@dataclass(frozen=True, slots=True)
class ToolFailed:
    """The tool failed; `kind` is the exception's name, "timeout" where the deadline passed."""

    call_id: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Approved:
    pass


@dataclass(frozen=True, slots=True)
class Denied:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


Answer: TypeAlias = Approved | Denied | Text


@dataclass(frozen=True, slots=True)
class HumanAnswered:
    id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class TimePassed:
    """`seconds` have passed since the last event; also sent when a human's deadline is over."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody asked the run to stop at the next step."""

    reason: str = ""


Event: TypeAlias = (
    Triggered | ModelReplied | ModelFailed | ToolReturned | ToolFailed | HumanAnswered | TimePassed | Interrupted
)


@dataclass(frozen=True, slots=True)
class Step(Generic[State]):
    """The new state and the commands to carry out, in order."""

    state: State
    commands: Sequence[Command] = ()


class Reducer(Protocol[State]):
    """A pure agent. The state is plain data: JSON types, dataclasses or pydantic models.

    Where the state is not a JSON type, annotate it: `def reduce(self, state: MyState, …)`.
    """

    @property
    def tools(self) -> Sequence[Tool]: ...

    def start(self, trigger: Any) -> Step[State]: ...

    def reduce(self, state: State, event: Event) -> Step[State]: ...


# --- what a host answers ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """What a paused host waits for."""

    id: str
    kind: Literal["question", "approval"]
    text: str
    call: ToolCall | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """The run waits for humans, or (no questions) stopped because it was asked to."""

    questions: Sequence[Question] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    result: Any = None


COMMANDS: Mapping[str, type] = {c.__name__: c for c in (CallModel, CallTool, AskHuman, Wait, Finish)}
EVENTS: Mapping[str, type] = {
    e.__name__: e
    for e in (Triggered, ModelReplied, ModelFailed, ToolReturned, ToolFailed, HumanAnswered, TimePassed, Interrupted)
}
ANSWERS: Mapping[str, type] = {a.__name__: a for a in (Approved, Denied, Text)}
_TAGGED = frozenset({*COMMANDS, *EVENTS, *ANSWERS, "Paused", "Finished"})
_LEAVES = frozenset({str, int, float, bool, type(None)})


def to_data(value: Any) -> Any:
    """A command, event or answer as JSON-ready data; its class goes under "type"."""
    kind: Any = type(value)
    if kind in _LEAVES:
        return value
    if hasattr(value, "__dataclass_fields__"):
        fields = {name: to_data(getattr(value, name)) for name in value.__dataclass_fields__}
        return {"type": kind.__name__, **fields} if kind.__name__ in _TAGGED else fields
    if kind is dict or isinstance(value, Mapping):
        return {str(k): to_data(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_data(v) for v in value]
    return value


def event_from(data: Mapping[str, Any]) -> Event:
    """The inverse of `to_data` for events."""
    fields = {k: v for k, v in data.items() if k != "type"}
    if "calls" in fields:
        fields["calls"] = tuple(ToolCall(**c) for c in fields["calls"])
    if "answer" in fields:
        fields["answer"] = answer_from(fields["answer"])
    return EVENTS[data["type"]](**fields)  # type: ignore[no-any-return]


def answer_from(data: Mapping[str, Any]) -> Answer:
    fields = {k: v for k, v in data.items() if k != "type"}
    return ANSWERS[data["type"]](**fields)  # type: ignore[no-any-return]
