"""Where a process was killed, in words that say what had happened and what had not."""

from collections.abc import Mapping
from typing import Any, Final

from agentcheck.tearing import EMPTIED, Tearing
from agentcheck.trace import Event, Trace

_PAST: Final = ("model_reply", "model_failed", "tool_returned", "tool_failed", "launched", "resumed", "answered")
_SQL: Final = {"commit": "before the changes were committed", "end": "before the changes were committed"}


def at_crossing(trace: Trace, what: str, when: str) -> str:
    """A crossing of a boundary: `what` is a tool, or "the model"; `when` "before" or "after" what it does."""
    if what == "the model":
        nth = len(trace.of("model_request"))
        heard = f"after the model's reply {nth}, before it was saved"
        return heard if when == "after" else f"before model request {nth}"
    return f"before {what} took effect" if when == "before" else f"after {what} took effect, before that was saved"


def at_save(trace: Trace, write: Mapping[str, Any]) -> str:
    """A write to the store that did not happen."""
    if write["how"] != "sql":
        verb = {"open": "was opened to be written", "os.rename": "was put in its place", "os.remove": "was removed"}
        return f"{_since(trace)}, before {write['what']} {verb.get(write['how'], 'was changed')}"
    words = write["what"].partition("(")[0].split()
    return f"{_since(trace)}, {_SQL.get(words[0].lower()) or 'before ' + ' '.join(words[:6])}"


def in_a_write(trace: Trace, torn: Tearing) -> str:
    """A write that happened in part."""
    how = "was emptied and not yet written" if torn.how == EMPTIED else "was half written"
    return f"{_since(trace)}, when {torn.path.name} {how}"


def _since(trace: Trace) -> str:
    last = next((e for e in reversed(trace.events) if e.type in _PAST), None)
    return _after(last) if last is not None else "at the start"


def _after(event: Event) -> str:
    words = {
        "model_reply": "after the model replied",
        "model_failed": "after the model failed",
        "launched": "at the launch",
        "resumed": "at the resumption",
        "answered": "after the answer came",
        "tool_returned": f"after {event.get('tool')} returned",
        "tool_failed": f"after {event.get('tool')} failed",
    }
    return words[event.type]
