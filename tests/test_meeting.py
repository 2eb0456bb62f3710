"""Two processes on one store: what only goes wrong when they meet goes wrong every time."""

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


def test_who_meets_goes_one_after_the_other():
    meeting, order = Meeting(at=1), []

    def work(name):
        meeting.begin(60)
        meeting.before_write(name, 60)
        order.append(name)
        order.append(name)
        meeting.leave()

    threads = [threading.Thread(target=work, args=(name,)) for name in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meeting.met
    assert order in ([1, 1, 2, 2], [2, 2, 1, 1])


def test_nobody_waits_for_one_that_has_left():
    meeting = Meeting(at=1)
    meeting.leave()
    meeting.begin(60)
    meeting.before_write(1, 60)
    assert not meeting.met
