"""JSON messages with their length before them, over a local socket; file descriptors may ride along."""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

_HEAD = struct.Struct("!I")
_BESIDE = 1 << 31  # in a length: the message has a length of its own before it, and a text comes after it
LARGEST = 256 * 2**20
_JSON = json.JSONEncoder(default=repr)


class Closed(ConnectionError):
    """The other side is gone."""


class Beside(dict[str, Any]):
    """A message with JSON text beside it (`text`), which is read when `["json"]` is first asked for.

    A state is written once and carried through two processes far more often than somebody looks into it.
    """

    def __init__(self, message: Mapping[str, Any], *, text: str | None = None):
        super().__init__(message)
        self.text = text

    def __missing__(self, key: str) -> Any:
        if key != "json":
            raise KeyError(key)
        try:
            self["json"] = None if self.text is None else json.loads(self.text)
        except (ValueError, RecursionError):
            raise Closed("what came beside the message is not JSON") from None
        return self["json"]


def beside(message: Mapping[str, Any]) -> str | None:
    """The JSON text beside a message; None where there is none."""
    return message.text if isinstance(message, Beside) else None


def send(channel: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send one message. Raises Closed where nobody listens any more."""
    text = beside(message)
    body = _JSON.encode(message).encode()
    if text is None:
        frame = _HEAD.pack(len(body)) + body
    else:
        more = text.encode("utf-8", "surrogatepass")
        frame = _HEAD.pack(_HEAD.size + len(body) + len(more) | _BESIDE) + _HEAD.pack(len(body)) + body + more
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
    return _message(channel, _exactly(channel, _HEAD.size))


def receive_with_fd(channel: socket.socket) -> tuple[dict[str, Any], int]:
    """The next message and the file descriptor that came with it (-1: none)."""
    head, fds, _, _ = socket.recv_fds(channel, _HEAD.size, 1)
    if len(head) < _HEAD.size:
        head += _exactly(channel, _HEAD.size - len(head))
    return _message(channel, head), fds[0] if fds else -1


def _message(channel: socket.socket, head: bytes) -> dict[str, Any]:
    (length,) = _HEAD.unpack(head)
    beside, length = length & _BESIDE, length & ~_BESIDE
    if length > LARGEST:
        raise Closed(f"a message of {length} bytes is larger than the {LARGEST} allowed")
    sent = _exactly(channel, length)
    try:
        message, text = _divided(sent) if beside else (json.loads(sent), None)
    except (ValueError, struct.error):
        raise Closed("the message is not JSON") from None
    if not isinstance(message, dict):
        raise Closed("the message is not an object")
    return message if text is None else Beside(message, text=text)


def _divided(sent: bytes) -> tuple[Any, str]:
    """A message and the text beside it."""
    (length,) = _HEAD.unpack_from(sent)
    end = _HEAD.size + length
    if end > len(sent):
        raise ValueError(f"{length} bytes of a message are not there")
    return json.loads(sent[_HEAD.size : end]), str(sent[end:], "utf-8", "surrogatepass")


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
