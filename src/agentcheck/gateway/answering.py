"""Where the gateway's answers come from: a recording, a script, or a live model behind it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from agentcheck.dialects import dialect_of, named, unread
from agentcheck.gateway.sides import side_reply, speaker_of
from agentcheck.gateway.sockets import SocketFault
from agentcheck.messages import Decision, Request
from agentcheck.model import Script
from agentcheck.model_habits import Habitual
from agentcheck.replay import Player
from agentcheck.wire import Uncarriable, WireError, WireReply, WireRequest

NO_MATCH: Final = 400  # a status after which no client tries again


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, headers and pieces, at hand or still on their way; and what it means.

    `request` and `decision` are canonical, where a dialect reads them; `miss` says why nothing matched.
    """

    status: int
    headers: Mapping[str, str]
    pieces: tuple[bytes, ...] | AsyncIterator[bytes]
    request: Request | None = None
    decision: Decision | None = None
    failure: str = ""
    miss: str = ""
    side: str = ""
    recorded: bool = False  # whoever made it has written it down
    fault: SocketFault | None = None
    why: str = ""  # the fault of the model that this answer is, in words
    done: Callable[[], None] = lambda: None  # called, in a thread, when all pieces are there and the last is not sent
    lost: Callable[[], None] = lambda: None  # called where it did not arrive whole: the next try gets it again


Opened = AbstractAsyncContextManager[Answer]


class Answering(Protocol):
    """One request in, one answer out, which is open while it is sent.

    `quick`: the call never waits; any other runs in a thread, and may be called from several.
    `records`: it writes down itself what crosses.
    """

    @property
    def quick(self) -> bool: ...

    @property
    def records(self) -> bool: ...

    def __call__(self, wire: WireRequest) -> Opened: ...

    async def ended(self) -> None:
        """Called once, when the gateway closes."""


class AtHand:
    """An answering that has all its replies, and nothing to close."""

    quick = True
    records = False

    async def ended(self) -> None:
        """Nothing to close."""


def whole(reply: WireReply, request: Request | None = None, **more: Any) -> nullcontext[Answer]:
    """An answer of which all pieces are at hand."""
    decision, failure = _read(reply, request)
    known = {"request": request, "decision": decision, "failure": failure, **more}
    return nullcontext(Answer(reply.status, reply.headers, reply.chunks, **known))


def _read(reply: WireReply, request: Request | None) -> tuple[Decision | None, str]:
    if request is None:
        return None, ""
    try:
        return named(request.dialect).parse_reply(reply), ""
    except WireError as error:
        return None, str(error)


async def at_hand(answer: Answer) -> Answer:
    """The same answer with all of its pieces, and what they say."""
    if isinstance(answer.pieces, tuple):
        return answer
    reply = WireReply(answer.status, answer.headers, tuple([piece async for piece in answer.pieces]))
    decision, failure = _read(reply, answer.request)
    return replace(answer, pieces=reply.chunks, decision=decision, failure=failure)


def parsed(wire: WireRequest) -> Request | None:
    """The request in canonical form, where it is a model call that a dialect reads."""
    dialect = dialect_of(wire)
    try:
        return dialect.parse(wire) if dialect is not None else None
    except WireError:
        return None


def missed(wire: WireRequest, why: str) -> nullcontext[Answer]:
    """The provider's own error for a request that has no answer."""
    dialect = dialect_of(wire) or speaker_of(wire)
    return whole(dialect.failure(NO_MATCH, f"agentcheck: {why}"), parsed(wire), miss=why)


@dataclass
class Played(AtHand):
    """Plays a recording; what it does not hold is a miss, but for the side requests that every client makes."""

    player: Player

    def __call__(self, wire: WireRequest) -> Opened:
        exchange = self.player.exchange(wire)
        if exchange is not None:
            return whole(exchange.reply, parsed(wire), lost=partial(self.player.put_back, exchange))
        side = None if dialect_of(wire) else side_reply(wire)
        return whole(side[1], side=side[0]) if side else missed(wire, self.player.nearest(wire))


@dataclass
class Scripted(AtHand):
    """Plays the decisions of a script, in whatever format a request has; the script may have a habit."""

    script: Script | Habitual
    session: str = "main"

    def __call__(self, wire: WireRequest) -> Opened:
        dialect = dialect_of(wire)
        if dialect is None:
            side = side_reply(wire)
            other = unread(wire.url)
            why = f"a call in {other} format, which agentcheck does not speak" if other else "no call of a model"
            return whole(side[1], side=side[0]) if side else missed(wire, f"{wire.method} {wire.path} is {why}")
        try:
            request = dialect.parse(wire)
            decision = self.script.reply(self.session, request, wire)
            assert isinstance(decision, Decision), "a script always decides"
            reply = dialect.reply(decision, request)
            return whole(reply, request, lost=partial(self.script.take_back, self.session))
        except Uncarriable as error:
            return missed(wire, f"the script's next decision cannot be said in this format: {error}")
        except WireError as error:
            return missed(wire, str(error))
