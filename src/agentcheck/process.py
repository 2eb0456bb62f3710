"""The lab's side of a zygote: start it, fork runs from it, and end everything that it started."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from agentcheck import framing
from agentcheck.adapters import disk
from agentcheck.adapters.sweep import MARK, sweep
from agentcheck.finding import HarnessError

LARGEST_FILE = 256 * 2**20  # bytes that the agent may write into one file
START_SECONDS = 60.0
PATIENCE = 1.0  # seconds for a process to be gone that ends of itself
LONGEST_ANSWER = 20.0  # seconds in which a zygote or its keeper answers; ending what is left takes most of it


@dataclass(frozen=True, slots=True)
class Machine:
    """What surrounds a process of the agent: two runs on different machines must still agree.

    `clock` holds the wall clock at that instant, in seconds since the epoch; None leaves it alone.
    `imported_at` likewise while the target is imported. `host_name` gives it that name, where the
    system can; None leaves it. `bare` takes away what belongs to somebody's terminal session.
    Processes of different `lane` have different parents, so that they can run at the same time.
    """

    hash_seed: int = 1
    clock: float | None = None
    imported_at: float | None = None
    folder: str = "a"
    zone: str = "UTC"
    host_name: str | None = None
    bare: bool = False
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: exit code (negative: the signal), and what it left running.

    `stopped`: it had stopped itself, and was ended. `orphaned`: what the agent did to its parent, if anything.
    """

    code: int | None
    left: tuple[str, ...] = ()
    stopped: bool = False
    orphaned: str = ""


