"""The lab's side of a zygote: start it, fork runs from it, and end everything that it started."""

import contextlib
import os
import shutil
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
from agentcheck.finding import HarnessError

MARK = "AGENTCHECK_RUN"  # in the environment of every process on the stage
LARGEST_FILE = 256 * 2**20  # bytes that the agent may write into one file
START_SECONDS = 60.0


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
    """How a process ended: exit code (negative: the signal), and what it left running."""

    code: int | None
    left: tuple[str, ...] = ()


class Zygote:
    """One process with the target imported, from which runs are forked one after another."""

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
        self.described = self._introduced({**spec, "sandbox": str(sandbox)})

    def _introduced(self, spec: dict[str, Any]) -> dict[str, Any]:
        self._control.settimeout(START_SECONDS)
        name = spec.get("target") or spec.get("host") or spec.get("run") or spec.get("reducer")
        try:
            framing.send(self._control, spec)
            said = framing.receive(self._control)
        except TimeoutError:
            self.close()
            raise HarnessError(
                f"{name}: importing it took more than {START_SECONDS:.0f} s; does it start work at import?"
            ) from None
        except framing.Closed:
            code = self._process.wait(timeout=10)
            self.close()
            raise HarnessError(f"{name}: importing it ended the process {_how(code)}{self._last_words()}") from None
        if "bad" in said:
            self.close()
            raise HarnessError(said["bad"])
        return said

    def _last_words(self) -> str:
        lines = (self.sandbox / "import.out").read_bytes().decode("utf-8", "replace").strip().splitlines()
        return f"; it said: {lines[-1][:200]}" if lines else ""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @contextlib.contextmanager
    def run(self, job: Mapping[str, Any]) -> Iterator["Fork"]:
        """Fork a process for one job; it is gone, with all that it started, when the block ends."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                framing.send(self._control, dict(job), (theirs.fileno(),))
            fork = Fork(ours, int(framing.receive(self._control)["pid"]))
            try:
                yield fork
            finally:
                fork.kill()
                fork.ended = self._over(fork)

    def _over(self, fork: "Fork") -> Ended:
        if fork.pid == self._process.pid:  # the target had threads, so nothing was forked
            code = self._process.wait(timeout=20)
            return Ended(code, tuple(sweep(self.mark)))
        try:
            self._control.settimeout(20)
            said = framing.receive(self._control)
            return Ended(said["code"], tuple(said["left"]))
        except (framing.Closed, TimeoutError):
            left = sweep(self.mark)
            self.close()
            return Ended(None, tuple(left))

    def learn(self, modules: list[str]) -> None:
        """Import these modules beforehand for the runs to come."""
        framing.send(self._control, {"import": modules})

    def close(self) -> None:
        """End the zygote and whatever carries its mark."""
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        sweep(self.mark)


class Fork:
    """One running process of the agent, and the socket on which it asks."""

    def __init__(self, channel: socket.socket, pid: int):
        self.channel = channel
        self.pid = pid
        self.killed = False
        self.ended = Ended(None)
        self.said = ""  # the last line on its standard error

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the agent's process and its group."""
        self.killed = self.killed or number == signal.SIGKILL
        for send in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(self.pid, number)


def sweep(mark: str) -> list[str]:
    """End every process on this machine that carries `mark` in its environment; their command lines."""
    ended = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                ended.append(" ".join(process.cmdline())[:80])
                process.kill()
    return ended


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
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    return folder


def _how(code: int) -> str:
    return f"with exit status {code}" if code >= 0 else f"with signal {signal.Signals(-code).name}"


def interpreter(configured: str | None) -> str:
    return configured or sys.executable
