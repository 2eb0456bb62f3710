"""An answer on its way out, with what goes wrong on its socket."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from agentcheck.gateway.answering import Answer
from agentcheck.gateway.endings import OVERLAP, may_end
from agentcheck.gateway.patience import unless_gone
from agentcheck.gateway.sockets import Cuts, HalfCloses, Resets, SlowFirstByte, SocketFault, Stalls
from agentcheck.gateway.transport import transport_of
from agentcheck.wire import STREAMS, header

# Of one connection, or set anew by the server.
_OWN: Final = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding", "date", "server"})
_SENDABLE: Final = re.compile(r"[!#$%&'*+.^_`|~\w-]+:[^\r\n\0]*", re.ASCII)  # name and value (RFC 9110, 5.1 and 5.5)


class Sending:
    """Sends one answer. `whole` is told all pieces of a live one before the last of them goes out."""

    def __init__(
        self,
        answer: Answer,
        fault: SocketFault | None,
        scope: Scope,
        receive: Receive,
        send: Send,
        closing: asyncio.Event,
        whole: Callable[[tuple[bytes, ...]], Awaitable[None]],
    ):
        self._answer, self._fault, self._closing, self._whole = answer, fault, closing, whole
        self._receive, self._send, self._way_out = receive, send, transport_of(scope)
        self._arrived = 0

    async def run(self) -> bool:
        """Whether all of it went out."""
        answer, pieces = self._answer, self._answer.pieces
        if self._fault is None and isinstance(pieces, tuple) and not _streams(answer.headers):
            await self._at_once(b"".join(pieces))
            return True
        if await self._goes_wrong_before():
            return False
        await self._start()
        return await self._body()

    async def _at_once(self, body: bytes) -> None:
        with self._way_out.in_one_piece():
            await self._start((b"content-length", str(len(body)).encode()))
            await self._send({"type": "http.response.body", "body": body})

    async def _start(self, *more: tuple[bytes, bytes]) -> None:
        headers = [*_sendable(self._answer.headers), *more]
        await self._send({"type": "http.response.start", "status": self._answer.status, "headers": headers})

    async def _body(self) -> bool:
        came, held, before = [], b"", b""
        async for piece in self._pieces():
            came.append(piece)
            if held and not await self._delivered(held):
                return False
            held = piece if self._may_be_last(piece, before) else b""
            before = (before + piece)[-OVERLAP:]
            if not held and not await self._delivered(piece):
                return False
        if not isinstance(self._answer.pieces, tuple):
            await self._whole(tuple(came))
        if (held and not await self._delivered(held)) or await self._goes_wrong(b""):
            return False
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        return True

    async def _pieces(self) -> AsyncIterator[bytes]:
        if isinstance(self._answer.pieces, tuple):
            for piece in self._answer.pieces:
                yield piece
        else:
            async for piece in self._answer.pieces:
                yield piece

    def _may_be_last(self, piece: bytes, before: bytes) -> bool:
        """Whether a client could take the reply as whole with this piece, so that it has to wait for the recording."""
        if isinstance(self._answer.pieces, tuple):
            return False
        return self._answer.status >= 400 or not _streams(self._answer.headers) or may_end(piece, before)

    async def _delivered(self, piece: bytes) -> bool:
        if await self._goes_wrong(piece):
            return False
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self._arrived += 1
        return True

    # --- what goes wrong ---------------------------------------------------------------

    async def _goes_wrong_before(self) -> bool:
        match self._fault:
            case Resets(after=None):
                await self._reset()
                return True
            case SlowFirstByte(seconds=seconds) | Stalls(after=None, seconds=seconds):
                return not await self._wait(seconds)
        return False

    async def _goes_wrong(self, piece: bytes) -> bool:
        """Whether the answer ends here, before this piece."""
        match self._fault:
            case Resets(after=int(after)) if after <= self._arrived:
                await self._reset()
            case Cuts(after=after) if after <= self._arrived:
                self._cut(piece)
            case HalfCloses(after=after) if after <= self._arrived:
                self._way_out.shut()
                await self._wait(None)
            case Stalls(after=after, seconds=seconds) if after == self._arrived:
                return not await self._wait(seconds)
            case _:
                return False
        return True

    async def _reset(self) -> None:
        self._way_out.reset()
        await asyncio.sleep(0)  # the server notices that the connection is gone

    def _cut(self, piece: bytes) -> None:
        half = piece[: max(1, len(piece) // 2)]
        self._way_out.write(f"{len(piece):x}\r\n".encode() + half if piece else b"")
        self._way_out.finish()

    async def _wait(self, seconds: float | None) -> bool:
        """Wait so long; False where the client or the gateway gives up first, as somebody must where it is for ever."""
        work: Coroutine[Any, Any, object] = asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds)
        return await unless_gone(work, self._receive, self._closing)


def _streams(headers: Mapping[str, str]) -> bool:
    return header(headers, "content-type").lower().startswith(STREAMS)


def _sendable(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    found = {name.lower(): value.strip() for name, value in headers.items() if _SENDABLE.fullmatch(f"{name}:{value}")}
    return [(n.encode(), v.encode("latin-1", "replace")) for n, v in found.items() if n not in _OWN]
