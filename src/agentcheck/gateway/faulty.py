"""An answering with faults of the model, as the gateway's clients meet them: in the reply, or on the socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count

from agentcheck.dialects import named
from agentcheck.faults import CutStream, EmptyReply, Faults, Http, Reset, Spoilt, StallStream, TimesOut
from agentcheck.gateway.answering import Answer, Answering, Opened, at_hand, missed, whole
from agentcheck.gateway.sockets import Cuts, Resets, SocketFault, Stalls
from agentcheck.messages import Request
from agentcheck.replies import broken_off, carried, spoilt
from agentcheck.wire import Uncarriable, WireReply, WireRequest


@dataclass
class Faulty:
    """Strikes the model calls that `faults` names, and leaves all else as `inner` answers it."""

    inner: Answering
    faults: Faults

    def __post_init__(self) -> None:
        self._number = count(1)

    @property
    def quick(self) -> bool:
        return self.inner.quick

    @property
    def records(self) -> bool:
        return self.inner.records

    async def ended(self) -> None:
        await self.inner.ended()

    def __call__(self, wire: WireRequest) -> Opened:
        return self._struck(wire, self.inner(wire))

    @asynccontextmanager
    async def _struck(self, wire: WireRequest, opened: Opened) -> AsyncIterator[Answer]:
        async with opened as answer:
            fault = self.faults.on_model(next(self._number)) if answer.request is not None else None
            if fault is None or answer.request is None:
                yield answer
                return
            async with _broken(await at_hand(answer), fault.how, answer.request, wire) as broken:
                yield replace(broken, why=str(fault))
            if not isinstance(fault.how, Spoilt) or isinstance(fault.how, EmptyReply):
                answer.lost()


def _broken(answer: Answer, how: object, request: Request, wire: WireRequest) -> Opened:
    dialect = named(request.dialect)
    match how:
        case Http(status=status, body=body, retry_after=retry_after):
            return whole(dialect.failure(status, body or f"HTTP {status}", retry_after=retry_after), request)
        case Reset() | TimesOut():
            return whole(WireReply(200, {}, ()), request, fault=_ON_SOCKET[type(how)])
        case CutStream() | StallStream():
            assert isinstance(answer.pieces, tuple), "a reply that is still on its way"
            reply = WireReply(answer.status, answer.headers, answer.pieces)
            if answer.decision is not None:
                reply = broken_off(answer.decision, dialect, request)
            fault = Cuts(len(reply.chunks)) if isinstance(how, CutStream) else Stalls(len(reply.chunks))
            return whole(reply, request, fault=fault)
    assert isinstance(how, Spoilt), f"{how} is no failure of a model"
    if answer.decision is None:
        return missed(wire, f"{how} needs a decision to strike, and there is none")
    try:
        reply, _ = carried(spoilt(answer.decision, how), dialect, request)
    except Uncarriable as error:
        return missed(wire, str(error))
    return whole(reply, request)


_ON_SOCKET: dict[type, SocketFault] = {Reset: Resets(), TimesOut: Stalls(after=None)}
