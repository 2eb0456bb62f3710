"""The transport of each connection, so that what goes wrong on a socket can really go wrong on it."""

import asyncio
import socket
import struct
from typing import Any
from weakref import WeakValueDictionary

from uvicorn.protocols.http.h11_impl import H11Protocol

_open: "WeakValueDictionary[tuple[str, int], Transport]" = WeakValueDictionary()


class Transport:
    """One connection's way out."""

    def __init__(self, transport: Any):
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
    """uvicorn's own, which keeps its transport where an answer finds it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._way_out = Transport(transport)
        if self.client is not None:
            _open[self.client] = self._way_out


def transport_of(client: Any) -> Transport:
    """The way out of the connection from this address."""
    return _open[tuple(client)]