class Zygote:
    """One process with the target imported, from which runs are forked one after another.

    The process that is started here is its keeper, see `agentcheck.adapters.keeper`.
    """

    def __init__(
        self, spec: Mapping[str, Any], *, hash_seed: int, sandbox: Path, environment: Mapping[str, str], python: str
    ):
        self.sandbox = sandbox
        self.mark = f"{os.getpid()}-{hash_seed}-{time.monotonic_ns()}"
        ours, theirs = socket.socketpair()
        with theirs, (sandbox / "import.out").open("ab") as out:
            try:
                self._process = subprocess.Popen(
                    [python, "-m", "agentcheck.stage.zygote", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    pass_fds=[theirs.fileno()],
                    env={**environment, "PYTHONHASHSEED": str(hash_seed), MARK: self.mark},
                    cwd=sandbox,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise HarnessError(f"python = {python!r} cannot be started: {error.strerror}") from None
        self._control = ours
        self.described = self._introduced({**spec, "sandbox": str(sandbox), "largest_file": LARGEST_FILE})

    def _introduced(self, spec: dict[str, Any]) -> dict[str, Any]:
        name = spec.get("target") or spec.get("host") or spec.get("run") or spec.get("reducer")
        try:
            said = self._first_words(spec)
            if "bad" in said:
                self.close()
                raise HarnessError(said["bad"])
            problem = self._ended_early(said)
        except TimeoutError:
            problem = f"importing it took more than {START_SECONDS:.0f} s; does it start work at import?"
        except disk.Filled as filled:
            problem = f"importing it {filled}; does it start work at import?"
        except (framing.Closed, RecursionError) as closed:
            problem = f"importing it broke its connection to agentcheck ({closed})"
        if (code := self._process.poll()) is not None:
            problem = f"importing it ended the process that agentcheck keeps above it, {_how(code)}"
        if not problem:
            return said
        self.close()
        raise HarnessError(f"{name}: {problem}")

    def _first_words(self, spec: dict[str, Any]) -> dict[str, Any]:
        self._control.settimeout(START_SECONDS)
        framing.send(self._control, spec)
        disk.Watch([self.sandbox]).wait(self._control, time.monotonic() + START_SECONDS)
        return framing.receive(self._control)

    def _ended_early(self, said: Mapping[str, Any]) -> str:
        if "gone" not in said:
            return "" if "declared" in said else "importing it broke its connection to agentcheck (no message of ours)"
        how = "stopped the process with a signal" if said["stopped"] else f"ended the process {_how(said['gone'])}"
        last = disk.last_line(self.sandbox / "import.out")[:200]
        return f"importing it {how}{f'; it said: {last}' if last else ''}"

    @property
    def alive(self) -> bool:
        """Whether it can run anything; what it says unasked is that it is gone."""
        if self._process.poll() is not None or self._control.fileno() < 0:
            return False
        return not _readable(self._control, 0)

    @contextlib.contextmanager
    def run(self, job: Mapping[str, Any]) -> Iterator["Fork"]:
        """Fork a process for one job; it is gone, with all that it started, when the block ends."""
        ours, theirs = socket.socketpair()
        with ours:
            fork = Fork(ours, self._forked(job, theirs), self._control)
            try:
                yield fork
            finally:
                fork.kill()
                fork.ended = self._over(fork)

    def _forked(self, job: Mapping[str, Any], theirs: socket.socket) -> int:
        try:
            with theirs:
                framing.send(self._control, dict(job), (theirs.fileno(),))
            self._control.settimeout(START_SECONDS)  # it may have modules to import first
            return int(framing.receive(self._control)["pid"])
        except (framing.Closed, TimeoutError, KeyError):
            self.close()
            raise HarnessError("the process that holds the imported agent was gone before the run began") from None

    def _over(self, fork: "Fork") -> Ended:
        self._control.settimeout(LONGEST_ANSWER)
        try:
            said = framing.receive(self._control)
            if "gone" not in said:
                return Ended(said["code"], tuple(said["left"]), said["stopped"])
            left = self._let_go()
            if fork.pid == self.described["pid"]:  # the target had threads, so nothing was forked
                return Ended(said["gone"], left, said["stopped"])
            return Ended(None, left, orphaned="stopped" if said["stopped"] else "ended")
        except (framing.Closed, TimeoutError):
            return Ended(None, tuple(self._end()), orphaned="ended")

    def _let_go(self) -> tuple[str, ...]:
        """Let the keeper end what is left without a zygote; their command lines."""
        self._control.shutdown(socket.SHUT_WR)
        left = framing.receive(self._control)["left"]
        return (*left, *self._end())

    def learn(self, modules: list[str]) -> None:
        """Import these modules beforehand for the runs to come."""
        with contextlib.suppress(framing.Closed):  # the agent has ended it: the next one is told of all of them
            framing.send(self._control, {"import": modules})

    def close(self) -> None:
        """End the zygote and all that comes from it, and remove its folder."""
        self._end()
        disk.remove(self.sandbox)

    def _end(self) -> list[str]:
        """Let the keeper end everything; the command lines of what it could not."""
        if self._process.poll():  # the agent has ended it: with the zygote would go what tells who came from it
            left = sweep(self.mark, self.sandbox)
            self._control.close()
            return left
        self._control.close()
        return [] if self._kept() else sweep(self.mark, self.sandbox)

    def _kept(self) -> bool:
        """Whether the keeper has done its work, and the system let it; one that the agent has stopped goes on."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGCONT)
        try:
            return self._process.wait(timeout=LONGEST_ANSWER) == 0 and sys.platform == "linux"
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=LONGEST_ANSWER)
            return False


class Fork:
    """One running process of the agent, and the socket on which it asks."""

    def __init__(self, channel: socket.socket, pid: int, control: socket.socket):
        self.channel = channel
        self.pid = pid
        self._control = control
        self.killed = False
        self.ended = Ended(None)
        self.said = ""  # the last line on its standard error
        self.folders: list[Path] = []  # where it may write
        self.broke = ""  # what the agent did that made agentcheck end it, as in "the agent …"

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the agent's process; what it started is ended by its parent, which writes down what it was.

        Where the system gives the parent no orphans (elsewhere than on Linux), its group gets the signal too.
        """
        self.killed = self.killed or number == signal.SIGKILL
        for send in (os.kill,) if sys.platform == "linux" else (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(self.pid, number)

    def lives_on(self, patience: float = PATIENCE) -> bool:
        """Whether a process that has closed its channel is still there so many seconds later."""
        if _readable(self._control, patience):  # its parent tells how it ended
            return False
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        return False


def _readable(channel: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def environment(planted: Mapping[str, str], extra: Mapping[str, str], home: Path) -> dict[str, str]:
    """The agent's environment: the user's own, with secrets replaced by planted ones and a home of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_", "AGENTCHECK_"))}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", "PYTHONINSPECT"):
        kept.pop(name, None)
    kept.setdefault("OPENAI_API_TYPE", _openai_type())
    return {**kept, **planted, "HOME": str(home), "TMPDIR": str(home / "tmp"), "PYTHONUNBUFFERED": "1", **extra}


def _openai_type() -> str:
    """Which of its services OpenAI's module-level client means, now that keys for all of them are there."""
    return "azure" if "AZURE_OPENAI_API_KEY" in os.environ and "OPENAI_API_KEY" not in os.environ else "openai"


def new_sandbox(root: Path, name: str) -> Path:
    """An empty folder for one run, with a temporary folder in it."""
    folder = root / name
    disk.remove(root / Path(name).parts[0])
    (folder / "tmp").mkdir(parents=True)
    return folder


def _how(code: int) -> str:
    return f"with exit status {code}" if code >= 0 else f"with signal {signal.Signals(-code).name}"


def interpreter(configured: str | None) -> str:
    return configured or sys.executable
