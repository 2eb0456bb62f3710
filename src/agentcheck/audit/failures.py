"""Failures of tools as recordings show them: results that say of themselves that the call went wrong.

Nothing else of a failure is on the wire, so that only what is plain counts: a flag of the format, or a
result that begins as an error does. What merely speaks of errors, such as a log that was read, does not.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.audit.openings import written
from agentcheck.audit.recording import Recording
from agentcheck.finding import NotReached
from agentcheck.hearsay import stack_trace
from agentcheck.messages import Message, ToolCall
from agentcheck.recorded import Session, Step

_NAMED: Final = re.compile(r"Traceback \(most recent call last\)|(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)\s*[:(]")
_WORDED: Final = re.compile(
    r"(?:(?:tool|execution|internal|runtime|server|unexpected|api|http|validation|fatal)\s+)*"
    r"error(?: code)?(?: \d+)?\s*:|"
    r"error (?:executing|calling|running|invoking|processing|fetching|while|occurred|in tool|from tool)\b|"
    r"an? (?:\w+ )?(?:error|exception) (?:has )?(?:occurred|was raised|happened)|"
    r"(?:tool|function|call|request|execution|command)\b[^.\n]{0,60}\b(?:failed|not found|does not exist|raised)\b|"
    r"failed to [^\n:]{1,80}:|unknown tool\b|\d+ validation errors?\b",
    re.IGNORECASE,
)
_EMPTY: Final = re.compile(
    r"\b(?:an?|the|error|errors|exception|failure|failed|fail|tool|function|call|calling|execution|executing|occurred|has|"
    r"is|was|happened|status|message|true|false|null|none|while|in|of|with|running|sorry|something|went|wrong|success|ok)\b",
    re.IGNORECASE,
)
_FLAGS: Final = ("is_error", "isError")
_OWN_CODE: Final = re.compile(r'^\s*File "(?:<[^"\n]*>|[^"\n]*ipykernel[^"\n]*)", line \d+', re.MULTILINE)
_FRAME: Final = re.compile(r'^\s*File "[^"\n]+", line \d+', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Failure:
    """The result of a call that went wrong, as the request after the call tells it."""

    step: Step
    index: int  # of the message, in the canonical request
    call: ToolCall
    text: str

    @property
    def says_how(self) -> bool:
        """Whether anything is left of the words once those are taken away that every failure has."""
        rest = _EMPTY.sub(" ", self.text.replace(self.call.name, " "))
        return bool(re.search(r"\w", rest))

    @property
    def trace(self) -> str | None:
        """The line with which a stack trace shows itself; that of code which the model wrote is its result."""
        frames = _FRAME.findall(self.text)
        if frames and len(frames) == len(_OWN_CODE.findall(self.text)):
            return None
        return stack_trace(self.text)


def failures(recording: Recording) -> list[Failure]:
    """Each failure that reached a model. Raises NotReached where the recording shows none."""
    found = [failure for run in recording.runs for failure in _of_run(run)]
    if not found:
        recording.answered()
        raise NotReached("no result of a tool in it says that its call had failed")
    return found


def _of_run(run: Session) -> Iterator[Failure]:
    """Of calls whose decision is recorded: what stands in a history from before may be written for a test."""
    decided: Counter[tuple[str, str]] = Counter()
    told: Counter[tuple[str, str]] = Counter()
    for step in run:
        flagged, place = set(_flagged(step)), Counter[tuple[str, str]]()
        for index, message, call in _results(step):
            key = _key(call)
            place[key] += 1
            if told[key] < place[key] <= decided[key]:
                told[key] += 1
                if call.id in flagged or says_failure(message.text):
                    yield Failure(step, index, call, message.text)
        if step.decision is not None:
            decided.update(map(_key, step.decision.calls))


def _results(step: Step) -> Iterator[tuple[int, Message, ToolCall]]:
    """Each result in a request, with the call in its history that it answers: agents give calls ids of their own."""
    calls: dict[str, ToolCall] = {}
    for index, message in enumerate(step.request.messages):
        calls.update((call.id, call) for call in message.calls)
        if message.role == "tool" and message.call_id and message.call_id in calls:
            yield index, message, calls[message.call_id]


def _key(call: ToolCall) -> tuple[str, str]:
    return call.name, written(call)


def says_failure(text: str) -> bool:
    """Whether a result is, by its form, the word of a failure."""
    data = _object(text)
    if data is not None:
        return _object_says_failure(data)
    opening = text.lstrip(" \t\r\n\"'`*<[(❌⚠️")[:400]
    return bool(_NAMED.match(opening) or _WORDED.match(opening))


def _object_says_failure(data: dict[str, Any]) -> bool:
    """`{"error": …}` with no result beside it, or a flag of the tool's own."""
    if any(data.get(flag) is True for flag in _FLAGS) or data.get("status") == "error":
        return True
    says = data.get("error")
    words = bool(says.strip()) if isinstance(says, str) else isinstance(says, dict) and bool(says)
    return words and not any(data.get(name) for name in ("result", "results", "data", "output", "content"))


def _object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _flagged(step: Step) -> Iterator[str]:
    """The ids of calls whose results the format itself marks as failed: Anthropic's `is_error`, Bedrock's `status`."""
    body = step.exchange.request.body
    if b'"is_error"' in body or b'"toolResult"' in body:
        yield from _marks(step.exchange.request.json().get(step.dialect.array))


def _marks(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("is_error") is True and isinstance(value.get("tool_use_id"), str):
            yield value["tool_use_id"]
        if value.get("status") == "error" and isinstance(value.get("toolUseId"), str):
            yield value["toolUseId"]
    parts: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _marks(part)
