"""What the model hears of a call that failed, whatever words the agent has for it."""

import re
from collections.abc import Sequence
from typing import Final

from agentcheck.messages import Message
from agentcheck.trace import Event, Trace
from agentcheck.wording import new_messages

_FAILURE: Final = re.compile(
    r"err(?:or|eur|ore|ado)\b|errors|fail|exception|unable|could ?n[o'’]t|can(?:not|['’]t)|unavailable|not available|"
    r"did ?n[o'’]t (?:work|answer|succeed)|refus|denied|problem|trouble|wrong|broke|crash|abort|unsuccessful|"
    r"time[sd]?[ -]?out|no (?:answer|response|reply)|deadline|too long|interrupted|fehl|gescheitert|échou|échec|"
    r"fall[oó]|\berro\b|mislukt|fout|ошибк|сбой|не удал|błąd|nie udało|hata|başarısız|"
    r"错误|錯誤|失败|失敗|异常|エラー|오류|실패",
    re.IGNORECASE,
)
_TRACE: Final = re.compile(r'Traceback \(most recent call last\)|^\s*File "[^"\n]+", line \d+', re.MULTILINE)
_LATE: Final = (
    r"(?:longer|more) than [\d.]+ ?(?:s\b|ms\b|sec|min)|within [\d.]+ ?(?:s\b|ms\b|sec|min)|g[ai]ve[ns]? up|\bhung\b"
)
_TIME: Final = re.compile(
    rf"time[sd]?[ -]?out|timeout|time limit|deadline|too long|no (?:answer|response|reply)|{_LATE}", re.IGNORECASE
)
_WORD: Final = re.compile(r"[\w-]{5,}")


def setback(trace: Trace, tool: str) -> Event:
    """How the failure of this tool came to the agent: an exception, or, where the tool's own body dealt with
    what was injected beneath it, the result that it made of that. Raises NotReached where there is none."""
    struck = trace.reach("fault_fired", why=f"{tool} was never made to fail")
    failed = trace.first("tool_failed", tool=tool)
    return failed or trace.reach(
        "tool_returned", after=struck, tool=tool, why=f"no failure of {tool} reached the agent"
    )


def how(trace: Trace, failed: Event) -> str:
    """A failure for people: kind and message."""
    kind, message = _said_of(trace, failed)
    return f"{failed['tool']} failed ({kind}{': ' if kind and message else ''}{message[:60]})"


def heard(trace: Trace, failed: Event, *, quoting: str = "") -> str:
    """What the next request says anew of the call that this event belongs to.

    With native calls that is the message that answers the call, where it says anything, and whatever
    else holds the text `quoting`; otherwise it is all that is new.
    """
    fresh, id = _fresh(trace, failed), wire_id(trace, failed)
    answers = [text for message, text in fresh if id is not None and message.call_id == id]
    others = [text for message, text in fresh if id is None or message.call_id != id]
    if any(text.strip() for text in answers):
        others = [text for text in others if quoting and quoting in text]
    return "\n".join([*answers, *others])


def tied(trace: Trace, failed: Event) -> bool:
    """Whether the next request holds a message that answers exactly this call."""
    id = wire_id(trace, failed)
    return id is not None and any(m.call_id == id for m in new_messages(trace, failed))


def wire_id(trace: Trace, event: Event) -> str | None:
    """The id under which the model made the call that this event belongs to; None where there is none."""
    called = trace.first("tool_called", call=event["call"])
    return (called["wire"] or None) if called is not None else None


def speaks_of_failure(text: str) -> bool:
    """Whether a text says, in whatever words, that something failed, or took too long."""
    return bool(_FAILURE.search(text) or _TIME.search(text))


def names_the_failure(trace: Trace, failed: Event, text: str) -> bool:
    """Whether a text says how it failed: the kind, a word of the message, or the HTTP status."""
    kind, message = _said_of(trace, failed)
    said, kind = text.lower(), _bare(kind)
    if (kind and kind in _bare(text)) or ("timeout" in kind and _TIME.search(text)):
        return True
    words = [word for word in _WORD.findall(message.lower()) if not _FAILURE.fullmatch(word)]
    return any(word in said for word in [*words, *re.findall(r"\b[45]\d\d\b", message)])


def _said_of(trace: Trace, failed: Event) -> tuple[str, str]:
    """Kind and message of a failure; of one beneath the tool's body, those that were injected."""
    if failed.type == "tool_failed":
        return str(failed["kind"]), str(failed["message"])
    injected = trace.of("fault_fired", before=failed)[-1]["fault"].partition("how=")[2].partition("times=")[0]
    return "", " ".join(a or b for a, b in re.findall(r"'([^']+)'|status=(\d+)", injected))


def stack_trace(text: str) -> str | None:
    """The line with which a stack trace shows itself in a text; one of the agent's own, where there is any."""
    found = [line.strip() for line in _TRACE.findall(text)]
    return next((line for line in found if "agentcheck/stage" not in line), found[0] if found else None)


def _fresh(trace: Trace, event: Event) -> list[tuple[Message, str]]:
    following = trace.next_request(event)
    earlier = trace.of("model_request", before=event, session=event.session)
    known = [m.text for m in earlier[-1].request.messages] if earlier and following else []
    said = [d.text for d in (e.decision for e in trace.of("model_reply", before=event)) if d.text]
    spoken = [m for m in new_messages(trace, event) if m.role != "assistant" or m.text not in said]
    return [(m, beyond(m.text, known)) for m in spoken if not m.calls]


def beyond(text: str, known: Sequence[str]) -> str:
    """What a text says that an earlier one, which it repeats for the most part, did not: some agents send one
    message that grows."""
    nearest = max(known, key=lambda old: _shared(text, old), default="")
    opening = _shared(text, nearest)
    rest = text[opening:]
    closing = _shared(rest[::-1], nearest[opening:][::-1])
    return rest[: len(rest) - closing] if opening + closing > 0.8 * len(nearest) else text


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common from their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _bare(text: str) -> str:
    """Letters and digits alone, without the usual last word of an exception's name."""
    return re.sub(r"[^a-z0-9]", "", text.lower()).removesuffix("error").removesuffix("exception")
