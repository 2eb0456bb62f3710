"""JSON messages with a length before them, over a local socket; file descriptors may ride along."""

import json
import socket
import struct
from typing import Any

_HEAD = struct.Struct("!I")
LARGEST = 256 * 2**20


class Closed(ConnectionError):
    """The other side is gone."""


def send(channel: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send one message. Raises Closed where nobody listens any more."""
    body = json.dumps(message, ensure_ascii=True, default=repr).encode()
    frame = _HEAD.pack(len(body)) + body
    try:
        if fds:
            sent = socket.send_fds(channel, [frame], list(fds))
            channel.sendall(frame[sent:])
        else:
            channel.sendall(frame)
    except OSError as error:
        raise Closed(str(error)) from None


def receive(channel: socket.socket) -> dict[str, Any]:
    """The next message. Raises Closed at the end, TimeoutError after the socket's time-out."""
    (length,) = _HEAD.unpack(_exactly(channel, _HEAD.size))
    return _message(channel, length)


def receive_with_fd(channel: socket.socket) -> tuple[dict[str, Any], int]:
    """The next message and the file descriptor that came with it (-1: none)."""
    head, fds, _, _ = socket.recv_fds(channel, _HEAD.size, 1)
    if len(head) < _HEAD.size:
        head += _exactly(channel, _HEAD.size - len(head))
    (length,) = _HEAD.unpack(head)
    return _message(channel, length), fds[0] if fds else -1


def _message(channel: socket.socket, length: int) -> dict[str, Any]:
    if length > LARGEST:
        raise Closed(f"a message of {length} bytes is larger than the {LARGEST} allowed")
    try:
        message = json.loads(_exactly(channel, length))
    except ValueError:
        raise Closed("the message is not JSON") from None
    if not isinstance(message, dict):
        raise Closed("the message is not an object")
    return message


def _exactly(channel: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        try:
            part = channel.recv(min(count, 1 << 20))
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed(str(error)) from None
        if not part:
            raise Closed("the connection was closed")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
