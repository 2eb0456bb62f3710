"""The one socket to the lab: each crossing is a question, and the agent waits for the answer."""

import os
import socket
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from agentcheck import framing

session: ContextVar[str | None] = ContextVar("agentcheck_session", default=None)
running = ["main"]  # the innermost session that runs now: what a thread without a context of its own belongs to


class Link:
    """Asks the lab; safe to use from any thread, one question at a time."""

    def __init__(self, channel: socket.socket):
        self._channel = channel
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.on_stop: Callable[[], None] = lambda: None  # called in the middle of a crossing, with its answer

    def ask(self, op: str, **data: Any) -> dict[str, Any]:
        """Report a crossing and return what the lab says. A lab that is gone ends the process."""
        message = {"op": op, "session": session.get() or running[-1], "pid": os.getpid(), **data}
        try:
            with self._lock:
                framing.send(self._channel, message)
                answer = framing.receive(self._channel)
        except framing.Closed:
            os._exit(70)
        if answer.pop("stop", False):
            self.on_stop()
        return answer

    def receive(self) -> dict[str, Any]:
        """The lab's next instruction, for targets that the lab drives step by step."""
        return framing.receive(self._channel)

    def send(self, message: dict[str, Any]) -> None:
        framing.send(self._channel, message)
