"""A recording as a readable list, and the exact words of one of its exchanges."""

import json
from collections.abc import Iterator
from typing import Final

from agentcheck.cassette import Cassette, Exchange
from agentcheck.dialects import dialect_of, unread
from agentcheck.messages import Decision, Request
from agentcheck.render.text import Paper, clean, visible
from agentcheck.wire import Dialect, WireError

_MOST_LINES: Final = 3


def listing(cassette: Cassette, *, paper: Paper) -> list[str]:
    """What was asked and decided, exchange by exchange, in lines that fit the paper."""
    lines = [paper.line(f"{cassette.path.name}: {_origin(cassette)}")]
    for number, exchange in enumerate(cassette.exchanges, 1):
        head, *details = _told(exchange)
        lines += ["", paper.line(f"{number}  {head}")]
        for detail in details:
            label, _, text = detail.partition(": ")
            lines += paper.wrap(text, first=f"   {label + ':':9}", rest=" " * 12, most=_MOST_LINES)
    return lines


def call(cassette: Cassette, number: int) -> str:
    """The exact messages of one exchange (from 1), and its reply as it came.

    Raises:
        LookupError: there is no such exchange; the message says which there are.
    """
    count = len(cassette.exchanges)
    if not 1 <= number <= count:
        raise LookupError(f"there is no exchange {number}: the recording holds {f'1 to {count}' if count else 'none'}")
    exchange = cassette.exchanges[number - 1]
    return f"{_messages(exchange)}\n\n--- reply, status {exchange.reply.status} ---\n{_body(exchange.reply.body)}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _origin(cassette: Cassette) -> str:
    known = (
        f"{key} {cassette.provenance[key]}" for key in ("recorded", "agent", "model") if key in cassette.provenance
    )
    return ", ".join([counted(len(cassette.exchanges), "exchange"), *known])


def _told(exchange: Exchange) -> Iterator[str]:
    dialect = dialect_of(exchange.request)
    how = f"status {exchange.reply.status}{_timing(exchange)}"
    if dialect is None:
        where = f"{exchange.request.method} {exchange.request.url}"
        format = unread(exchange.request.url)
        yield f"{where}, {how}{f' (in {format} format, which is not read)' if format else ''}"
        return
    try:
        request = dialect.parse(exchange.request)
    except WireError as error:
        yield f"{dialect.name}, {how}"
        yield f"asked: cannot be read: {error}"
        return
    yield f"{dialect.name}, {request.settings.get('model') or 'no model named'}, {how}"
    yield f"asked: {_asked(request)}"
    yield f"decided: {_decided(exchange, dialect)}"


def _timing(exchange: Exchange) -> str:
    pieces = f" in {counted(len(exchange.reply.chunks), 'piece')}" if exchange.reply.is_stream else ""
    return (f", {exchange.times[-1]:.3f} s" if exchange.times else "") + pieces


def _asked(request: Request) -> str:
    held = f"{counted(len(request.messages), 'message')}, {counted(len(request.tools), 'tool')}"
    if not request.messages:
        return held
    last = request.messages[-1]
    said = last.text or ", ".join(f"{c.name}({c.arguments})" for c in last.calls)
    return f"{last.role}: {said} ({held})"


def _decided(exchange: Exchange, dialect: Dialect) -> str:
    try:
        return _decision(dialect.parse_reply(exchange.reply))
    except WireError as error:
        return f"nothing: {error}"


def _decision(decision: Decision) -> str:
    calls = [f"{call.name}({call.arguments})" for call in decision.calls]
    return "; ".join([*([decision.text] if decision.text else []), *calls]) or f"nothing ({decision.finish})"


def _messages(exchange: Exchange) -> str:
    dialect = dialect_of(exchange.request)
    try:
        return visible(dialect.messages_json(exchange.request)) if dialect else _body(exchange.request.body)
    except WireError:
        return _body(exchange.request.body)


def _body(body: bytes) -> str:
    """JSON indented for reading, everything else as it is."""
    text = body.decode("utf-8", "backslashreplace")
    try:
        return visible(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return clean(text)
