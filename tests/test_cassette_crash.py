"""SIGKILL at 200 random moments while recording and while rewriting: nothing acknowledged is ever lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentcheck import store
from agentcheck.cassette import Cassette, CassetteError
from agentcheck.wire import WireReply, WireRequest

CRASHES = Path(__file__).with_name("crashes.py")
REQUEST = WireRequest("POST", "http://x/v1/chat/completions", {}, b"{}")
OK = WireReply(200, {}, (b"ok",))


@pytest.mark.parametrize("how", ["record", "rewrite"])
def test_nothing_that_was_acknowledged_is_lost_by_a_kill(how: str, tmp_path: Path) -> None:
    command = [sys.executable, str(CRASHES), how, str(tmp_path), "100", "12"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lost"] == []


def recording(folder: Path, count: int) -> Path:
    with Cassette.create(folder / "c.jsonl", provenance={"model": "m"}) as cassette:
        for _ in range(count):
            cassette.append(REQUEST, OK)
    return cassette.path


@pytest.mark.parametrize("cut", [1, 2, 30, 60])
def test_a_torn_last_line_is_kept_aside_told_and_gone_on_from(cut: int, tmp_path: Path) -> None:
    path = recording(tmp_path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    torn = whole[:-cut].rpartition(b"\n")[2]
    with Cassette.open(path, provenance={}) as cassette:
        cassette.append(REQUEST, OK)
    if cut == 1:  # a line that lacks only its newline is whole
        assert (len(cassette.exchanges), cassette.warnings, path.read_bytes()[:-cut]) == (4, (), cassette_of(whole))
        return
    assert (len(cassette.exchanges), path.read_bytes()) == (3, whole)
    aside = tmp_path / "c.jsonl.torn-1"
    assert aside.read_bytes() == torn
    assert cassette.warnings[0].startswith(f"{path}:4 was torn")
    assert str(aside) in cassette.warnings[0]


def cassette_of(three: bytes) -> bytes:
    return (three + three.splitlines(keepends=True)[-1])[:-1]


def test_a_character_cut_in_half_is_a_torn_line_too(tmp_path: Path) -> None:
    path = recording(tmp_path, 1)
    half = '{"request": {"method": "é'.encode()[:-1]
    path.write_bytes(path.read_bytes() + half)
    with pytest.raises(CassetteError, match=r":3 is torn: .* the 1 exchanges before it are whole"):
        Cassette.read(path)
    with Cassette.open(path, provenance={}) as cassette:
        assert len(cassette.exchanges) == 1
    assert (tmp_path / "c.jsonl.torn-1").read_bytes() == half


@pytest.mark.parametrize("left", [b"", b'{"agen', b'{"agentcheck":"cassette/1","prov'])
def test_a_recording_cut_off_in_its_header_is_begun_anew(left: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(left)
    with Cassette.open(path, provenance={"model": "m"}) as cassette:
        cassette.append(REQUEST, OK)
    assert Cassette.read(path).provenance == {"model": "m"}
    assert [p.read_bytes() for p in tmp_path.glob("*.torn-*")] == ([left] if left else [])
    assert bool(cassette.warnings) == bool(left)


def test_earlier_torn_bytes_are_never_written_over(tmp_path: Path) -> None:
    path = recording(tmp_path, 1)
    for tail in (b"{one", b"{two"):
        path.write_bytes(path.read_bytes() + tail)
        Cassette.open(path, provenance={}).close()
    assert sorted(p.read_bytes() for p in tmp_path.glob("*.torn-*")) == [b"{one", b"{two"]


def test_a_line_broken_in_the_middle_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = recording(tmp_path, 2)
    broken = path.read_bytes().replace(b'{"request"', b'{"req', 1)
    path.write_bytes(broken)
    with pytest.raises(CassetteError, match=":2 is not an exchange"):
        Cassette.open(path, provenance={})
    assert path.read_bytes() == broken


def test_two_recorders_of_one_file_exclude_each_other(tmp_path: Path) -> None:
    with Cassette.create(tmp_path / "c.jsonl", provenance={}) as first:
        with pytest.raises(CassetteError, match="something else is recording into it"):
            Cassette.open(first.path, provenance={})
        first.append(REQUEST, OK)
        first.keep([])
        with pytest.raises(CassetteError, match="something else is recording into it"):
            Cassette.open(first.path, provenance={})
    Cassette.open(first.path, provenance={}).close()


def test_what_is_not_ours_is_not_added_to(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("interactions: []\nversion: 1\n")
    with pytest.raises(CassetteError, match=r"convert it: agentcheck cassette convert .*c\.yaml .*c\.jsonl"):
        Cassette.open(path, provenance={})


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recording(tmp_path, 1)
    before, write = path.read_bytes(), os.write

    def half(file: int, data: Any) -> int:
        monkeypatch.setattr(os, "write", refuse)
        return write(file, bytes(data[:10]))

    def refuse(file: int, data: Any) -> int:
        raise OSError(28, "No space left on device")

    with Cassette.open(path, provenance={}) as cassette:
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(CassetteError, match="No space left on device"):
            cassette.append(REQUEST, OK)
        monkeypatch.setattr(os, "write", write)
        assert path.read_bytes() == before
        cassette.append(REQUEST, OK)
    assert len(Cassette.read(path).exchanges) == 2


def test_keep_leaves_the_named_exchanges_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    requests = [WireRequest("POST", "http://x/v1", {}, b"%d" % n) for n in range(4)]
    with Cassette.create(path, provenance={"model": "m"}) as cassette:
        path.chmod(0o640)
        for request in requests[:3]:
            cassette.append(request, OK)
        cassette.keep([2, 0])
        cassette.append(requests[3], OK)
    read = Cassette.read(path)
    assert [e.request.body for e in read.exchanges] == [b"0", b"2", b"3"]
    assert read.exchanges == cassette.exchanges
    assert (read.provenance, path.stat().st_mode & 0o777) == ({"model": "m"}, 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def pieces() -> Any:
        yield b"new"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.replace(path, pieces())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_a_recording_stays_a_link(tmp_path: Path) -> None:
    path = recording(tmp_path, 2)
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    with Cassette.open(link, provenance={}) as cassette:
        cassette.keep([0])
    assert link.is_symlink()
    assert len(Cassette.read(path).exchanges) == 1
