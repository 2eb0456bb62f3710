"""Agents that fight with their connection to agentcheck: the run ends, and one sentence says what they did."""

import pytest
from test_hostile_processes import WAYS, Stage, played

from agentcheck.finding import HarnessError
from agentcheck.lab import Run

CLOSED = "lost its connection to agentcheck"
WROTE = "wrote into agentcheck's own connection"
FIND = """
import socket, stat
found = [fd for fd in range(3, 64) if os.path.exists(f"/proc/self/fd/{fd}") and stat.S_ISSOCK(os.fstat(fd).st_mode)]
line = found[-1]
"""
BREAKS = {
    "closes every descriptor": ("os.closerange(3, 4096)", CLOSED),
    "closes every descriptor and hangs": ("os.closerange(0, 4096)\nwait()", CLOSED),
    "closes it alone": ("os.close(line)", CLOSED),
    "closes it and hangs": ("os.close(line)\nwait()", CLOSED),
    "puts a file over it": ("os.dup2(os.open('/dev/null', os.O_RDWR), line)", CLOSED),
    "puts another socket over it": ("a, b = socket.socketpair()\nos.dup2(a.fileno(), line)\nb.close()", CLOSED),
    "writes no length": ("os.write(line, b'\\xff' * 64)\nwait()", WROTE),
    "writes no JSON": ("os.write(line, (4).to_bytes(4, 'big') + b'oops')\nwait()", WROTE),
    "writes no text": ("os.write(line, (4).to_bytes(4, 'big') + b'\\xff\\xfe\\xfd\\xfc')\nwait()", WROTE),
    "writes no object": ("os.write(line, (2).to_bytes(4, 'big') + b'[]')\nwait()", WROTE),
    "writes an object that asks nothing": ("os.write(line, (2).to_bytes(4, 'big') + b'{}')\nwait()", WROTE),
    "writes JSON too deep": ("os.write(line, (10**5).to_bytes(4, 'big') + b'[' * 10**5)\nwait()", WROTE),
}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize(("act", "sentence"), BREAKS.values(), ids=BREAKS.keys())
def test_an_agent_that_breaks_its_connection_is_ended_and_told(tmp_path, act, sentence, when):
    stage = Stage(tmp_path, FIND + act, when)
    with stage.lab(limits={"seconds": 60.0}) as lab:
        stage.root = lab.stages.folder
        if when == "resume":
            ended = stage.acted(lab).finished
            assert ended["status"] == "exited"
            assert sentence in ended["reason"]
        else:
            with pytest.raises(HarnessError, match=sentence) as caught:
                stage.acted(lab)
            assert "\n" not in caught.value.message
            assert sentence in caught.value.trace.finished["reason"]
    assert stage.survivors() == []
    assert not lab.stages.folder.exists()


@pytest.mark.parametrize("when", WAYS)
def test_what_was_said_before_the_connection_broke_is_kept(tmp_path, when):
    def seen(run: Run) -> None:
        assert run.requests()
        assert run.status == "exited"
        assert CLOSED in run.finished["reason"]

    played(tmp_path, f"loop('before')\n{FIND}\nos.close(line)", when, seen)


@pytest.mark.parametrize("when", WAYS)
def test_a_message_that_never_ends_is_waited_for_no_longer_than_the_run_may_take(tmp_path, when):
    def seen(run: Run) -> None:
        assert run.status == "timeout"

    act = f"loop('before')\n{FIND}\nos.write(line, (99).to_bytes(4, 'big') + b'begun')\nwait()"
    played(tmp_path, act, when, seen, limits={"seconds": 1.0})


@pytest.mark.parametrize("act", ["os._exit(70)", "os.kill(os.getpid(), 9)", "os.abort()", "os._exit(0)"])
def test_an_agent_that_ends_itself_is_not_said_to_have_been_ended(tmp_path, act):
    stage = Stage(tmp_path, f"loop('before')\n{act}", "run")
    with stage.lab() as lab:
        ended = stage.acted(lab).finished
    assert ended["status"] == "exited"
    assert ended["code"] == {"os._exit(70)": 70, "os.kill(os.getpid(), 9)": -9, "os.abort()": -6}.get(act, 0)
    assert ("reason" in ended.data) == (act == "os._exit(70)")  # the status of a stage without a connection
