"""Callables and hosts: each launch and each resume is one forked process, answered message by message."""

import contextlib
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentcheck import framing
from agentcheck.adapters import disk
from agentcheck.adapters.endings import CLOSED, Broken, handled, heard, why_ended
from agentcheck.conditions import CutOff
from agentcheck.envelopes import carried
from agentcheck.finding import HarnessError
from agentcheck.process import LARGEST_FILE, Fork, Machine, Zygote, new_sandbox
from agentcheck.reducer import Answer, to_data
from agentcheck.world import CHOOSE, World

OF_A_SESSION = ("USER", "LOGNAME", "HOSTNAME", "SHELL", "SHLVL", "PWD", "OLDPWD", "TERM", "DISPLAY", "XDG_", "SSH_")
CLOCK = 1_780_000_000.0  # an instant in 2026, where a held clock stands


class Stage:
    """Runs jobs on one zygote and lets a world answer them."""

    def __init__(self, zygote: Zygote, *, project: Path, known: set[str]):
        self.zygote = zygote
        self.project = project
        self.known = known  # modules that forks had to import, and that the zygote imports from now on
        self.count = 0
        self.sources: set[str] = set()  # files of the modules that forks imported

    def play(self, world: World, job: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
        """One process, from fork to end. What it said last comes back: {"files": …}, empty where it died."""
        talk = self.talk(world, job, machine)
        try:
            next(talk)
        except StopIteration as over:
            return dict(over.value)
        raise AssertionError("this world answers at once")

    def talk(
        self, world: World, job: Mapping[str, Any], machine: Machine
    ) -> Generator[None, dict[str, Any], dict[str, Any]]:
        """As `play`, but it stands still wherever the world answers CHOOSE, until the answer is sent in.

        A CutOff that is thrown in kills the process there.
        """
        with self.process(job, machine, world) as fork:
            last = yield from self._converse(world, fork)
        self._close(world, fork, job)
        if last.get("modules"):
            self.sources.update(last["sources"])
            self.learn(last["modules"])
        return last

    @contextlib.contextmanager
    def process(self, job: Mapping[str, Any], machine: Machine, world: World) -> Iterator[Fork]:
        """A fresh process in a sandbox of its own; both are gone when the block ends."""
        self.count += 1
        sandbox = new_sandbox(self.zygote.sandbox, f"{self.count}/agent-{machine.folder}")
        try:
            _mirror(self.project, sandbox)
            with self.zygote.run(self._job(job, sandbox, machine, world)) as fork:
                fork.folders = [sandbox, *map(Path, job.get("writable", ()))]
                yield fork
            fork.said = disk.last_line(sandbox / "stderr.txt")
            self._note_left(world, fork)
            _note_held(world, fork)
        finally:
            disk.remove(sandbox.parent)

    def _note_left(self, world: World, fork: Fork) -> None:
        """Write down what the agent did to the processes around it, and what it left running."""
        if fork.ended.orphaned:
            did = f"the agent {fork.ended.orphaned} the process that it was forked from"
            world.trace.append("probe", name="parent_gone", value=did, pid=fork.pid)
        at_import = self.zygote.described.pop("left", ())  # told once
        for left, when in ((at_import, "import"), (fork.ended.left, "run")):
            if left:
                world.trace.append("probe", name="left_running", value=list(left), when=when, pid=fork.pid)

    def _job(self, job: Mapping[str, Any], sandbox: Path, machine: Machine, world: World) -> dict[str, Any]:
        environment = {"HOME": str(sandbox), "TMPDIR": str(sandbox / "tmp"), "TZ": machine.zone}
        environment |= {"LC_ALL": "C", "LANG": "C"} if machine.bare else {}
        return {
            **job,
            "sandbox": str(sandbox),
            "stdout": str(sandbox / "stdout.txt"),
            "stderr": str(sandbox / "stderr.txt"),
            "environment": environment,
            "without": [name for name in os.environ if machine.bare and name.startswith(OF_A_SESSION)],
            "host_name": machine.host_name,
            "clock": machine.clock,
            "largest_file": LARGEST_FILE,
            "memory": world.target.limits.memory_bytes,
            "together": world.meeting is not None and not world.meeting.over,
            "veto": {"tool": world.veto, "tools": list(world.offered)} if world.veto else None,
            "bind": sorted(set(world.target.tools) - set(world.bound)),
            "known": sorted(tool for tool, said in world.bound.items() if said.get("bound")),
        }

    def _converse(self, world: World, fork: Fork) -> Generator[None, dict[str, Any], dict[str, Any]]:
        deadline = time.monotonic() + world.target.limits.seconds
        watch = disk.Watch(fork.folders)
        try:
            while True:
                watch.wait(fork.channel, deadline)
                fork.channel.settimeout(max(0.01, deadline - time.monotonic()))
                message = heard(fork.channel, fork.pid)
                if message["op"] == "done":
                    framing.send(fork.channel, {})
                    return message
                answer = handled(world, message)
                if answer is CHOOSE:
                    answer = yield
                    deadline = time.monotonic() + world.target.limits.seconds
                framing.send(fork.channel, answer)
        except CutOff as cut:
            world.trace.append("killed", point=cut.point, planned=cut.planned, pid=fork.pid)
            fork.kill()
        except TimeoutError:
            fork.kill()
            world.trace.append("finished", status="timeout", pid=fork.pid, seconds=world.target.limits.seconds)
        except (disk.Filled, Broken) as broken:
            fork.broke = str(broken)
        except framing.Closed:
            if fork.lives_on():
                fork.broke = CLOSED
        return {}

    def _close(self, world: World, fork: Fork, job: Mapping[str, Any]) -> None:
        """Say how a process ended that did not say so itself."""
        trace = world.trace
        over = {e.session for e in trace.of("finished") if e.pid == fork.pid}
        was_killed = any(e.type == "killed" and e.pid == fork.pid for e in trace)
        if was_killed or trace.status == "timeout":
            return
        reason = why_ended(fork)
        ending = {"status": "exited", "code": fork.ended.code, "said": fork.said}
        for one in job["sessions"]:
            if one["name"] not in over:
                told = {**ending, "reason": f"the agent {reason}"} if reason else ending
                trace.append("finished", session=one["name"], pid=fork.pid, **told)
        if reason and not trace.of("model_request") and world.problem is None:
            world.problem = HarnessError(f"{world.target.name} {reason}, before it called the model")

    def learn(self, modules: Sequence[str]) -> None:
        """Let the zygote import what forks imported, the user's own modules excepted: those belong to a run."""
        import importlib.util

        fresh = [m for m in modules if m not in self.known]
        self.known.update(fresh)
        safe = [m for m in fresh if not m.startswith("_") and _installed(m, importlib.util)]
        if safe:
            self.zygote.learn(safe)


def _note_held(world: World, fork: Fork) -> None:
    """Write down what is too much for the disk, and remove it: every copy of a store would be as large."""
    try:
        disk.Watch(fork.folders).measure()
    except disk.Filled as filled:
        fork.broke = fork.broke or str(filled)
        world.trace.append("probe", name="filled_disk", value=f"the agent {filled}", pid=fork.pid)
        world.problem = HarnessError(f"{world.target.name} {filled}, and was ended")
        for folder in fork.folders[1:]:
            disk.remove(folder)
            folder.mkdir()


def _installed(name: str, util: Any) -> bool:
    top = name.partition(".")[0]
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError):
        return False
    return bool(spec and spec.origin and "site-packages" in spec.origin)


def _mirror(project: Path, sandbox: Path) -> None:
    """The project's files under their relative names, so that `open("prompts/system.md")` works."""
    skipped = {".git", ".venv", "venv", "node_modules", "__pycache__", ".agentcheck", "reports", sandbox.name}
    for entry in project.iterdir():
        if entry.name not in skipped and not (sandbox / entry.name).exists():
            (sandbox / entry.name).symlink_to(entry)


def session(name: str, trigger: Any, store: Path | None = None) -> dict[str, Any]:
    return {"name": name, **carried(trigger), "store": str(store) if store else None}


def resumption(name: str, store: Path, answers: Mapping[str, Answer]) -> dict[str, Any]:
    told = [{"id": id, "answer": to_data(answer)} for id, answer in answers.items()]
    return {"name": name, "resume": True, "store": str(store), "answers": told, "trigger": None}
