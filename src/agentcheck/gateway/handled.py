"""Answers from a handler of messages, such as the World of a run: {"op": "http", …} in, {"do": "reply", …} out."""

import base64
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentcheck.conditions import CutOff
from agentcheck.dialects import dialect_of
from agentcheck.gateway.answering import Opened, whole
from agentcheck.gateway.sides import side_reply, speaker_of
from agentcheck.gateway.sockets import Cuts, Resets, SocketFault, Stalls
from agentcheck.wire import WireReply, WireRequest


def _none_bound(tools: Sequence[str]) -> dict[str, Any]:
    return {tool: {"bound": False, "why": "nothing stands for it", "value": False} for tool in tools}


@dataclass
class Handled:
    """Asks `handle`, one request at a time, in a thread: it may wait, and it writes down what crosses.

    `bound` says of tools that the handler does not know yet what stands for each. `cut_off` hears that the handler
    ended the run, whose request is then reset; `stop` that the agent is to be asked to stop.
    """

    handle: Callable[[Mapping[str, Any]], dict[str, Any]]
    session: str = "main"
    pid: int = 0
    bound: Callable[[Sequence[str]], dict[str, Any]] = _none_bound
    cut_off: Callable[[CutOff], None] = lambda ended: None
    stop: Callable[[], None] = lambda: None
    quick: bool = False
    records: bool = True
    _lock: "threading.Lock" = field(default_factory=threading.Lock, repr=False)

    def __call__(self, wire: WireRequest) -> Opened:
        side = None if dialect_of(wire) else side_reply(wire)
        if side is not None:
            return whole(side[1], side=side[0])
        body = base64.b64encode(wire.body).decode()
        asked = {"op": "http", "method": wire.method, "url": wire.url, "headers": dict(wire.headers), "body": body}
        with self._lock:
            try:
                reply = self._told(asked)
            except CutOff as ended:
                self.cut_off(ended)
                return whole(WireReply(200, {}, ()), fault=Resets(), recorded=True)
        if reply.get("stop"):
            self.stop()
        return _answered(reply, wire)

    async def ended(self) -> None:
        """The handler is somebody else's."""

    def _told(self, message: Mapping[str, Any]) -> dict[str, Any]:
        about = {"session": self.session, "pid": self.pid}
        reply = self.handle({**about, **message})
        if reply.get("do") == "bind":
            reply = self.handle({**about, "op": "bound", "tools": self.bound(reply["tools"])})
        return reply


def _answered(reply: Mapping[str, Any], wire: WireRequest) -> Opened:
    broken = reply.get("broken")
    if broken == "refused":
        return whole(speaker_of(wire).failure(403, str(reply.get("why") or "refused")), recorded=True)
    chunks = tuple(base64.b64decode(chunk) for chunk in reply.get("chunks", ()))
    found = WireReply(int(reply.get("status", 200)), dict(reply.get("headers", {})), chunks)
    return whole(found, fault=_fault(broken, len(chunks)), recorded=True)


def _fault(broken: str | None, chunks: int) -> SocketFault | None:
    """What a break of the wire, in a handler's word for it, is on a socket."""
    match broken:
        case None | "":
            return None
        case "reset":
            return Resets()
        case "cut":
            return Cuts(after=chunks)
        case "timeout":
            return Stalls(after=None)
        case "stall":
            return Stalls(after=chunks)
    raise ValueError(f"no way to break a connection is called {broken!r}")
