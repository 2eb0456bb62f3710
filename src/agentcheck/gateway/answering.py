"""Where the gateway's answers come from: a recording, a script, or a live model behind it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from agentcheck.cassette import Cassette
from agentcheck.dialects import dialect_of, named, unread
from agentcheck.gateway.sides import side_reply
from agentcheck.gateway.sockets import SocketFault
from agentcheck.live import Live, LiveError
from agentcheck.messages import Decision, Request
from agentcheck.model import Script
from agentcheck.model_habits import Habitual
from agentcheck.replay import Player
from agentcheck.wire import Dialect, Uncarriable, WireError, WireReply, WireRequest

NO_MATCH: Final = 400  # a status after which no client tries again


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, headers and pieces, which may still be on their way; and what it means.

    `request` and `decision` are canonical, where a dialect reads them; `miss` says why nothing matched, and
    `done` is called before the last piece goes out.
    """

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]
    request: Request | None = None
    decision: Decision | None = None
    failure: str = ""
    miss: str = ""
    side: str = ""
    fault: SocketFault | None = None
    why: str = ""  # the fault of the model that this answer is, in words
    live: bool = False  # pieces come as the model sends them: each may block
    done: Callable[[], None] = lambda: None
    lost: Callable[[], None] = lambda: None  # called where it did not arrive whole: the next try gets it again


class Answering(Protocol):
    """One request in, one answer out. Safe to call from several threads. `quick` where it never blocks."""

    quick: bool

    def __call__(self, wire: WireRequest) -> AbstractContextManager[Answer]: ...


def whole(reply: WireReply, request: Request | None = None, **more: Any) -> AbstractContextManager[Answer]:
    """An answer of which all pieces are at hand."""
    decision, failure = _read(reply, request)
    known = {"request": request, "decision": decision, "failure": failure, **more}
    return nullcontext(Answer(reply.status, reply.headers, iter(reply.chunks), **known))


def _read(reply: WireReply, request: Request | None) -> tuple[Decision | None, str]:
    if request is None:
        return None, ""
    try:
        return named(request.dialect).parse_reply(reply), ""
    except WireError as error:
        return None, str(error)


def parsed(wire: WireRequest) -> Request | None:
    """The request in canonical form, where it is a model call that a dialect reads."""
    dialect = dialect_of(wire)
    try:
        return dialect.parse(wire) if dialect is not None else None
    except WireError:
        return None


def missed(wire: WireRequest, why: str) -> AbstractContextManager[Answer]:
    """The provider's own error for a request that has no answer."""
    dialect = dialect_of(wire) or dialect_of_path(wire)
    return whole(dialect.failure(NO_MATCH, f"agentcheck: {why}"), parsed(wire), miss=why)


def dialect_of_path(wire: WireRequest) -> Dialect:
    """Whose error body a request gets that nobody recognises: OpenAI's, which most clients can read."""
    return named("anthropic" if "/messages" in wire.path else "openai-chat")


@dataclass
class Played:
    """Plays a recording; what it does not hold is a miss, but for the side requests that every client makes."""

    player: Player
    quick: bool = True

    def __call__(self, wire: WireRequest) -> AbstractContextManager[Answer]:
        exchange = self.player.exchange(wire)
        if exchange is not None:
            return whole(exchange.reply, parsed(wire), lost=partial(self.player.put_back, exchange))
        side = None if dialect_of(wire) else side_reply(wire)
        return whole(side[1], side=side[0]) if side else missed(wire, self.player.nearest(wire))


@dataclass
class Scripted:
    """Plays the decisions of a script, in whatever format a request has; the script may have a habit."""

    script: Script | Habitual
    quick: bool = True
    session: str = "main"

    def __call__(self, wire: WireRequest) -> AbstractContextManager[Answer]:
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


@dataclass
class Passed:
    """Passes requests on to a live model, piece by piece as it answers; with a cassette, all is recorded.

    The exchange is on disk before its last piece goes out.
    """

    live: Live
    cassette: Cassette | None = None
    quick: bool = False

    def __call__(self, wire: WireRequest) -> AbstractContextManager[Answer]:
        return _Passing(self, wire)


@dataclass
class _Passing:
    owner: Passed
    wire: WireRequest
    _opened: Any = None
    pieces: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __enter__(self) -> Answer:
        self._opened = self.owner.live.opened(self.wire)
        try:
            status, headers, arriving = self._opened.__enter__()
        except LiveError as error:
            self._opened = None
            with missed(self.wire, str(error)) as answer:
                return answer
        self.status, self.headers = status, headers
        return Answer(status, headers, self._kept(arriving), parsed(self.wire), live=True, done=self._record)

    def __exit__(self, *raised: Any) -> None:
        if self._opened is not None:
            self._opened.__exit__(*raised)

    def _kept(self, arriving: Iterator[tuple[float, bytes]]) -> Iterator[bytes]:
        for seconds, piece in arriving:
            self.times.append(seconds)
            self.pieces.append(piece)
            yield piece

    def _record(self) -> None:
        if self.owner.cassette is not None:
            reply = WireReply(self.status, self.headers, tuple(self.pieces))
            self.owner.cassette.append(self.wire, reply, times=tuple(self.times))
