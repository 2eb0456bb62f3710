"""Where a host's process is killed: at boundaries, before writes, and in the midst of those in place."""

import pytest
from agents import lab_of, written
from test_resume import HOST

from agentcheck import catalog
from agentcheck.crash_points import SAMPLE, chosen, described, every
from agentcheck.finding import Outcome
from agentcheck.lab import FAR
from agentcheck.recovery import in_new_process, recoveries
from agentcheck.tearing import Tearing

IN_PLACE = """


class InPlace(Host):
    def save(self, state, store):
        (Path(store) / "state.json").write_text(json.dumps(state))


in_place = InPlace()


class Log(Host):
    def save(self, state, store):
        path = Path(store) / "state.jsonl"
        known = len(path.read_text().splitlines()) if path.exists() else 0
        with path.open("a") as log:
            for message in state["messages"][known:]:
                log.write(json.dumps(message) + "\\n")

    def load(self, store):
        return {"version": 1, "messages": [json.loads(line) for line in self.lines(store)]}

    def lines(self, store):
        return (Path(store) / "state.jsonl").read_text().splitlines()


log = Log()


class MendedLog(Log):
    def lines(self, store):
        path = Path(store) / "state.jsonl"
        text = path.read_text()
        whole = text[: text.rfind("\\n") + 1]
        if whole != text:
            path.with_suffix(".new").write_text(whole)
            path.with_suffix(".new").replace(path)
        if not whole:
            raise ValueError("holds no run")
        return whole.splitlines()


mended_log = MendedLog()


class Nosy(Host):
    def launch(self, trigger, store):
        import socket
        (Path(store) / "born").write_text(f"{socket.gethostname()} {os.environ.get('USER', '-')} {time_zone()}")
        return super().launch(trigger, store)

    def resume(self, store, answers):
        import socket
        (Path(store) / "woken").write_text(f"{socket.gethostname()} {os.environ.get('USER', '-')} {time_zone()}")
        return super().resume(store, answers)


def time_zone():
    import time
    return time.strftime("%z")


nosy = Nosy()
"""
CRASHES = "F06-crash-loses-nothing"


@pytest.fixture
def folder(tmp_path):
    written(tmp_path, HOST + IN_PLACE)
    return tmp_path


def host_lab(folder, name="host", **declared):
    tools = {"look": {"repeatable": True}}
    return lab_of(folder, f"my_agent:{name}", **{"tools": tools, "human": [], "high_stakes": [], **declared})


def judged(lab):
    (check,) = (c for c in catalog.load_all() if c.id == CRASHES)
    return lab.judge(check)


def test_a_host_that_puts_whole_files_in_place_survives_at_every_point(folder):
    with host_lab(folder, crash_points="all") as lab:
        finding = judged(lab)
        assert finding.outcome is Outcome.PASS, finding.message
        whole = len(every(lab))
        assert finding.message.startswith(f"killed at {whole} of {whole} crash points, all; not varied: the clock")
        where = {recovery.where for recovery in recoveries(lab)}
    assert {
        "before model request 1",
        "after the model's reply 1, before it was saved",
        "before look took effect",
        "after look took effect, before that was saved",
        "after look returned, before state.new was opened to be written",
        "after look returned, before state.json was put in its place",
        "after look returned, when state.new was half written",
        "at the launch, before state.json was put in its place",
    } <= where


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("in_place", "when state.json was "),
        ("log", "when state.jsonl was half written"),
    ],
)
def test_a_host_that_writes_in_place_loses_its_run_in_the_midst_of_a_write(folder, name, sentence):
    with host_lab(folder, name, crash_points="all") as lab:
        finding = judged(lab)
    assert finding.outcome is Outcome.FAIL
    assert sentence in finding.message


def test_a_log_whose_last_line_may_be_torn_is_no_defect(folder):
    with host_lab(folder, "mended_log", crash_points="all") as lab:
        finding = judged(lab)
    assert finding.outcome is Outcome.PASS, finding.message


def test_the_other_machine_has_another_name_zone_and_session(folder, monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    with host_lab(folder, "nosy", crash_points="all") as lab:
        run = next(r.run for r in recoveries(lab) if r.run.plan.resume_on == FAR)
        born, woken = ((run.stores["main"] / name).read_text().split() for name in ("born", "woken"))
        kept = "the host name" in described(lab)
    assert born[1:] == ["somebody", "+0000"]
    assert woken[1:] == ["-", "+0545"]
    assert kept or woken[0] == "agentcheck-far" != born[0]


def test_a_sample_is_the_same_each_time_and_holds_every_effect(folder):
    with host_lab(folder) as lab:
        whole, sample = every(lab), chosen(lab)
        assert len(whole) > SAMPLE >= len(sample)
        assert sample == chosen(lab)
        assert {p.stop for p in whole if p.telling} == {p.stop for p in sample if p.telling}
        assert "crash points, a sample (seed 12; all: --agentcheck-crash-points=all)" in described(lab)
        assert [r.run.status for r in in_new_process(lab)] == ["finished"]


@pytest.mark.parametrize(
    ("before", "after", "how", "appends", "left"),
    [
        (None, b"abcdef", "emptied", False, b""),
        (None, b"abcdef", "torn", False, b"abc"),
        (b"1234", b"abcdef", "torn", False, b"abc"),
        (b"1234", b"1234abcd", "torn", True, b"1234ab"),
        (b"1234", b"1234", "torn", True, None),
        (b"", b"abcdef", "emptied", False, None),
    ],
)
def test_a_torn_write_is_one_that_could_be(tmp_path, before, after, how, appends, left):
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    tearing = Tearing.of({"what": "file", "appends": appends}, tmp_path, how)
    path.write_bytes(after)
    assert tearing.tear() is (left is not None)
    assert path.read_bytes() == (after if left is None else left)
