"""A trace as a readable story, and the exact messages of one model call."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agentcheck.render.text import Paper, visible
from agentcheck.trace import Event, Trace

_PAPER: Final = Paper()
_MOST_LINES: Final = 6
_QUOTE: Final = 300  # characters of one message; the rest is shown by --call
_NEW_MESSAGES: Final = 8
_ARRAYS: Final = ("messages", "input", "contents")
_SYSTEM: Final = ("system", "instructions", "systemInstruction", "system_instruction")


def story(trace: Trace, *, paper: Paper = _PAPER) -> list[str]:
    """What happened, one event after the other, in lines that fit the paper.

    Model calls bear the number that `messages` takes.
    """
    numbers = {id(event): number for number, event in _calls(trace).items()}
    sessions = {event.session for event in trace}
    before: dict[str, list[Any]] = {}
    lines: list[str] = []
    for event in trace:
        head, details = _tell(event, numbers.get(id(event), 0), before)
        name = f"[{event.session}] " if len(sessions) > 1 else ""
        lines += paper.wrap(name + head, first=f"{_clock(event)}  ", rest=" " * 12, most=_MOST_LINES)
        for detail in details:
            lines += paper.wrap(detail, first=" " * 12, rest=" " * 14, most=_MOST_LINES)
    return [paper.trim(line, paper.width) for line in lines] or ["The trace is empty: nothing happened."]


def messages(trace: Trace, call_number: int) -> str:
    """The exact array of messages of one model call, as JSON.

    A format that keeps the system prompt beside the array gives an object of both. Where the wire was
    not recorded, the canonical messages are given.

    Raises:
        LookupError: the trace holds no such call; the message says which it holds.
    """
    calls = _calls(trace)
    if call_number not in calls:
        held = f"calls {min(calls)} to {max(calls)}" if calls else "no model call"
        raise LookupError(f"there is no model call {call_number}: the trace holds {held}")
    event = calls[call_number]
    found = _on_the_wire(event)
    if found is None:
        found = _mapping(event.get("request")).get("messages", [])
    return visible(json.dumps(found, indent=2, ensure_ascii=False))


def _calls(trace: Trace) -> dict[int, Event]:
    """Model calls by number: the lab's own where it tells them apart, else their place in the trace."""
    events = trace.of("model_request")
    own = [event.get("n") for event in events]
    if all(type(n) is int for n in own) and len(set(own)) == len(own):
        return dict(zip(own, events, strict=True))
    return dict(enumerate(events, 1))


def _on_the_wire(event: Event) -> Any:
    body = _mapping(event.get("raw")).get("body")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return None
    body = _mapping(body)
    array = next((key for key in _ARRAYS if key in body), None)
    if array is None:
        return None
    beside = {key: body[key] for key in _SYSTEM if key in body}
    return {**beside, array: body[array]} if beside else body[array]


# --- one event as a sentence, and what belongs under it -------------------------------------

_Told = tuple[str, Sequence[str]]


def _tell(event: Event, number: int, before: dict[str, list[Any]]) -> _Told:
    if event.type == "model_request":
        return _asked_model(event, number, before)
    teller = _TELLERS.get(event.type)
    return teller(event) if teller else (f"{event.type} {_short(dict(event.data))}", ())


def _launched(event: Event) -> _Told:
    kind = event.get("kind")
    by = f" as a {kind}" if kind else ""
    machine = event.get("machine")
    host = f" on machine {_text(machine)}" if machine is not None else ""
    return f"launched{by}{host} with {_short(event.get('trigger'))}", ()


def _asked_model(event: Event, number: int, before: dict[str, list[Any]]) -> _Told:
    now = _list(_mapping(event.get("request")).get("messages"))
    earlier = before.get(event.session)
    before[event.session] = now
    same = _common(earlier or [], now)
    head = f"asked the model (call {number}): {_count(len(now), 'message')}"
    if earlier is not None:
        head += f", {len(now) - same} new"
    if earlier and same < len(earlier):
        head += f"; {_count(len(earlier) - same, 'message')} of the call before changed or left out"
    new = now[same:]
    details = [_message(m) for m in new[:_NEW_MESSAGES]]
    if len(new) > _NEW_MESSAGES:
        details.append(f"and {len(new) - _NEW_MESSAGES} more (--call {number} prints all)")
    return head, details


def _common(old: Sequence[Any], new: Sequence[Any]) -> int:
    for n, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return n
    return min(len(old), len(new))


