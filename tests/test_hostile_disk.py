"""Agents that fight with the disk: what they fill it with is bounded, told, and gone afterwards, links unfollowed."""

import os
import subprocess
from pathlib import Path

import pytest
from test_hostile_processes import WAYS, Stage, played, probe

from agentcheck import process
from agentcheck.adapters import disk
from agentcheck.finding import HarnessError
from agentcheck.lab import Run

MIB = 2**20
FILLS = {
    "many small files": "for i in range(40): Path(f'small-{i}').write_bytes(bytes(100_000))",
    "its temporary folder": "for i in range(40): Path(os.environ['TMPDIR'], f's{i}').write_bytes(bytes(100_000))",
    "its standard output": "for i in range(40): os.write(1, bytes(100_000))",
    "files behind the guard's back": "for i in range(40): C.system(b'head -c 100000 /dev/zero > f%d' % i)",
}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("act", FILLS.values(), ids=FILLS.keys())
def test_what_a_run_writes_is_bounded_over_all_files(tmp_path, monkeypatch, act, when):
    monkeypatch.setattr(disk, "MOST_BYTES", 2 * MIB)
    refused(tmp_path, act, when, "wrote more than the 2 MiB that a run may hold on the disk")


@pytest.mark.parametrize("when", WAYS)
def test_the_number_of_files_is_bounded(tmp_path, monkeypatch, when):
    monkeypatch.setattr(disk, "MOST_FILES", 50)
    refused(tmp_path, "for i in range(60): Path(f'empty-{i}').touch()", when, "wrote more than the 50 files")


@pytest.mark.parametrize("when", WAYS)
def test_an_agent_that_goes_on_writing_is_ended_before_its_time(tmp_path, monkeypatch, when):
    monkeypatch.setattr(disk, "MOST_BYTES", 2 * MIB)
    act = "for i in range(2**62): Path(f'f{i % 100}').write_bytes(bytes(100_000))"
    refused(tmp_path, act, when, "wrote more than the 2 MiB", limits={"seconds": 600.0})


def refused(folder: Path, act: str, when: str, sentence: str, **declared: object) -> None:
    """The run is no verdict on the agent: its problem, and its trace, say in one sentence why."""
    stage = Stage(folder, act, when)
    with stage.lab(**declared) as lab:
        if when == "resume":
            assert sentence in probe(stage.acted(lab), "filled_disk")
        else:
            with pytest.raises(HarnessError, match=sentence) as caught:
                stage.acted(lab)
            assert sentence in probe(caught.value.trace, "filled_disk")
        assert [f.name for f in lab.stages.folder.glob("stage-1/*/*")] == []
    assert not lab.stages.folder.exists()


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("act", ["f.write(bytes(2 * 2**20))", "f.truncate(2**40)"], ids=["full", "sparse"])
def test_one_file_is_bounded(tmp_path, monkeypatch, act, when):
    monkeypatch.setattr(process, "LARGEST_FILE", MIB)
    monkeypatch.setattr("agentcheck.adapters.process.LARGEST_FILE", MIB)

    def seen(run: Run) -> None:
        assert run.finished["error"]["message"].endswith("File too large")

    played(tmp_path, f"loop('before')\nwith open('big', 'wb') as f:\n    {act}\n    f.flush()", when, seen)


MESSES = {
    "folders that its owner may not enter": "os.makedirs('a/b/c')\nfor d in ('a/b/c', 'a/b', 'a'): os.chmod(d, 0)",
    "a FIFO": "os.mkfifo('pipe')",
    "a FIFO in the place of its standard error": "os.remove('stderr.txt')\nos.mkfifo('stderr.txt')",
    "a local socket": "import socket; socket.socket(socket.AF_UNIX).bind('here')",
    "names that are no text": "open(b'\\xff\\xfe', 'w').close()",
    "a link to itself": "os.symlink('loop', 'loop')",
    "a sandbox under another name": "here = os.getcwd()\nC.rename(here.encode(), here.encode() + b'-moved')",
    "no sandbox": "import shutil; shutil.rmtree(os.getcwd(), ignore_errors=True)",
    "files that nobody may read": "os.umask(0o777)\nPath('closed').touch()\nos.mkdir('shut')",
}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("act", MESSES.values(), ids=MESSES.keys())
def test_whatever_an_agent_leaves_in_its_sandbox_is_removed(tmp_path, act, when):
    def seen(run: Run) -> None:
        assert run.status == "finished"

    played(tmp_path, act, when, seen)


