"""Several processes on one store: what only goes wrong when they meet goes wrong every time."""

import threading

import pytest
from agents import lab_of, written

from agentcheck.consumption import deliveries
from agentcheck.meeting import Meeting

HOST = """
import contextlib, fcntl, os, sqlite3
from agentcheck.messages import ToolCall
from agentcheck.reducer import Finished, Paused, Question


class Files:
    def read(self, store):
        return json.loads((store / "run.json").read_text())

    def write(self, store, state):
        (store / "run.json").write_text(json.dumps(state))


class Rows:
    def read(self, store):
        with contextlib.closing(sqlite3.connect(store / "run.db")) as rows:
            return json.loads(rows.execute("SELECT state FROM runs").fetchone()[0])

    def write(self, store, state):
        with contextlib.closing(sqlite3.connect(store / "run.db", isolation_level=None)) as rows:
            rows.execute("CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, state TEXT)")
            rows.execute("INSERT OR REPLACE INTO runs VALUES (1, ?)", (json.dumps(state),))


class Host:
    def __init__(self, kept, locked):
        self.kept, self.locked = kept, locked

    def launch(self, trigger, store):
        said = ask([{"role": "user", "content": str(trigger)}])
        self.kept.write(store, {"call": said["tool_calls"][0]["function"]})
        return self.question()

    def question(self):
        return Paused((Question("q1", "approval", "May I?", ToolCall("look", "{}", "c1")),))

    def resume(self, store, answers):
        with open(store / "run.lock", "w") if self.locked else contextlib.nullcontext() as lock:
            if lock is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.kept.read(store)
            if "result" in state:
                return Finished(state["result"])
            if not answers:
                return self.question()
            self.kept.write(store, {**state, "result": "under way"})
            result = look(**json.loads(state["call"]["arguments"]))
            self.kept.write(store, {**state, "result": result})
            return Finished(result)


files, files_locked = Host(Files(), False), Host(Files(), True)
rows, rows_locked = Host(Rows(), False), Host(Rows(), True)


class Busy(Host):
    # A file says that somebody is at work; who finds it gives way, and the careless one removes it all the same.

    def __init__(self, careless):
        super().__init__(Files(), False)
        self.careless = careless

    def resume(self, store, answers):
        busy, mine = store / "busy", False
        try:
            with open(busy, "x"):
                mine = True
            return super().resume(store, answers)
        except FileExistsError:
            return self.question()
        finally:
            if mine or self.careless:
                busy.unlink(missing_ok=True)


careful, careless = Busy(False), Busy(True)
"""


@pytest.mark.parametrize("kept", ["files", "rows"])
def test_an_answer_taken_without_a_lock_acts_twice_whenever_two_processes_meet(tmp_path, kept):
    written(tmp_path, HOST)
    with lab_of(tmp_path, f"my_agent:{kept}") as lab:
        lab.begin("H")
        in_turn, at_once, *_ = deliveries(lab)
    assert (in_turn.too_much, at_once.too_much) == ([], ["look"])


@pytest.mark.parametrize("kept", ["files", "rows"])
def test_a_lock_keeps_two_processes_apart(tmp_path, kept):
    written(tmp_path, HOST)
    with lab_of(tmp_path, f"my_agent:{kept}_locked") as lab:
        lab.begin("H")
        found = list(deliveries(lab))
    assert len(found) == 3  # in turn; both at the lock's own file; and one waits for the other's lock
    assert [d.too_much + d.too_little for d in found] == [[], [], []]


def test_a_guard_that_the_loser_takes_away_fails_for_the_third_process(tmp_path):
    written(tmp_path, HOST)
    with lab_of(tmp_path, "my_agent:careless") as lab:
        lab.begin("H")
        found = [d.too_much for d in deliveries(lab)]
    assert ["look"] in found
    assert found[0] == []


def test_of_two_processes_alone_no_guard_is_seen_to_fail(tmp_path, monkeypatch):
    monkeypatch.setattr("agentcheck.consumption.OTHERS", 1)
    written(tmp_path, HOST)
    with lab_of(tmp_path, "my_agent:careless") as lab:
        lab.begin("H")
        assert [d.too_much + d.too_little for d in deliveries(lab)] == [[], [], [], []]


def test_a_guard_that_stays_until_its_maker_is_done_holds(tmp_path):
    written(tmp_path, HOST)
    with lab_of(tmp_path, "my_agent:careful") as lab:
        lab.begin("H")
        found = list(deliveries(lab))
    assert [d.too_much + d.too_little for d in found] == [[], [], [], []]
    assert found[-1].how == "to 3 processes at once"


def _at_work(party, order, name):
    party.begin(60)
    order.append(f"{name} begins")
    party.before_write(60)
    order.append(f"{name} writes")
    party.leave()


def test_the_first_stands_at_its_write_until_all_others_are_gone():
    meeting, order = Meeting(at=1), []
    first = threading.Thread(target=_at_work, args=(meeting.first, order, "first"))
    first.start()
    meeting.until_held()
    for name in ("second", "third"):
        _at_work(meeting.other, order, name)
    meeting.all_gone()
    first.join()
    assert meeting.met
    assert [word.split()[0] for word in order] == ["first", "second", "second", "third", "third", "first"]


def test_one_that_gives_no_sign_is_taken_to_wait():
    meeting = Meeting(at=1)
    meeting.first.begin(60)
    meeting.other.begin(60)
    meeting.first.before_write(0.001)
    assert not meeting.met
    assert meeting.first.over


def test_nobody_waits_for_one_that_has_left():
    meeting = Meeting(at=1)
    meeting.first.leave()
    meeting.until_held()
    meeting.first.before_write(60)
    assert not meeting.met
