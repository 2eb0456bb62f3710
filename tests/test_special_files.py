"""A host that keeps in its store what is no file: it is copied where it can be, and told in one sentence where not."""

import os

import pytest
from agents import lab_of, written

from agentcheck.finding import Untestable

HOST = """
import os, socket, stat
from agentcheck.reducer import Finished, Paused, Question


class Host:
    def launch(self, trigger, store):
        loop(trigger)
        MAKE
        return Paused((Question("q1", "question", "Which?"),))

    def resume(self, store, answers):
        return Finished(sorted(p.name for p in store.iterdir()))


host = Host()
"""
KEPT = {
    "FIFO": "os.mkfifo(store / 'odd')",
    "socket": "socket.socket(socket.AF_UNIX).bind(os.path.relpath(store / 'odd'))",
    "link to a file": "(store / 'file').write_text('x'); os.symlink(store / 'file', store / 'odd')",
    "link to nothing": "os.symlink('host:4711', store / 'odd')",
}
NOT_KEPT = {
    "link to a device": ("os.symlink('/dev/zero', store / 'odd')", "odd, of which there is no copy: it is a device"),
    "link to the store itself": ("os.symlink(store, store / 'odd')", "Too many levels of symbolic links"),
}


@pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
def test_what_holds_nothing_is_there_again_in_the_copy(tmp_path, make):
    written(tmp_path, HOST.replace("MAKE", make))
    with lab_of(tmp_path, "my_agent:host") as lab:
        waiting = lab.run(leave=True)
        copy = lab.copied_store(waiting)
        assert (copy / "odd").lstat()
        assert "odd" in lab.resume(waiting, answers={}).finished["result"]


@pytest.mark.parametrize(("make", "said"), NOT_KEPT.values(), ids=NOT_KEPT)
def test_what_cannot_be_copied_is_told_in_one_sentence(tmp_path, make, said):
    written(tmp_path, HOST.replace("MAKE", make))
    with lab_of(tmp_path, "my_agent:host") as lab, pytest.raises(Untestable) as caught:
        lab.resume(lab.run(leave=True), answers={})
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_a_device_is_not_read(tmp_path):
    try:
        os.mknod(tmp_path / "probe", 0o20600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root may make a device")
    make = "os.mknod(store / 'odd', stat.S_IFCHR | 0o600, os.makedev(1, 5))"
    written(tmp_path, HOST.replace("MAKE", make))
    with lab_of(tmp_path, "my_agent:host") as lab, pytest.raises(Untestable, match="no copy: it is a device"):
        lab.resume(lab.run(leave=True), answers={})
