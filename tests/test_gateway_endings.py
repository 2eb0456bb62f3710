"""A piece that could be the last of a stream is held until it is recorded; no other one is held."""

import json
from typing import Any

import pytest

from agentcheck.dialects import known
from agentcheck.gateway.endings import OVERLAP, may_end
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.wire import Dialect, WireError, WireReply

TEXT = Decision("Deployed to production, and all is well there.")
CALL = Decision("Now.", (ToolCall("deploy", json.dumps({"tag": "v1", "finish_reason": None}), "a"),), "calls")
CUT = Decision("Deployed to", (), "length")


def whole(dialect: Dialect, reply: WireReply, pieces: tuple[bytes, ...]) -> bool:
    """Whether this much of a reply is a decision already."""
    try:
        dialect.parse_reply(WireReply(reply.status, reply.headers, pieces))
    except WireError:
        return False
    return True


def streamed(dialect: Dialect, decision: Decision, **settings: Any) -> WireReply:
    request = Request(dialect.name, (Message("user", "go"),), settings={"alt": "sse", **settings}, stream=True)
    return dialect.reply(decision, request)


MODELS = {"of Claude's": "anthropic.claude", "of Nova's": "us.amazon.nova-lite-v1:0"}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
@pytest.mark.parametrize("dialect", known(), ids=lambda d: d.name)
@pytest.mark.parametrize("decision", [TEXT, CALL, CUT], ids=["text", "call", "cut"])
def test_the_pieces_that_may_end_a_stream_are_those_with_which_it_says_all(dialect, model, decision):
    reply = streamed(dialect, decision, model=model)
    for at, piece in enumerate(reply.chunks):
        ended = whole(dialect, reply, reply.chunks[: at + 1])
        assert may_end(piece) == ended or (ended and whole(dialect, reply, reply.chunks[:at])), piece


@pytest.mark.parametrize("dialect", known(), ids=lambda d: d.name)
def test_what_ends_a_stream_is_seen_in_whatever_pieces_it_comes(dialect):
    body = streamed(dialect, TEXT, model="anthropic.claude").body
    for size in (7, 16, 50, 999):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert any(may_end(piece, body[: at * size][-OVERLAP:]) for at, piece in enumerate(pieces)), size
