"""Replies that arrive and are not what an agent hopes for: cut short, empty, refused, or oddly made."""

import json
from dataclasses import replace
from itertools import accumulate

from agentcheck.faults import DoubleEncoded, EmptyReply, LengthLimit, Refusal, SameIds, Spoilt, UnknownFinish
from agentcheck.messages import Decision, Json, Request, ToolCall
from agentcheck.wire import Dialect, Uncarriable, WireReply, json_bytes

REFUSED = "I'm sorry, but I can't help with that."


def spoilt(decision: Decision, how: Spoilt) -> Decision:
    """The same decision as it looks when this goes wrong with it."""
    match how:
        case LengthLimit(missing=missing):
            return cut_short(decision, missing)
        case EmptyReply():
            return Decision()
        case Refusal():
            return Decision(REFUSED, (), "filter")
        case UnknownFinish():
            return replace(decision, finish="unknown")
        case SameIds():
            return replace(decision, calls=_of_one_id(decision.calls))
        case DoubleEncoded():
            calls = tuple(replace(call, arguments=json.dumps(call.arguments)) for call in decision.calls)
            return replace(decision, calls=calls)


def _of_one_id(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    several = calls * 2 if len(calls) == 1 else calls
    return tuple(replace(call, id=calls[0].id or "call_agentcheck_twice") for call in several)


def cut_short(decision: Decision, missing: int | None = None) -> Decision:
    """The same reply as it looks when the length limit cuts it off inside the last call, or the text."""
    if not decision.calls:
        return Decision(decision.text[: -missing if missing else len(decision.text) // 2], (), "length")
    last = decision.calls[-1]
    half = last.arguments[: -missing if missing else max(1, len(last.arguments) * 2 // 3)]
    if _parses(half):
        half = half[:-1]
    return Decision(decision.text, (*decision.calls[:-1], replace(last, arguments=half)), "length")


def carried(decision: Decision, dialect: Dialect, request: Request) -> tuple[WireReply, Decision]:
    """A spoilt reply as bytes, and what they say.

    Where arguments are an object, providers send what they have of a cut one, closed again.
    Raises Uncarriable where the format has no way to say it at all.
    """
    try:
        return dialect.reply(decision, request), decision
    except Uncarriable:
        if decision.finish != "length" or not decision.calls:
            raise
        *whole, last = decision.calls
        closed = replace(decision, calls=(*whole, replace(last, arguments=closed_again(last.arguments))))
        return dialect.reply(closed, request), closed


def closed_again(half: str) -> str:
    """An object that was cut off, as JSON again: with its last text cut, or without its last member."""
    before, _, _ = half.rpartition(",")
    for candidate in (f'{half}"}}', f"{half}}}", f"{before}}}"):
        if _parses(candidate):
            return candidate
    return "{}"


def broken_off(decision: Decision, dialect: Dialect, request: Request) -> WireReply:
    """What arrives of a reply that breaks off inside the arguments of its last call; without calls, in the middle.

    Raises Uncarriable where the format has no way to say the decision.
    """
    whole = dialect.reply(decision, request)
    place = _inside_arguments(decision, whole, dialect, request) if decision.calls else None
    return replace(whole, chunks=_until(whole.chunks, place or len(whole.body) // 2))


def _inside_arguments(decision: Decision, whole: WireReply, dialect: Dialect, request: Request) -> int | None:
    """How many bytes of a reply end in the middle of the last call's arguments; None where those are not found."""
    *others, last = decision.calls
    bare = dialect.reply(replace(decision, calls=(*others, replace(last, arguments=""))), request)
    pieces = len(whole.chunks) - len(bare.chunks)  # that the arguments come in
    if pieces < 1:
        return _in_one_piece(last, whole.body)
    alike = zip(whole.chunks, bare.chunks, strict=False)
    first = next((n for n, (a, b) in enumerate(alike) if len(a) != len(b)), len(bare.chunks) - 1)
    middle = first + pieces // 2
    return len(b"".join(whole.chunks[:middle])) + len(whole.chunks[middle]) // 2


def _in_one_piece(call: ToolCall, body: bytes) -> int | None:
    """As above, where the arguments come in one piece, as a text or an object; of none, behind the call's name."""
    value = call.parsed() if _parses(call.arguments) else None
    forms = [json_bytes(call.arguments), *((json_bytes(value), _in_ascii(value)) if value else ())]
    found, form = max((body.rfind(form), form) for form in forms)
    if found < 0:
        form = b'"name":' + json_bytes(call.name)
        found = body.rfind(form)
        return found + len(form) if found >= 0 else None
    return found + len(form) // 2


def _in_ascii(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _until(chunks: tuple[bytes, ...], place: int) -> tuple[bytes, ...]:
    """The first `place` bytes, in the pieces in which they come."""
    ends = list(accumulate(map(len, chunks)))
    kept = ((chunk, len(chunk) - max(0, end - place)) for chunk, end in zip(chunks, ends, strict=True))
    return tuple(chunk[:size] for chunk, size in kept if size > 0)


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