DEEP = """
begin = os.open(PLACE, os.O_RDONLY)
os.fchdir(begin)
for _ in range(3000):
    os.mkdir("deep"); os.chdir("deep")
open("last", "w").close()
os.fchdir(begin)
"""


@pytest.mark.parametrize("when", WAYS)
def test_folders_deeper_than_any_path_are_removed(tmp_path, when):
    refused(tmp_path, DEEP.replace("PLACE", "'.'"), when, "made folders that lie more than 200 deep")


@pytest.mark.parametrize("when", ["launch", "resume"])
def test_a_store_that_is_too_deep_does_not_stop_the_lab(tmp_path, when):
    where = "next(Path(os.environ['HOME']).parents[2].glob('store-WHICH'))".replace(
        "WHICH", {"launch": "2"}.get(when, "4")
    )
    refused(tmp_path, DEEP.replace("PLACE", where), when, "made folders that lie more than 200 deep")


OUTSIDE = {
    "a link": "os.symlink(OUT, 'link')",
    "a link in the place of a folder": "os.rmdir('tmp')\nos.symlink(OUT, 'tmp')",
    "a link in the place of its sandbox": "h = os.getcwdb()\nC.rename(h, h + b'x')\nC.symlink(OUT.encode(), h)",
    "a link where the next sandbox would be": "for n in range(1, 9):\n    C.symlink(OUT.encode(), b'../../%d' % n)",
}


@pytest.mark.parametrize("when", WAYS)
@pytest.mark.parametrize("act", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_links_out_of_the_sandbox_are_never_followed(tmp_path, tmp_path_factory, act, when):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").write_text("kept")
    (outside / "agent-a").mkdir()

    def seen(run: Run) -> None:
        assert run.status == "finished"

    played(tmp_path, act.replace("OUT", repr(str(outside))), when, seen)
    assert (outside / "precious").read_text() == "kept"
    assert sorted(p.name for p in outside.iterdir()) == ["agent-a", "precious"]


def test_a_link_in_the_place_of_its_standard_error_is_not_read(tmp_path):
    (tmp_path / "secret").write_text("the key")
    act = f"os.remove('stderr.txt')\nos.symlink({str(tmp_path / 'secret')!r}, 'stderr.txt')\nos._exit(3)"
    stage = Stage(tmp_path, act, "run")
    with stage.lab() as lab, pytest.raises(HarnessError) as caught:
        stage.acted(lab)
    assert "the key" not in caught.value.message
    assert caught.value.trace.finished["said"] == ""


def test_a_folder_whose_name_only_begins_like_the_sandbox_is_outside_of_it(tmp_path):
    act = "try: os.mkdir(os.getcwd() + '-beside')\nexcept PermissionError: pass"

    def seen(run: Run) -> None:
        assert [event["what"] for event in run.of("refused")] == ["write"]

    played(tmp_path, act, "run", seen)


@pytest.fixture
def deep(tmp_path):
    """A folder with 2500 folders in one another, each with a link out; gone afterwards even where the test fails."""
    top, here = tmp_path / "top", os.open(".", os.O_RDONLY)
    top.mkdir()
    os.chdir(top)
    for _ in range(2500):
        os.mkdir("d")
        os.symlink(tmp_path / "kept", "link")
        os.chdir("d")
    os.fchdir(here)
    os.close(here)
    yield top
    subprocess.run(["rm", "-rf", str(top)], check=True)  # pytest itself cannot remove it


def test_removing_needs_few_open_files_and_follows_nothing(tmp_path, deep):
    (tmp_path / "kept" / "inside").mkdir(parents=True)
    disk.remove(deep)
    assert not deep.exists()
    assert (tmp_path / "kept" / "inside").is_dir()


def test_removing_what_is_not_there_or_no_folder(tmp_path):
    disk.remove(tmp_path / "nothing")
    (tmp_path / "link").symlink_to(tmp_path.parent)
    disk.remove(tmp_path / "link")
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.parent.is_dir()
