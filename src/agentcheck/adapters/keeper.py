"""Above a zygote stands its keeper, so that an agent that ends the zygote ends nothing else: orphans come here.

Both end what is below them by descent, which neither a scrubbed environment nor a session of one's own hides.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from agentcheck import framing

PATIENCE: Final = 10.0  # seconds within which everything below must be gone
MOST_NAMED: Final = 20
_SUBREAPER: Final = 36  # prctl(2): PR_SET_CHILD_SUBREAPER
_HANGUP: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP
_really_sleep = time.sleep  # the zygote makes the agent's sleeps short


@dataclass(frozen=True, slots=True)
class Over:
    """How a child ended: exit code (negative: the signal), and whether it had been stopped and had to be ended."""

    code: int
    stopped: bool = False


def stand_above(control: socket.socket) -> None:
    """Fork: this returns in the child, which becomes the zygote. The parent keeps it, and never returns."""
    adopt_orphans()
    zygote = os.fork()
    if zygote == 0:
        os.setsid()  # a signal to the zygote's group misses the keeper
        return
    code = 1
    try:
        _keep(control, zygote)
        code = 0
    finally:
        os._exit(code)


def _keep(control: socket.socket, zygote: int) -> None:
    over = _until_over(control, zygote)
    if over is not None:
        with contextlib.suppress(framing.Closed):
            framing.send(control, {"gone": over.code, "stopped": over.stopped})
        _until_lab_lets_go(control)
    left = end_descendants()
    with contextlib.suppress(framing.Closed):
        framing.send(control, {"left": left})


def _until_over(control: socket.socket, zygote: int) -> Over | None:
    """How the zygote ended; None where the lab went away first. A stopped zygote is ended: it answers no more."""
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(control, _HANGUP)
    while True:
        over = waited(zygote, os.WNOHANG)
        if over is not None:
            return over
        ready = {fd for fd, _ in poll.poll()}
        if control.fileno() in ready:
            return None
        woken.recv(4096)


def _until_lab_lets_go(control: socket.socket) -> None:
    """The run goes on without a zygote for as long as the lab wants to look at it."""
    poll = select.poll()
    poll.register(control, _HANGUP)
    poll.poll()


def waited(pid: int, options: int = 0) -> Over | None:
    """How a child ended; None where it has not yet. One that was stopped is ended."""
    found, status = os.waitpid(pid, options | os.WUNTRACED)
    if not found:
        return None
    if not os.WIFSTOPPED(status):
        return Over(os.waitstatus_to_exitcode(status))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return Over(os.waitstatus_to_exitcode(status), stopped=True)


def adopt_orphans() -> None:
    """Become the parent of whatever is left behind below, where the system can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def end_descendants() -> list[str]:
    """End every process below this one; their command lines."""
    named: dict[int, str] = {}
    deadline = time.monotonic() + PATIENCE
    while _has_children() and time.monotonic() < deadline:
        for child in _held_still():
            named.setdefault(child.pid, _name(child))
            with contextlib.suppress(OSError):
                os.kill(child.pid, signal.SIGKILL)
        _reap()
    return _counted([name for name in named.values() if name])


def _has_children() -> bool:
    """Whether anything is below, dead ones included; asking the system costs nothing, where it can be asked."""
    if sys.platform != "linux":
        import psutil

        return bool(psutil.Process().children())
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _held_still() -> list[Any]:
    """All processes below, stopped: none can answer the death of another with a fork."""
    import psutil

    still: dict[int, Any] = {}
    while True:
        below = {child.pid: child for child in psutil.Process().children(recursive=True)}
        new = below.keys() - still.keys()
        if not new:
            return list(still.values())
        for pid in new:
            still[pid] = below[pid]
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGSTOP)


def _reap() -> None:
    """Take leave of the dead; those below them come here as they go, which takes a moment."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        _really_sleep(0.001)


def _name(process: Any) -> str:
    """The command line of a process; empty where it had ended of itself already, and only nobody took note."""
    import psutil

    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return " ".join(process.cmdline())[:80] or str(process.name())
    except psutil.Error:
        return ""


def _counted(names: list[str]) -> list[str]:
    """Each name once, with how often it was there where that is more than once."""
    counts = Counter(names).most_common(MOST_NAMED)
    return [name if times == 1 else f"{name} ({times} times)" for name, times in counts]
