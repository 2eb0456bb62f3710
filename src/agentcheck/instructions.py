"""What of a run's requests is instruction, written by people, and what is merely known: the facts of the run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.messages import Message, Request, ToolSpec
from agentcheck.trace import Event, Trace

DEFAULT_TASK: Final = "Please do the job that you are made for."  # what a run receives whose scenario has no trigger
_SAYING: Final = ("launched", "model_reply", "tool_called", "tool_returned", "tool_failed", "asked", "answered")


@dataclass(frozen=True, slots=True)
class Instruction:
    """A message that may hold instructions: its role, its text, and the request in which it was first sent."""

    role: str
    text: str
    sent: Event


def instructions(run: Trace) -> list[Instruction]:
    """The distinct messages of all requests that are neither results nor the model's own words, in order."""
    found: dict[tuple[str, str], Instruction] = {}
    for number, asked in enumerate(run.requests()):
        for message in asked.request.messages:
            if message.text.strip() and _may_instruct(message, first=number == 0):
                found.setdefault((message.role, message.text), Instruction(message.role, message.text, asked))
    return list(found.values())


def _may_instruct(message: Message, *, first: bool) -> bool:
    """Before the model has said anything, its words too are written by somebody: examples of good replies."""
    return message.role in ("system", "user") or (first and message.role == "assistant")


def facts(run: Trace) -> list[str]:
    """All texts that the run has made known: trigger, decisions, results, failures, answers, and tool schemas."""
    texts = [DEFAULT_TASK]
    for event in run:
        if event.type in _SAYING:
            texts += spoken(event["triggers"] if event.type == "launched" else dict(event.data))
    texts += [text for request in _differing(run) for text in offered(request)]
    return list(dict.fromkeys(text for text in texts if text.strip()))


def spoken(value: Any) -> Iterator[str]:
    """Every text and number in a JSON value, JSON inside texts included, and the value as JSON."""
    if isinstance(value, Mapping):
        yield json.dumps(value, ensure_ascii=False, default=str)
        for part in value.values():
            yield from spoken(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from spoken(part)
    elif isinstance(value, str):
        yield value
        yield from spoken(_json(value))
    elif value is not None:
        yield str(value)


def offered(request: Request) -> Iterator[str]:
    """What a request says of its tools and of the form of the reply."""
    for spec in request.tools:
        yield from _told(spec)
    if request.schema:
        yield from spoken(request.schema)
        yield from _names(request.schema)


def _told(spec: ToolSpec) -> Iterator[str]:
    yield from (spec.name, spec.description)
    yield from spoken(spec.parameters)
    yield from _names(spec.parameters)


def _names(schema: Any) -> Iterator[str]:
    """The names in a schema: of properties, and of its own keywords, which stand in a prompt with it."""
    if isinstance(schema, Mapping):
        for name, part in schema.items():
            yield str(name)
            yield from _names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _names(part)


def _differing(run: Trace) -> list[Request]:
    requests = {json.dumps([e["request"]["tools"], e["request"]["schema"]], default=str): e for e in run.requests()}
    return [event.request for event in requests.values()]


def _json(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
