"""Modules that fight when they are imported: either one sentence says why nothing can be run, or everything can."""

from pathlib import Path

import pytest
from test_hostile_processes import BOMB, Stage, probe, survivors_but_ours

from agentcheck import process
from agentcheck.adapters import disk
from agentcheck.finding import HarnessError

MIB = 2**20
LIMITS = "(resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)"
KINDS = ("run", "launch")  # a callable, and a host


class Imported(Stage):
    """An agent that is calm when it runs, and acts when it is imported."""

    def __init__(self, folder, act, when):
        super().__init__(folder, "pass", when)
        with (folder / "my_agent.py").open("a") as module:
            module.write(f"\n{act}\n")
        text = (folder / "my_agent.py").read_text().replace("LIMITS", LIMITS)
        (folder / "my_agent.py").write_text(text.replace("NAME", self.name).replace("SLEEP", self.sleep))


LEAVES = {
    "a child that ignores signals": "child(alone)",
    "a grandchild without mark, session and folder": "hide()",
    "a fork bomb": BOMB,
}


@pytest.mark.parametrize("when", KINDS)
@pytest.mark.parametrize("act", LEAVES.values(), ids=LEAVES.keys())
def test_what_an_import_leaves_running_is_ended_and_told_once(tmp_path, act, when):
    stage = Imported(tmp_path, act, when)
    with stage.lab() as lab:
        stage.root = lab.stages.folder
        assert survivors_but_ours(stage, lab) == []
        first, second = (lab.run(triggers={"main": name}) for name in "ab")
        assert probe(first, "left_running")
        assert first.reach("probe", name="left_running")["when"] == "import"
        assert second.first("probe", name="left_running") is None
        assert {first.status, second.status} == {"finished"}
    assert stage.survivors() == []
    assert not lab.stages.folder.exists()


ENDS = {
    "hangs and ignores signals": ("for n in (15, 1, 2): signal.signal(n, 1)\nhide()\nwait()", "took more than 2 s"),
    "stops itself": ("hide()\nos.kill(os.getpid(), signal.SIGSTOP)", "importing it stopped the process with a signal"),
    "kills itself": ("hide()\nos.kill(os.getpid(), signal.SIGKILL)", "ended the process with signal SIGKILL"),
    "kills its parent": (
        "hide()\nos.kill(os.getppid(), signal.SIGKILL)\nwait()",
        "ended the process that agentcheck keeps above it",
    ),
    "kills its parent and goes on": ("hide()\nos.kill(os.getppid(), 9)", "ended the process that agentcheck keeps"),
    "stops its parent": ("hide()\nos.kill(os.getppid(), signal.SIGSTOP)\nwait()", "took more than 2 s"),
    "closes every descriptor": ("os.closerange(3, 4096)", "ended the process with exit status 1"),
    "closes every descriptor and hangs": ("os.closerange(0, 4096)\nwait()", "took more than 2 s"),
    "says goodbye and leaves no folder": ("import shutil; shutil.rmtree('.', True); os._exit(4)", "exit status 4"),
    "prints and ends": ("os.write(1, b'x' * 500_000 + b'\\nbye'); os._exit(4)", "exit status 4; it said: bye"),
    "writes into the connection": ("os.write(int(sys.argv[1]), bytes([255] * 64))\nwait()", "broke its connection"),
    "says nothing that is asked": ("os.write(int(sys.argv[1]), b'\\0\\0\\0\\2{}')", "broke its connection"),
}


@pytest.mark.parametrize("when", KINDS)
@pytest.mark.parametrize(("act", "sentence"), ENDS.values(), ids=ENDS.keys())
def test_an_import_that_cannot_be_used_gets_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, act, sentence, when):
    monkeypatch.setattr(process, "START_SECONDS", 2.0)
    stage = Imported(tmp_path, act, when)
    with pytest.raises(HarnessError) as caught, stage.lab():
        pass
    assert caught.value.message.startswith("my_agent:")
    assert sentence in caught.value.message
    assert "\n" not in caught.value.message
    assert stage.survivors() == []


FILLS = {
    "many files": "for i in range(2**62): Path(f'f{i % 100}').write_bytes(bytes(100_000))",
    "its standard output": "while True: os.write(1, bytes(100_000))",
}


@pytest.mark.parametrize("act", FILLS.values(), ids=FILLS.keys())
def test_an_import_that_fills_the_disk_is_ended(tmp_path, monkeypatch, act):
    monkeypatch.setattr(disk, "MOST_BYTES", 2 * MIB)
    monkeypatch.setattr(process, "LARGEST_FILE", 20 * MIB)
    with (
        pytest.raises(HarnessError, match=r"wrote more than the 2 MiB|File too large"),
        Imported(tmp_path, act, "run").lab(),
    ):
        pass


HARMLESS = {
    "blocks every signal": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    "ignores its children's ends": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "lowers its limits": "for n in LIMITS: resource.setrlimit(n, (9, resource.getrlimit(n)[1]))",
    "ends its process at exit": "import atexit; atexit.register(os._exit, 9)",
    "hangs at exit": "import atexit; atexit.register(wait)",
    "forks, and both go on": "C.fork()",
    "kills its children": "child(wait)\nos.kill(0, 0)",
    "leaves its folder": "os.chdir('/')",
    "starts a thread": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
}


@pytest.mark.parametrize("when", KINDS)
@pytest.mark.parametrize("act", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_an_import_does_to_its_process_does_not_stop_the_runs(tmp_path, act, when):
    stage = Imported(tmp_path, act, when)
    with stage.lab() as lab:
        stage.root = lab.stages.folder
        assert [lab.run(triggers={"main": name}).status for name in "ab"] == ["finished", "finished"]
        assert survivors_but_ours(stage, lab) == []
    assert stage.survivors() == []
    assert not lab.stages.folder.exists()


def test_where_memory_runs_out_the_agent_goes_first(tmp_path):
    score = Path("/proc/self/oom_score_adj")
    if not score.exists():
        pytest.skip("this system does not let a process say so")
    with Imported(tmp_path, "pass", "run").lab() as lab:
        pid = lab.stages.on(process.Machine()).zygote.described["pid"]
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    assert score.read_text().strip() != "1000"
