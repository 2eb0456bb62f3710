"""Agents that fight with processes: whatever they start, stop or kill, nothing of it is left, and the trace says so."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from agents import lab_of, written

from agentcheck.adapters import disk
from agentcheck.finding import HarnessError
from agentcheck.lab import Lab, Run

PREFACE = """
import ctypes, mmap, os, resource, signal, sys, threading
from pathlib import Path
from agentcheck.reducer import Finished

C = ctypes.PyDLL(None)  # behind the guard's back: what C does raises no audit event


def child(work):
    if C.fork() == 0:
        C.prctl(15, b"NAME")  # what the test finds it by, without mark, session or folder
        try:
            work()
        finally:
            os._exit(0)


def wait():
    while True:
        C.pause()


def alone():
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    wait()


def strip():
    os.setsid()
    C.chdir(b"/")
    words = (ctypes.c_char_p * 3)(b"sleep", b"SLEEP", None)
    C.execve(b"/bin/sleep", words, (ctypes.c_char_p * 1)(None))


def hide():
    began, kept = os.pipe()  # closed by what is executed: when nobody holds it, it runs under its new name
    child(lambda: child(strip))
    os.close(kept)
    os.read(began, 1)
    os.close(began)
"""
AGENT = """
def act():
    ACT


def run(task):
    if "calm" not in str(task):
        act()
    return loop(task)


class Host:
    def launch(self, trigger, store):
        (Path(store) / "state").write_text("begun")
        return Finished(run(trigger if "WHEN" == "launch" else "calm"))

    def resume(self, store, answers):
        return Finished(run("again" if "WHEN" == "resume" else "calm"))


host = Host()
"""
WAYS = ("run", "launch", "resume")
_numbers = itertools.count(os.getpid() * 1000)


class Stage:
    """One hostile agent in a folder, and what can be found of it afterwards."""

    def __init__(self, folder: Path, act: str, when: str):
        self.folder, self.when = folder, when
        self.name = f"h{next(_numbers)}"
        self.sleep = f"9{next(_numbers)}"
        code = PREFACE + AGENT.replace("ACT", act.strip().replace("\n", "\n    ")).replace("WHEN", when)
        written(folder, code.replace("NAME", self.name).replace("SLEEP", self.sleep))

    def lab(self, **declared: object) -> Lab:
        target = {"target": "my_agent:run"} if self.when == "run" else {"target": None, "host": "my_agent:host"}
        return lab_of(self.folder, **{"limits": {"seconds": 5.0}, **target, **declared})

    def acted(self, lab: Lab) -> Run:
        """The run in which the agent does what it does."""
        run = lab.run(triggers={"main": "go"})
        return run if self.when != "resume" else lab.resume(run, answers={})

    def survivors(self) -> list[int]:
        found = []
        for one in psutil.process_iter():
            try:
                mine = one.name() == self.name or self.sleep in one.cmdline()
                if (mine or self._within(one)) and one.status() != psutil.STATUS_ZOMBIE and one.pid != os.getpid():
                    found.append(one.pid)
            except (psutil.Error, OSError):  # a folder of another test may lie too deep to be named
                continue
        return found

    def _within(self, one: psutil.Process) -> bool:
        return bool(getattr(self, "root", None)) and one.cwd().startswith(str(self.root))


def played(folder: Path, act: str, when: str, seen: Callable[[Run], None], **declared: object) -> None:
    """Let the agent act; then it must run calmly, and when the lab is closed nothing may be left."""
    stage = Stage(folder, act, when)
    with stage.lab(**declared) as lab:
        stage.root = lab.stages.folder
        seen(stage.acted(lab))
        assert survivors_but_ours(stage, lab) == []
        if when == "run":
            assert lab.run(triggers={"main": "calm"}).status == "finished"
        assert survivors_but_ours(stage, lab) == []
    assert stage.survivors() == []
    assert not lab.stages.folder.exists()


def survivors_but_ours(stage: Stage, lab: Lab) -> list[int]:
    """What is left, the zygotes and their keepers excepted."""
    ours = set()
    for one in lab.stages._stages.values():
        ours |= {one.zygote.described["pid"], one.zygote._process.pid}
    return [pid for pid in stage.survivors() if pid not in ours]


def probe(run: Run, name: str) -> str:
    return str(run.reach("probe", name=name)["value"])


LEAVES = {
    "a plain child": "child(wait)",
    "a child that ignores signals, in a session of its own": "child(alone)",
    "a grandchild without mark, session and folder": "hide()",
    "five of each": "for _ in range(5):\n    child(alone)\n    hide()",
}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("act", LEAVES.values(), ids=LEAVES.keys())
def test_what_is_left_running_is_ended_and_told(tmp_path, act, when):
    def seen(run: Run) -> None:
        assert run.status == "finished"
        assert probe(run, "left_running")

    played(tmp_path, act, when, seen)


BOMB = """
made = mmap.mmap(-1, 4096)  # shared by all of them: how many there were

def count():
    made[:4] = (int.from_bytes(made[:4], "big") + 1).to_bytes(4, "big")
    return int.from_bytes(made[:4], "big")

def member():
    above = os.getppid()
    while os.getppid() == above:
        C.usleep(500)
    manage()

def manage():
    os.setsid()
    while count() <= 100:
        child(member)
    while count() <= 400:
        os.waitpid(-1, 0)
        child(member)

child(manage)
while int.from_bytes(made[:4], "big") < 100:
    C.usleep(500)
