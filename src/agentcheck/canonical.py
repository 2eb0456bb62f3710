"""Comparing runs: what was said and done, with ids renamed one to one and declared values masked."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from agentcheck.trace import Event, Trace

_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![A-Za-z0-9])[0-9a-f]{24,}\b|\b(?:call|toolu|chatcmpl)[-_][A-Za-z0-9_-]+"
)


class Canon:
    """Renames ids in the order in which they appear, and masks what is declared volatile."""

    def __init__(self, volatile: Sequence[str] = ()):
        self._volatile = [re.compile(v) for v in volatile]
        self._names: dict[str, str] = {}

    def __call__(self, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        for pattern in self._volatile:
            text = pattern.sub("‹volatile›", text)
        return _ID.sub(lambda found: self._names.setdefault(found[0], f"‹id{len(self._names) + 1}›"), text)


def requests(trace: Trace, volatile: Sequence[str] = (), session: str | None = None) -> list[str]:
    """Each model request in canonical form: messages, tools and settings."""
    canon = Canon(volatile)
    return [canon(_said(event)) for event in trace.requests(session)]


def _said(event: Event) -> dict[str, Any]:
    request = event["request"]
    return {"messages": request["messages"], "tools": request["tools"], "settings": request["settings"]}


def story(trace: Trace, volatile: Sequence[str] = (), session: str | None = None) -> list[str]:
    """Requests, calls, results and the end, in canonical form and in order."""
    canon = Canon(volatile)
    return [canon(part) for part in _parts(trace, session)]


def _parts(trace: Trace, session: str | None) -> Iterator[Any]:
    for event in trace:
        if session is not None and event.session != session:
            continue
        if event.type == "model_request":
            yield {"asked": _said(event)["messages"]}
        elif event.type == "tool_called":
            yield {"called": event["tool"], "with": arguments(event)}
        elif event.type == "finished" and event["status"] != "waiting":
            yield {"ended": event["status"], "result": event.get("result")}


def arguments(called: Event) -> Any:
    """What a tool was called with, less its idempotency key, which is the host's own and new for each run."""
    given, key = called["arguments"], called.get("host_key")
    return {name: value for name, value in given.items() if name != key} if isinstance(given, dict) else given


def difference(one: Sequence[str], other: Sequence[str]) -> str | None:
    """The first place where two canonical lists differ, in words; None where they are equal."""
    for number, (a, b) in enumerate(zip(one, other, strict=False), 1):
        if a != b:
            return f"step {number} differs: {excerpt(a, b)}"
    if len(one) != len(other):
        longer, which = (one, "first") if len(one) > len(other) else (other, "second")
        at = min(len(one), len(other))
        return f"the {which} has {abs(len(one) - len(other))} more steps, beginning with {longer[at][:160]}"
    return None


def excerpt(one: str, other: str, width: int = 60) -> str:
    """The two texts around their first difference."""
    at = next((i for i, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), min(len(one), len(other)))
    begin = max(0, at - width // 2)
    return f"{one[begin : at + width]!r} against {other[begin : at + width]!r}"
