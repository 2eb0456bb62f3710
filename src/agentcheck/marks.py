"""Short unique texts put where they can be recognised again: into triggers and into what tools return."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.boundary import marker
from agentcheck.conditions import InTurn, PerSession
from agentcheck.faults import Returns, ToolFails
from agentcheck.finding import NotReached, Untestable
from agentcheck.instructions import DEFAULT_TASK
from agentcheck.lab import Lab
from agentcheck.trace import Event
from agentcheck.wording import decoded

LARGE: Final = 200_000  # characters
TURNS: Final = 8  # of a conversation that is long enough to see how it grows
_PADDING: Final = " The quick brown fox jumps over the lazy dog while the sun goes down." * 4


@dataclass(frozen=True, slots=True)
class Marked:
    """A value of the form that a tool returns, and the text by which it is known again."""

    tool: str
    value: Any
    mark: str


def tool_result(lab: Lab, name: str, *, padding: str = "") -> Marked:
    """What a tool of the target returns, with a mark in it. Raises Untestable where no tool returns text."""
    for tool in lab.ordinary_tools:
        usual = _usual(lab, tool)
        text = marker(name)
        value = with_text(usual, text + padding)
        if value is not None:
            return Marked(tool, value, text)
        if isinstance(usual, (int, float)) and not isinstance(usual, bool):
            number = 10_000_000 + int(text[-7:], 16) % 80_000_000
            return Marked(tool, number, str(number))
    first = lab.tool  # raises where there is none at all
    raise Untestable(
        f"no tool is known to return text or a number, {first} neither",
        mend=f'[tool.agentcheck.tools.{first}]\nreturns = "…"  # an example of what it returns',
    )


def large_result(lab: Lab) -> ToolFails:
    """A tool's result of 200 kB, as a fault. Raises Untestable where no tool returns text."""
    line = "All work and no play makes a long log line that says very little. "
    text = line * (LARGE // len(line) + 1)
    for tool in lab.ordinary_tools:
        usual = _usual(lab, tool)
        of_lines = isinstance(usual, list) and all(isinstance(item, str) for item in usual)
        value = [line] * (LARGE // len(line) + 1) if of_lines else with_text(usual, text)
        if value is not None:
            return ToolFails(tool, Returns(value))
    first = lab.tool
    raise Untestable(
        f"no tool is known to return text, {first} neither",
        mend=f'[tool.agentcheck.tools.{first}]\nreturns = "…"  # an example of what it returns',
    )


def per_session(lab: Lab, *sessions: str) -> tuple[str, PerSession, dict[str, str]] | None:
    """A tool, what it returns in each session, and the session's mark; None where no tool may be called."""
    try:
        marked = {session: tool_result(lab, f"result of {session}") for session in sessions}
    except Untestable:
        return None
    values = PerSession(tuple((session, one.value) for session, one in marked.items()))
    return marked[sessions[0]].tool, values, {session: one.mark for session, one in marked.items()}


def in_turn(lab: Lab) -> tuple[str, InTurn, list[str]]:
    """A tool, what it returns call after call, all of one length, and the marks in that order."""
    marked = [tool_result(lab, f"result {n}", padding=_PADDING) for n in range(TURNS)]
    return marked[0].tool, InTurn(tuple(one.value for one in marked)), [one.mark for one in marked]


def trigger(lab: Lab, name: str) -> tuple[Any, str]:
    """The scenario's trigger with a mark in its main text, and the mark."""
    given, mark = lab.scenario.trigger, marker(name)
    changed = with_text(DEFAULT_TASK if given is None else given, mark, keep=True)
    if changed is None:
        mend = '[tool.agentcheck.scenario]\ntrigger = "…"'
        raise Untestable("the scenario's trigger holds no text that could be marked", mend=mend)
    return changed, mark


def holds(asked: Event, mark: str) -> bool:
    """Whether a request holds a mark, whatever JSON it was packed into, and however numbers are grouped."""
    sent = asked["raw"]["body"] if asked["raw"] else json.dumps(asked["request"], ensure_ascii=False)
    texts = [sent, *(decoded(message.text) for message in asked.request.messages)]
    if mark.isdigit():
        texts = ["".join(c for c in text if c not in ",._' \u00a0\u202f") for text in texts]
    return any(mark.lower() in text.lower() for text in texts)


def size(asked: Event) -> int:
    """Bytes of a request's body."""
    sent = asked["raw"]["body"] if asked["raw"] else json.dumps(asked["request"], ensure_ascii=False)
    return len(sent.encode("utf-8", "backslashreplace"))


def _usual(lab: Lab, tool: str) -> Any:
    """What the tool returns when all goes well. Raises NotReached where it is not called."""
    returned = lab.happy().first("tool_returned", tool=tool)
    if returned is None:
        returned = lab.run(lab.call(tool)).first("tool_returned", tool=tool)
    if returned is None:
        raise NotReached(f"{tool} was called for, and did not run")
    return returned["value"]


def with_text(value: Any, text: str, *, keep: bool = False) -> Any:
    """A value of the same form with `text` in it, at its main text; None where it has none.

    `keep` leaves the main text there, before the new one.
    """
    if isinstance(value, str):
        inside = _json(value)
        changed = None if inside is None else with_text(inside, text, keep=keep)
        if changed is not None:
            return json.dumps(changed, ensure_ascii=False)
        return f"{value} ({text})" if keep else text
    if isinstance(value, list) and not keep and all(isinstance(item, str) for item in value):
        return [*value, text]
    place = max(_places(value), key=lambda found: _weight(found[1]), default=None)
    return None if place is None else _changed(value, place[0], with_text(place[1], text, keep=keep))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Where texts are in a JSON value."""
    if isinstance(value, str):
        yield path, value
    parts: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _places(part, (*path, key))


def _weight(text: str) -> tuple[bool, bool, int]:
    """Free text before words that a program may compare: our own samples, then sentences, then what is long."""
    return text.startswith("agentcheck-"), " " in text.strip(), len(text)


def _changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, Mapping) else list(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


def _json(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, (dict, list)) else None
