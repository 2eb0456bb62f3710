"""The application: each request checked, written down, answered; what is to go wrong on the socket goes wrong here."""

import asyncio
import hmac
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from agentcheck.dialects import named
from agentcheck.gateway.answering import Answer, Answering
from agentcheck.gateway.bodies import LARGEST, TooLarge, unpacked
from agentcheck.gateway.sockets import Cuts, HalfCloses, Resets, SlowFirstByte, SocketFault, Stalls
from agentcheck.gateway.transport import transport_of
from agentcheck.live import LiveError
from agentcheck.trace import Trace
from agentcheck.wire import STREAMS, CassetteError, WireError, WireReply, WireRequest, header

# Of one connection, or set anew by the server.
_OWN: Final = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding", "date", "server"})
_KEPT: Final = ("content-type", "user-agent", "accept")  # of a request's headers, in the trace
_LOOK: Final = 0.05  # seconds between two looks at whether the gateway is closing


class App:
    """An ASGI application. `closing` ends whatever waits."""

    def __init__(
        self,
        answering: Answering,
        trace: Trace,
        token: str,
        fault: Callable[[int], SocketFault | None],
        heard: Callable[[str], None],
    ):
        self._answering = answering
        self._trace = trace
        self._token = token
        self._fault = fault
        self._heard = heard
        self._lock = threading.Lock()
        self._asked = 0
        self.closing = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = self._path_behind_token(scope)
        if path is None:
            self._record("refused", what="connection", detail=f"{scope['method']} {scope['path'][:40]}", where="")
            await _plain(send, 403, b"agentcheck: this address lacks the token of the gateway\n")
            return
        try:
            wire = await self._wire(path, scope, receive)
        except TooLarge:
            await _plain(send, 413, f"agentcheck: a request of more than {LARGEST >> 20} MiB\n".encode())
            return
        except WireError as error:
            await _plain(send, 400, f"agentcheck: {error}\n".encode())
            return
        except ClientDisconnect:
            return
        await self._answer(wire, scope, receive, send)

    def _path_behind_token(self, scope: Scope) -> str | None:
        _, token, *rest = scope["raw_path"].decode("latin-1").split("/", 2) if scope["path"] else ("", "")
        if not hmac.compare_digest(unquote(token).encode(), self._token.encode()):
            return None
        return f"/{rest[0] if rest else ''}"

    async def _wire(self, path: str, scope: Scope, receive: Receive) -> WireRequest:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        body, size = [], 0
        async for piece in HttpRequest(scope, receive).stream():
            size += len(piece)
            if size > LARGEST:
                raise TooLarge
            body.append(piece)
        url = f"http://gateway{path}{'?' if query else ''}{query}"
        return WireRequest(scope["method"], url, headers, unpacked(b"".join(body), headers))

    # --- answering ---------------------------------------------------------------------

    async def _answer(self, wire: WireRequest, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            answering = self._answering(wire)
            quick = self._answering.quick
            answer = stack.enter_context(answering) if quick else await run_in_threadpool(answering.__enter__)
            if not quick:
                stack.push(answering.__exit__)
            number = self._written_down(wire, answer)
            fault = answer.fault or (self._fault(number) if number else None)
            sender = _Sender(answer, fault, scope, receive, send, self)
            try:
                await sender.run()
            except (LiveError, CassetteError, OSError) as error:
                self._record("model_failed", failure=str(error))
                transport_of(scope["client"]).finish()

    def _written_down(self, wire: WireRequest, answer: Answer) -> int:
        """Record what was asked and what will be answered; the number of the model call, 0 where it is none."""
        if answer.request is None:
            if answer.miss:
                self._record("miss", url=wire.url, reason=answer.miss)
            else:
                self._record("probe", name=answer.side or "other", value=f"{wire.method} {wire.path}")
            self._heard(f"{wire.method} {wire.path}: {answer.miss or answer.side or answer.status}")
            return 0
        with self._lock:
            self._asked += 1
            number = self._asked
            raw = {"method": wire.method, "url": wire.url, "headers": _kept(wire.headers), "body": _text(wire.body)}
            self._trace.append("model_request", n=number, request=answer.request, raw=raw)
            if answer.why:
                self._trace.append("fault_fired", fault=answer.why)
            self._say(number, answer)
        return number

    def _say(self, number: int, answer: Answer) -> None:
        said = "passed on"
        if answer.miss:
            self._trace.append("miss", url="", reason=answer.miss)
            said = f"MISS, {answer.miss}"
        elif answer.decision is not None:
            self._trace.append("model_reply", n=number, decision=answer.decision)
            calls = ", ".join(call.name for call in answer.decision.calls)
            said = f"calls {calls}" if calls else repr(answer.decision.text[:60])
        elif answer.failure:
            self._trace.append("model_failed", failure=answer.failure)
            said = answer.failure
        request = answer.request
        assert request is not None, "a model call without a request"
        self._heard(f"call {number}, {request.dialect}, {len(request.messages)} messages: {said}")

    def replied(self, answer: Answer, pieces: list[bytes]) -> None:
        """Record what a live model said, once it is whole."""
        answer.done()
        if answer.request is None:
            return
        try:
            decision = named(answer.request.dialect).parse_reply(
                WireReply(answer.status, answer.headers, tuple(pieces))
            )
            self._record("model_reply", n=self._asked, decision=decision)
        except WireError as error:
            self._record("model_failed", failure=str(error))

    def fired(self, fault: SocketFault) -> None:
        self._record("fault_fired", fault=str(fault))

    def _record(self, type: str, /, **data: Any) -> None:
        with self._lock:
            self._trace.append(type, **data)


class _Sender:
    """One answer on its way out, with what goes wrong on it."""

    def __init__(self, answer: Answer, fault: SocketFault | None, scope: Scope, receive: Receive, send: Send, app: App):
        self.answer, self.fault, self.app = answer, fault, app
        self._scope, self._receive, self._send = scope, receive, send

    async def run(self) -> None:
        if self.fault is not None and not self.answer.why:
            self.app.fired(self.fault)
        if isinstance(self.fault, Resets) and self.fault.after is None:
            transport_of(self._scope["client"]).reset()
            self.answer.lost()
            return
        if isinstance(self.fault, SlowFirstByte):
            await self._wait(self.fault.seconds)
        headers = self._headers()
        if self.fault is None and not self.answer.live and not _streams(self.answer.headers):
            await self._at_once(headers)
            return
        await self._send({"type": "http.response.start", "status": self.answer.status, "headers": headers})
        await self._body()

    async def _at_once(self, headers: list[tuple[bytes, bytes]]) -> None:
        body = b"".join(self.answer.pieces)
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": self.answer.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        kept = {name.lower(): value for name, value in self.answer.headers.items() if name.lower() not in _OWN}
        return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in kept.items()]

    async def _body(self) -> None:
        sent: list[bytes] = []
        pieces = iter(self.answer.pieces)
        upcoming = await self._next(pieces)
        while upcoming is not None:
            piece, upcoming = upcoming, await self._next(pieces)
            sent.append(piece)
            if upcoming is None and self.answer.live:  # on disk before the last piece goes out
                await run_in_threadpool(self.app.replied, self.answer, sent)
            if await self._goes_wrong(len(sent) - 1, piece):
                self.answer.lost()
                return
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if not await self._goes_wrong(len(sent), b""):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        if self.answer.live:
            return await run_in_threadpool(next, pieces, None)
        return next(pieces, None)

    async def _goes_wrong(self, arrived: int, piece: bytes) -> bool:
        """Whether the answer ends here, with so many pieces arrived whole."""
        way_out = transport_of(self._scope["client"])
        match self.fault:
            case Resets(after=after) if after == arrived:
                way_out.reset()
            case Cuts(after=after) if after <= arrived:
                half = piece[: max(1, len(piece) // 2)]
                way_out.write(f"{len(piece):x}\r\n".encode() + half if piece else b"")
                way_out.finish()
            case HalfCloses(after=after) if after <= arrived:
                way_out.shut()
                await self._wait(None)
            case Stalls(after=after, seconds=seconds) if after == arrived:
                await self._wait(seconds)
                return seconds is None
            case _:
                return False
        return True

    async def _wait(self, seconds: float | None) -> None:
        """Wait so long, or until the client or the gateway gives up."""
        gone = asyncio.ensure_future(self._disconnected())
        loop = asyncio.get_running_loop()
        until = None if seconds is None else loop.time() + seconds
        while not gone.done() and not self.app.closing.is_set() and (until is None or loop.time() < until):
            left = _LOOK if until is None else min(_LOOK, max(0.0, until - loop.time()))
            await asyncio.wait({gone}, timeout=left)
        gone.cancel()

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue


async def _plain(send: Callable[[Any], Awaitable[None]], status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _streams(headers: Mapping[str, str]) -> bool:
    return header(headers, "content-type").lower().startswith(STREAMS)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that carry credentials."""
    return {name: value for name, value in headers.items() if name.lower() in _KEPT}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
