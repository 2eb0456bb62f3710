"""Histories as requests tell them: whether calls and results pair, what is there twice, how long a stretch is."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from agentcheck.messages import Message
from agentcheck.recorded import Session, Step

_TELLING: Final = 40  # characters of a message that is no accident where another holds it too
_QUOTED: Final = 3  # different messages that one message must hold to be the history and no quotation
_BLOCK: Final = 4  # messages in a row that must be there twice
_DECIDES: Final = re.compile(r"^\s*(?:```(?:json)?\s*)?[{\[]|\bAction\s*:", re.MULTILINE)


def tied(messages: Sequence[Message]) -> bool:
    """Whether every call and every result has an id: some look-alikes of a format send none, and mean the order."""
    return all(call.id for m in messages for call in m.calls) and all(m.call_id for m in messages if m.role == "tool")


def mispaired(messages: Sequence[Message]) -> tuple[int, str] | None:
    """The first message in which calls and results do not pair, and how; None where each call has one result.

    Some models number their calls anew in each turn, so that an id may come again once it is answered.
    """
    waiting: dict[str, tuple[int, str]] = {}
    answered: set[str] = set()
    for index, message in enumerate(messages):
        for call in message.calls:
            if call.id in waiting:
                return index, f"two calls that wait for a result have the id {call.id}"
            waiting[call.id] = index, call.name
            answered.discard(call.id)
        if message.role == "tool":
            id = str(message.call_id or "")
            if id in answered:
                return index, f"the call {id} has two results"
            if id not in waiting:
                return index, f"a result answers {id}, which no earlier message calls"
            del waiting[id]
            answered.add(id)
    return next(((index, f"the call {id} of {name} has no result") for id, (index, name) in waiting.items()), None)


def heard_again(messages: Sequence[Message]) -> Iterator[int]:
    """Each message in which the history before it is there again: as one text, or from here on in a row."""
    indices = [index for index, message in enumerate(messages) if message.role != "system"]
    told = [messages[index] for index in indices]
    before: set[str] = set()
    for place, index in enumerate(indices):
        in_a_row = place >= _BLOCK and told[place : place + _BLOCK] == told[:_BLOCK]
        if in_a_row or _holds_all(told[place], before):
            yield index
        if len(told[place].text) >= _TELLING:
            before.add(told[place].text)


def _holds_all(message: Message, texts: set[str]) -> bool:
    return message.role != "assistant" and len(texts) >= _QUOTED and all(text in message.text for text in texts)


def stretch(run: Session) -> list[Step]:
    """The longest row of replies in which the model decided on something, up to the reply that ends the turn.

    In a conversation each answer in plain words ends a turn: what comes after it is another job.
    """
    best: list[Step] = []
    row: list[Step] = []
    for step in run:
        if step.decision is None:
            continue
        row.append(step)
        best = max(best, row, key=len)
        if not (step.decision.calls or _DECIDES.search(step.decision.text)):
            row = []
    return best