def _message(message: Any) -> str:
    data = _mapping(message)
    calls = "; ".join(_call(c) for c in _list(data.get("calls")))
    text = _cut(_text(data.get("text", "")))
    answers = f" for {_text(data['call_id'])}" if data.get("call_id") else ""
    said = ", ".join(part for part in (f'"{text}"' if text else "", f"calls {calls}" if calls else "") if part)
    return f"{_text(data.get('role', '?'))}{answers}: {said or 'nothing'}"


def _replied(event: Event) -> _Told:
    decision = _mapping(event.get("decision"))
    calls = [_call(c) for c in _list(decision.get("calls"))]
    text = _cut(_text(decision.get("text", "")))
    ended = {"length": "; cut off at the length limit", "filter": "; stopped by a filter"}
    end = ended.get(_text(decision.get("finish", "")), "")
    if calls:
        return f"the model decided to call {'; '.join(calls)}{end}", [f'and said "{text}"'] if text else ()
    return (f'the model said "{text}"{end}' if text else f"the model said nothing{end}"), ()


def _call(call: Any) -> str:
    data = _mapping(call)
    return f"{_text(data.get('name', '?'))} {_cut(_text(data.get('arguments', '')))}".rstrip()


def _tool_called(event: Event) -> _Told:
    return f"called {_text(event.get('tool', '?'))} with {_short(event.get('arguments'))}", ()


def _tool_failed(event: Event) -> _Told:
    kind = _text(event.get("kind", "failure"))
    return f"{_text(event.get('tool', '?'))} failed, {kind}: {_cut(_text(event.get('message', '')))}", ()


def _effect(event: Event) -> _Told:
    key = event.get("key")
    return f"EFFECT of {_text(event.get('tool', '?'))}" + (f" (key {_text(key)})" if key else ""), ()


def _asked(event: Event) -> _Told:
    via = f" through {_text(event['via'])}" if event.get("via") else ""
    about = f" to run {_text(event['tool'])}" if event.get("tool") else ""
    wanted = "approval" if event.get("kind") == "approval" else "an answer"
    return f"asked a human for {wanted}{about}{via}: {_quoted(event.get('text', ''))}", ()


def _answered(event: Event) -> _Told:
    answer = _mapping(event.get("answer"))
    kind = answer.get("type")
    said = {
        "Approved": "approved",
        "Denied": f"denied: {_quoted(answer.get('reason', ''))}",
        "Text": f"answered: {_quoted(answer.get('text', ''))}",
    }
    return "the human " + (said.get(str(kind)) or f"answered {_short(event.get('answer'))}"), ()


def _finished(event: Event) -> _Told:
    status = _text(event.get("status", "finished"))
    head = {"finished": "finished", "waiting": "stopped, waiting for a human"}.get(status, f"ended: {status}")
    result = f" with {_short(event['result'])}" if event.get("result") is not None else ""
    return head + result, [f"error: {_text(event['error'])}"] if event.get("error") else ()


def _sentence(template: str, *keys: str) -> Callable[[Event], _Told]:
    """A teller whose sentence takes the values of these keys, as far as they are there."""

    def tell(event: Event) -> _Told:
        values = [_short(event.get(key)) if event.get(key) is not None else "?" for key in keys]
        return template.format(*values), ()

    return tell


_TELLERS: Final[Mapping[str, Callable[[Event], _Told]]] = {
    "launched": _launched,
    "model_reply": _replied,
    "model_failed": _sentence("the model failed: {}", "failure"),
    "tool_called": _tool_called,
    "effect": _effect,
    "tool_returned": _sentence("{} returned {}", "tool", "value"),
    "tool_failed": _tool_failed,
    "asked": _asked,
    "answered": _answered,
    "saved": _sentence("saved its state ({} bytes, digest {})", "size", "digest"),
    "fault_fired": _sentence("FAULT fired: {}", "fault"),
    "killed": _sentence("KILLED at {}", "point"),
    "resumed": _sentence("resumed"),
    "refused": _sentence("REFUSED {} at {}: {}", "what", "where", "detail"),
    "miss": _sentence("MISS: nothing recorded or scripted for {}: {}", "url", "reason"),
    "probe": _sentence("probe {}: {}", "name", "value"),
    "finished": _finished,
}


def _clock(event: Event) -> str:
    return f"{event.time:>9.3f}s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def _short(value: Any) -> str:
    """A value in few characters: names bare, the rest as JSON."""
    bare = isinstance(value, str) and value and not any(c.isspace() for c in value)
    return _cut(value if bare else json.dumps(value, ensure_ascii=False, default=repr))


def _quoted(value: Any) -> str:
    return f'"{_cut(_text(value))}"'


def _cut(text: str) -> str:
    return text if len(text) <= _QUOTE else f"{text[:_QUOTE]}… ({len(text) - _QUOTE:,} more)"
