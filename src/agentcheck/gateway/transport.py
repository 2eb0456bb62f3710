"""The transport of each connection, so that what goes wrong on a socket can really go wrong on it."""

import asyncio
import socket
import struct
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_EXTENSION: Final = "agentcheck.transport"  # of a scope: the transport of its connection


class Transport:
    """One connection's way out."""

    def __init__(self, transport: asyncio.Transport):
        self._transport = transport

    def reset(self) -> None:
        """RST: what is not sent yet is thrown away."""
        one: socket.socket = self._transport.get_extra_info("socket")
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def finish(self) -> None:
        """FIN, after what was written; nothing more is read."""
        self._transport.close()

    def shut(self) -> None:
        """FIN of this direction alone: the other side may go on."""
        self._transport.write_eof()

    def write(self, data: bytes) -> None:
        self._transport.write(data)


class Protocol(H11Protocol):
    """uvicorn's own, which hands its transport to the application as an extension of the scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        answer, found = self.app, {_EXTENSION: Transport(transport)}

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            await answer({**scope, "extensions": found}, receive, send)  # type: ignore[arg-type]

        self.app: Any = with_transport


def transport_of(scope: Scope) -> Transport:
    """The way out of the connection that a request came on."""
    found: Transport = scope["extensions"][_EXTENSION]
    return found
