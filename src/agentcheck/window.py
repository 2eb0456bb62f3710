"""Context windows compared and followed: what a view of one shows, what is dropped from one to the next."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from agentcheck.dialects import named
from agentcheck.finding import Untestable
from agentcheck.instructions import facts
from agentcheck.messages import Message, Request, ToolCall
from agentcheck.passages import words
from agentcheck.trace import Event, Trace
from agentcheck.wire import WireError, WireRequest, json_bytes

_LEFT_OUT: Final = re.compile(r"…|\.\.\.|\[|⋯")
_ARRAYS: Final = ("messages", "input", "contents")
# Settings by which a provider keeps messages that are then on no wire.
KEPT_ELSEWHERE: Final = ("previous_response_id", "conversation", "thread_id", "cachedContent", "prompt")


def kept_elsewhere(request: Request) -> str | None:
    """The setting by which part of the context is kept at the provider."""
    return next((name for name in KEPT_ELSEWHERE if request.settings.get(name)), None)


# --- a view ------------------------------------------------------------------------------------


def view_differs(shown: Any, asked: Event) -> str | None:
    """How an agent's own view of its context differs from the request that it made; None where it does not.

    Raises Untestable where the view is neither messages nor text.
    """
    request = asked.request
    if isinstance(shown, str) and _array(shown) is None:
        return _text_differs(shown, request.messages)
    seen, sent = _as_messages(_array(shown), request), request.messages
    for number, (one, other) in enumerate(zip(seen, sent, strict=False), 1):
        if _plain(one) != _plain(other):
            return f"message {number} is {_brief(one)} in the view and {_brief(other)} in the request"
    if len(seen) != len(sent):
        return f"the view has {len(seen)} messages, the request {len(sent)}"
    return None


def _text_differs(shown: str, sent: Sequence[Message]) -> str | None:
    text = " ".join(words(shown))
    for number, message in enumerate(sent, 1):
        for part in (message.text, *(f"{c.name} {c.arguments}" for c in message.calls)):
            if " ".join(words(part)) not in text:
                return f"message {number} of the request is not in the view: {_brief(message)}"
    return None


def _array(shown: Any) -> Any:
    """The array of messages in what a view gave, JSON in a text included; None where it is none."""
    if isinstance(shown, str):
        try:
            shown = json.loads(shown)
        except ValueError:
            return None
    if isinstance(shown, Mapping):
        shown = next((shown[name] for name in _ARRAYS if name in shown), None)
    return shown if isinstance(shown, list) else None


def _as_messages(shown: Any, request: Request) -> Sequence[Message]:
    if shown is None or not all(isinstance(item, Mapping) and item.keys() & {"role", "type"} for item in shown):
        raise Untestable(
            "the agent's view of its context is neither a list of messages nor text",
            mend="let the function named in `context` return the messages as they are sent",
        )
    if all("text" in item and "content" not in item for item in shown):
        return [_canonical(item) for item in shown]
    dialect = named("openai-chat" if request.dialect == "reducer" else request.dialect)
    try:
        return dialect.parse(WireRequest("POST", "", {}, json_bytes({dialect.array: list(shown)}))).messages
    except WireError as error:
        raise Untestable(f"the agent's view of its context cannot be read: {error}") from None


def _canonical(item: Mapping[str, Any]) -> Message:
    calls = tuple(ToolCall(c["name"], c["arguments"], c.get("id") or "") for c in item.get("calls") or ())
    return Message(item["role"], item["text"], calls, item.get("call_id"))


def _plain(message: Message) -> tuple[Any, ...]:
    calls = tuple((c.name, c.arguments, c.id) for c in message.calls)
    return message.role, message.text, calls, message.call_id


def _brief(message: Message) -> str:
    said = " ".join([message.text, *(f"{c.name} {c.arguments}" for c in message.calls)]).strip()
    return f"{message.role} “{said[:60]}{'…' if len(said) > 60 else ''}”"


# --- pairs -------------------------------------------------------------------------------------


def unpaired(request: Request) -> str | None:
    """How native calls and results fail to pair in one request; None where each has exactly one, after it."""
    open_calls: dict[str, str] = {}
    answered: set[str] = set()
    for message in request.messages:
        for call in message.calls:
            if call.id in open_calls or call.id in answered:
                return f"two calls have the id {call.id}"
            open_calls[call.id] = call.name
        if message.role == "tool":
            id = str(message.call_id)
            if id in answered:
                return f"the call {id} has two results"
            if id not in open_calls:
                return f"a result answers {id}, which no earlier message calls"
            del open_calls[id]
            answered.add(id)
    left = next(iter(open_calls.items()), None)
    return None if left is None else f"the call {left[0]} of {left[1]} has no result"


# --- what is dropped ---------------------------------------------------------------------------


def threads(run: Trace, session: str = "main") -> list[list[Event]]:
    """The requests of a session in conversations: those that begin with the same message belong together."""
    found: dict[tuple[Any, ...], list[Event]] = {}
    for asked in run.requests(session):
        first = asked.request.messages[:1]
        found.setdefault(_plain(first[0]) if first else (), []).append(asked)
    return list(found.values())


def longest_thread(run: Trace) -> list[Event]:
    """The conversation with the most requests; all requests, where each begins in its own way."""
    best = max(threads(run), key=len, default=[])
    return best if len(best) > 1 else run.requests("main")


def leaves_a_mark(run: Trace, before: Event, after: Event) -> bool:
    """Whether the later request says, in any words, that something was left out or put in short.

    That is: it has words, or signs of omission, that neither the earlier request had nor the run made known.
    """
    known = set(words(before.request.text()))
    for text in facts(run):
        known.update(words(text))
    said = [word for word in words(after.request.text()) if not word.isdigit()]
    signs = [len(_LEFT_OUT.findall(asked.request.text())) for asked in (before, after)]
    return bool(set(said) - known) or signs[1] > signs[0]


def growth(requests: Iterable[Event], size: Callable[[Event], int]) -> list[int]:
    """By how many bytes each request is larger than the one before."""
    sizes = [size(asked) for asked in requests]
    return [later - earlier for earlier, later in pairwise(sizes)]
