"""The application: each request checked, written down, and answered."""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from urllib.parse import unquote

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from agentcheck.dialects import named
from agentcheck.gateway.answering import Answer, Answering, Opened, missed, parsed
from agentcheck.gateway.bodies import LARGEST, TooLarge, unpacked
from agentcheck.gateway.patience import unless_gone
from agentcheck.gateway.sending import Sending
from agentcheck.gateway.sockets import SocketFault
from agentcheck.gateway.transport import transport_of
from agentcheck.messages import Decision, Request
from agentcheck.secrets import scrub_url
from agentcheck.trace import Trace
from agentcheck.wire import CassetteError, WireError, WireReply, WireRequest

_KEPT: Final = ("content-type", "user-agent", "accept")  # of a request's headers, in the trace
_THREADS: Final = 64  # requests that may wait for an answering at the same time
_FORBIDDEN: Final = "this address lacks the token of the gateway"
_TOO_LARGE: Final = f"a request of more than {LARGEST >> 20} MiB"
_UPGRADE: Final = "the gateway speaks plain HTTP: ask again without an upgrade"


class App:
    """An ASGI application. All that crosses is in `trace` before it is answered.

    A request without the token gets 403, one beyond the bound 413, one that wants another protocol 426.
    """

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
        self._token = token.encode()
        self._fault = fault
        self._heard = heard
        self._asked = 0
        self._closing = asyncio.Event()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="agentcheck-gateway")

    def give_up(self) -> None:
        """End whatever waits; called in the loop."""
        self._closing.set()

    async def ended(self) -> None:
        """Close what answers. Waits for calls that still run in a thread."""
        await self._answering.ended()
        self._threads.shutdown(cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._path_behind_token(scope)
        if path is None:
            await self._refuse(403, _FORBIDDEN, scope["path"][:40], scope, send)
        elif _wants_upgrade(scope):
            await self._refuse(426, _UPGRADE, path, scope, send, (b"upgrade", b"HTTP/1.1"), (b"connection", b"upgrade"))
        else:
            await self._take(path, scope, receive, send)

    def _path_behind_token(self, scope: Scope) -> str | None:
        _, _, rest = scope["raw_path"].decode("latin-1").partition("/")
        token, _, path = rest.partition("/")
        return f"/{path}" if hmac.compare_digest(unquote(token).encode(), self._token) else None

    async def _refuse(
        self, status: int, why: str, what: str, scope: Scope, send: Send, *more: tuple[bytes, bytes]
    ) -> None:
        self._trace.append("refused", what="connection", detail=f"{scope['method']} {what}: {why}", where="")
        self._heard(f"refused {scope['method']} {what}: {why}")
        text = f"agentcheck: {why}\n".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    # --- what was asked ----------------------------------------------------------------

    async def _take(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        bare = WireRequest(scope["method"], f"http://gateway{path}{'?' if query else ''}{query}", headers, b"")
        try:
            body = unpacked(await _read(scope, receive), headers)
        except TooLarge:
            await self._refuse(413, _TOO_LARGE, path, scope, send, (b"connection", b"close"))
        except WireError as error:
            await self._pass(missed(bare, str(error)), bare, 0, scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._answer(WireRequest(bare.method, bare.url, headers, body), scope, receive, send)

    async def _answer(self, wire: WireRequest, scope: Scope, receive: Receive, send: Send) -> None:
        if self._answering.quick:
            await self._pass(self._opened(wire), wire, 0, scope, receive, send)
            return
        request = None if self._answering.records else parsed(wire)
        number = self._written_down(wire, request) if request else 0
        if not await unless_gone(self._waited_for(wire, number, scope, receive, send), receive, self._closing):
            self._give_up_on(number)

    async def _waited_for(self, wire: WireRequest, number: int, scope: Scope, receive: Receive, send: Send) -> None:
        opened = await asyncio.get_running_loop().run_in_executor(self._threads, self._opened, wire)
        await self._pass(opened, wire, number, scope, receive, send)

    def _opened(self, wire: WireRequest) -> Opened:
        try:
            return self._answering(wire)
        except Exception as error:  # whatever a script, a dialect or a foreign answering comes to
            return missed(wire, f"agentcheck itself failed on this request: {type(error).__name__}: {error}")

    def _written_down(self, wire: WireRequest, request: Request) -> int:
        """Record a model call; its number."""
        self._asked += 1
        url = scrub_url(wire.url) if "?" in wire.url else wire.url
        raw = {"method": wire.method, "url": url, "headers": _kept(wire.headers), "body": _text(wire.body)}
        self._trace.append("model_request", n=self._asked, request=request, raw=raw)
        return self._asked

    # --- what is answered --------------------------------------------------------------

    async def _pass(
        self, opened: Opened, wire: WireRequest, number: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Write an answer down and send it."""
        try:
            async with opened as answer:
                if not answer.recorded:
                    number = self._say(number, wire, answer)
                fault = answer.fault or (self._fault(number) if number else None)
                if fault is not None and not answer.why and not answer.recorded:
                    self._trace.append("fault_fired", fault=str(fault))
                whole = partial(self._came_whole, answer, number)
                if not await Sending(answer, fault, scope, receive, send, self._closing, whole).run():
                    answer.lost()
        except (OSError, CassetteError) as error:
            self._trace.append("model_failed", n=number, failure=str(error))
            self._heard(f"call {number}: {error}")
            transport_of(scope).finish()

    def _say(self, number: int, wire: WireRequest, answer: Answer) -> int:
        """Record what is answered, and before it the model call where that is not done yet; the number of that."""
        if answer.request is None:
            self._say_beside(wire, answer)
            return 0
        number = number or self._written_down(wire, answer.request)
        if answer.why:
            self._trace.append("fault_fired", fault=answer.why)
        if answer.miss:
            self._trace.append("miss", url=wire.url.partition("?")[0], reason=answer.miss)
            self._tell(number, answer.request, f"MISS, {answer.miss}")
        elif isinstance(answer.pieces, tuple):
            self._decided(number, answer.request, answer.decision, answer.failure)
        return number

    def _say_beside(self, wire: WireRequest, answer: Answer) -> None:
        """Of a request that calls no model."""
        if answer.miss:
            self._trace.append("miss", url=wire.url.partition("?")[0], reason=answer.miss)
        else:
            self._trace.append("probe", name=answer.side or "other", value=f"{wire.method} {wire.path}")
        said = f"MISS, {answer.miss}" if answer.miss else answer.side or str(answer.status)
        self._heard(f"{wire.method} {wire.path}: {said}")

    def _decided(self, number: int, request: Request, decision: Decision | None, failure: str) -> None:
        if decision is None:
            self._trace.append("model_failed", n=number, failure=failure)
            self._tell(number, request, failure)
            return
        self._trace.append("model_reply", n=number, decision=decision)
        calls = ", ".join(call.name for call in decision.calls)
        self._tell(number, request, f"calls {calls}" if calls else repr(decision.text[:60]))

    def _tell(self, number: int, request: Request, said: str) -> None:
        self._heard(f"call {number}, {request.dialect}, {len(request.messages)} messages: {said}")

    async def _came_whole(self, answer: Answer, number: int, pieces: tuple[bytes, ...]) -> None:
        """A live reply is all there, and its last piece not sent yet. Raises CassetteError."""
        await asyncio.get_running_loop().run_in_executor(self._threads, answer.done)
        if answer.request is None or answer.miss:
            return
        try:
            found = named(answer.request.dialect).parse_reply(WireReply(answer.status, answer.headers, pieces))
            self._decided(number, answer.request, found, "")
        except WireError as error:
            self._decided(number, answer.request, None, str(error))

    def _give_up_on(self, number: int) -> None:
        why = "the gateway closed" if self._closing.is_set() else "the client went away"
        self._heard(f"call {number}: {why} before the reply was whole")
        if number:
            self._trace.append("model_failed", n=number, failure=f"{why} before the reply was whole")


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The body of a request. Raises TooLarge, ClientDisconnect."""
    pieces, size = [], 0
    async for piece in HttpRequest(scope, receive).stream():
        size += len(piece)
        if size > LARGEST:
            raise TooLarge
        pieces.append(piece)
    return b"".join(pieces)


def _wants_upgrade(scope: Scope) -> bool:
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in scope["headers"])


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that carry credentials."""
    return {name: value for name, value in headers.items() if name.lower() in _KEPT}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
