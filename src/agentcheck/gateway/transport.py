"""The transport of each connection, so that what goes wrong on a socket can really go wrong on it."""

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_EXTENSION: Final = "agentcheck.transport"  # of a scope: the transport of its connection
_UNHEARD: Final = logging.Logger("agentcheck.gateway", logging.CRITICAL + 1)  # broken answers are meant to be broken


class Transport:
    """asyncio's transport of one connection, with what an answer may do to it."""

    def __init__(self, transport: asyncio.Transport):
        self._transport = transport
        self._waiting: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._waiting is None:
            self._transport.write(data)
        else:
            self._waiting.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    @contextmanager
    def in_one_piece(self) -> Iterator[None]:
        """What is written meanwhile is sent at once, in the end."""
        self._waiting = []
        try:
            yield
        finally:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting:
            self._transport.write(b"".join(waiting))

    def reset(self) -> None:
        """RST: what is not sent yet is thrown away."""
        one: socket.socket = self._transport.get_extra_info("socket")
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def finish(self) -> None:
        """FIN, after what was written; nothing more is read."""
        self.close()

    def shut(self) -> None:
        """FIN of this direction alone: the other side may go on."""
        self._transport.write_eof()


class Protocol(H11Protocol):
    """uvicorn's own, which hands its transport to the application as an extension of the scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        own: Any = Transport(transport)
        super().connection_made(own)
        self.logger = self.access_logger = _UNHEARD
        answer, found = self.app, {_EXTENSION: own}

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            await answer({**scope, "extensions": found}, receive, send)

        self.app: Any = with_transport


def transport_of(scope: Scope) -> Transport:
    """The way out of the connection that a request came on."""
    found: Transport = scope["extensions"][_EXTENSION]
    return found


@asynccontextmanager
async def serving(app: ASGIApp, bound: socket.socket, *, idle: int, head: int, grace: float) -> AsyncIterator[None]:
    """uvicorn's HTTP on this socket. At the end answers have `grace` seconds, then every connection is closed.

    `idle`: seconds that a connection is kept between two requests; `head`: bytes of a request's head at the most.
    """
    config = Config(
        app, http=Protocol, lifespan="off", ws="none", interface="asgi3", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, date_header=False,
        timeout_keep_alive=idle, h11_max_incomplete_event_size=head,
    )  # fmt: skip
    config.load()
    state = ServerState()
    listener = await asyncio.get_running_loop().create_server(lambda: Protocol(config, state, {}), sock=bound)
    try:
        yield
    finally:
        listener.close()
        await _ended(state, grace)


async def _ended(state: ServerState, grace: float) -> None:
    """Let answers end, then cancel them, and leave no connection."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(set(state.tasks), timeout=grace)
    left = list(state.tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)  # the transports close