"""


@pytest.mark.parametrize("when", WAYS)
def test_a_fork_bomb_that_forks_again_when_it_is_killed_is_ended(tmp_path, when):
    def seen(run: Run) -> None:
        times = int(probe(run, "left_running").split(" (")[1].split(" ")[0])
        assert 100 <= times < 130  # all were held still before the first was killed, so none came after them

    played(tmp_path, BOMB, when, seen)


KILLS_ABOVE = {
    "kills its parent": ("os.kill(os.getppid(), signal.SIGKILL)", "ended"),
    "kills its parent's group": ("os.killpg(os.getppid(), signal.SIGKILL)", "ended"),
    "stops its parent": ("os.kill(os.getppid(), signal.SIGSTOP)", "stopped"),
}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize(("act", "how"), KILLS_ABOVE.values(), ids=KILLS_ABOVE.keys())
def test_an_agent_that_attacks_its_parent_leaves_nothing_hidden(tmp_path, act, how, when):
    def seen(run: Run) -> None:
        assert probe(run, "parent_gone") == f"the agent {how} the process that it was forked from"
        assert "sleep" in probe(run, "left_running")

    played(tmp_path, f"hide()\n{act}", when, seen)


def test_an_agent_that_kills_all_above_it_but_the_lab_is_found_by_its_mark(tmp_path):
    act = """
child(alone)
import psutil
parent = psutil.Process().parent()
above = parent.parent()
above.kill(), parent.kill()
"""

    def seen(run: Run) -> None:
        assert probe(run, "parent_gone")
        assert probe(run, "left_running")

    played(tmp_path, act, "run", seen)


@pytest.mark.parametrize("when", WAYS)
def test_an_agent_that_stops_itself_is_ended_at_once(tmp_path, when):
    sentence = "stopped itself with a signal, and was ended"
    stage = Stage(tmp_path, "os.kill(os.getpid(), signal.SIGSTOP)", when)
    with stage.lab(limits={"seconds": 600.0}) as lab:
        if when == "resume":
            ended = stage.acted(lab).finished
            assert (ended["status"], ended["reason"]) == ("exited", f"the agent {sentence}")
        else:
            with pytest.raises(HarnessError, match=sentence):
                stage.acted(lab)
        stage.root = lab.stages.folder
        assert survivors_but_ours(stage, lab) == []
    assert stage.survivors() == []


@pytest.mark.parametrize("when", WAYS)
def test_a_process_that_hangs_and_ignores_signals_is_ended_in_time(tmp_path, when):
    act = "for n in (15, 1, 2): signal.signal(n, signal.SIG_IGN)\nloop('before')\nchild(alone)\nwait()"

    def seen(run: Run) -> None:
        assert run.status == "timeout"
        assert probe(run, "left_running")

    played(tmp_path, act, when, seen, limits={"seconds": 1.0})


HARMLESS = {
    "blocks every signal": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    "has a thread that raises": "threading.excepthook = print\nthreading.Thread(target=lambda: 1 / 0).start()",
    "has threads that never end": "for d in (True, False): threading.Thread(target=wait_gently, daemon=d).start()",
    "ends its process at exit": "import atexit; atexit.register(os._exit, 9)",
    "lowers its limits": "for n in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE): resource.setrlimit(n, (0, 0))",
    "ignores its children's ends": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("act", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_an_agent_does_to_its_own_process_ends_with_it(tmp_path, act, when):
    def seen(run: Run) -> None:
        assert run.status == "finished"

    gently = "def wait_gently(): threading.Event().wait()\n"
    played(tmp_path, gently + act, when, seen)


@pytest.mark.parametrize("when", WAYS)
def test_memory_is_limited(tmp_path, when):
    def seen(run: Run) -> None:
        assert run.finished["error"]["kind"] == "MemoryError"

    act = "loop('before')\nheld = []\nwhile True: held.append(bytearray(2**26))"
    played(tmp_path, act, when, seen, limits={"seconds": 20.0, "memory_bytes": 2**31})


def test_a_fork_that_goes_on_as_the_agent_is_not_taken_for_it(tmp_path):
    stage = Stage(tmp_path, "loop('before')\nC.fork()\nC.prctl(15, b'NAME')", "run")
    with stage.lab() as lab:
        stage.root = lab.stages.folder
        assert stage.acted(lab).status in ("finished", "exited", "timeout")
        assert survivors_but_ours(stage, lab) == []
    assert stage.survivors() == []


LAB = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from agents import lab_of
with lab_of(Path(sys.argv[1]), environment={"LAB": str(os.getpid())}) as lab:
    print(lab.stages.folder, flush=True)
    lab.run()
"""


def test_nothing_runs_on_when_the_lab_itself_is_killed(tmp_path):
    stage = Stage(tmp_path, "child(alone)\nhide()\nos.kill(int(os.environ['LAB']), signal.SIGKILL)\nwait()", "run")
    script = [sys.executable, "-c", LAB, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    stage.root = Path(done.stdout.strip())
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in stage.survivors()], timeout=20)
    assert alive == []
    assert stage.survivors() == []
    disk.remove(stage.root)


def test_a_child_that_ended_of_itself_was_not_left_running(tmp_path):
    def seen(run: Run) -> None:
        assert run.status == "finished"
        assert run.first("probe", name="left_running") is None

    act = "child(lambda: None)\nos.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)"
    played(tmp_path, act, "run", seen)
