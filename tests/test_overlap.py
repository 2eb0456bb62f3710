"""Sessions in flight at once: what leaks only then is found every time, and whoever keeps them apart is believed."""

import threading

import pytest
from agents import lab_of, written
from overlapping import ASYNC, ASYNC_STACKED, BUSY, GOOD, NOT_DECIDED, STACKED

from agentcheck import catalog
from agentcheck.finding import Outcome
from agentcheck.order import Order
from agentcheck.stage.turns import REPLY, RESULT, Turns

CHECKS = {check.id: check for check in catalog.load_all()}
ISOLATED, NO_LEAK = CHECKS["F12-instances-hold-no-state"], CHECKS["F03-sessions-do-not-leak"]
ONE_AT_A_TIME = "(it lets only one go on at a time)"
TWO = {"main": "Look at the door.", "other": "Look at the window."}


def judged(tmp_path, code, check, target="my_agent:run"):
    written(tmp_path, code)
    with lab_of(tmp_path, target) as lab:
        return lab.judge(check)


@pytest.mark.parametrize("check", [ISOLATED, NO_LEAK], ids=["isolated", "no leak"])
@pytest.mark.parametrize(("code", "by"), [(STACKED, "threads"), (ASYNC_STACKED, "tasks of one loop")])
def test_a_global_that_is_put_back_in_order_fails_only_turn_and_turn_about(tmp_path, code, by, check):
    found = judged(tmp_path, code, check)
    assert found.outcome is Outcome.FAIL
    assert f"two sessions, turn and turn about, as two {by}" in found.message


@pytest.mark.parametrize("name", GOOD)
def test_whoever_keeps_sessions_apart_passes(tmp_path, name):
    written(tmp_path, GOOD[name])
    with lab_of(tmp_path) as lab:
        isolated, no_leak = lab.judge(ISOLATED), lab.judge(NO_LEAK)
    assert (isolated.outcome, no_leak.outcome) == (Outcome.PASS, Outcome.PASS), (isolated.message, no_leak.message)
    assert all(order in isolated.message for order in Order if order is not Order.APART)
    by = "two tasks of one loop" if "coroutines" in name and "block" not in name else "two threads"
    assert f"as {by}:" in isolated.message
    assert (ONE_AT_A_TIME in isolated.message) == ("lock over" in name or "at a time" in name)


@pytest.mark.parametrize("name", NOT_DECIDED)
def test_who_cannot_run_in_a_thread_is_not_shown_to_leak(tmp_path, name):
    found = judged(tmp_path, NOT_DECIDED[name], ISOLATED)
    assert found.outcome is Outcome.UNTESTABLE
    why = "a thread of the agent's own" if "worker" in name else "it cannot run outside of the main thread"
    assert why in found.message


def test_who_turns_a_second_session_away_fails(tmp_path):
    found = judged(tmp_path, BUSY, ISOLATED)
    assert found.outcome is Outcome.FAIL
    assert "session 'other' is not what it is alone" in found.message


HOST = """
from agentcheck.reducer import Finished
from pathlib import Path


class Host:
    PLACE = None

    def launch(self, trigger, store):
        type(self).PLACE = Path(store)
        said = BODY
        (WHERE / "run.json").write_text(json.dumps(said))
        return Finished(json.loads((Path(store) / "run.json").read_text()))

    def resume(self, store, answers):
        return Finished(json.loads((Path(store) / "run.json").read_text()))


host = Host()
"""


@pytest.mark.parametrize("coroutine", [False, True], ids=["threads", "tasks"])
@pytest.mark.parametrize(("where", "outcome"), [("self.PLACE", Outcome.FAIL), ("Path(store)", Outcome.PASS)])
def test_a_host_that_remembers_its_last_store_fails(tmp_path, coroutine, where, outcome):
    code = HOST.replace("BODY", "await run(trigger)" if coroutine else "loop(trigger)").replace("WHERE", where)
    code = ASYNC + code.replace("def launch", "async def launch") if coroutine else code
    found = judged(tmp_path, code, ISOLATED, "my_agent:host")
    assert found.outcome is outcome
    assert ("two tasks of one loop" if coroutine else "two threads") in found.message


WAITING = """
from agentcheck.reducer import Finished, Paused, Question
from pathlib import Path


class Host:
    task = None

    def launch(self, trigger, store):
        loop(trigger)
        (Path(store) / "task").write_text(str(trigger))
        return Paused((Question("q1", "question", "Which?"),))

    def resume(self, store, answers):
        before, self.task = self.task, (Path(store) / "task").read_text()
        try:
            loop(self.task)
            return Finished(self.task)
        finally:
            self.task = before


host = Host()
"""


def test_sessions_of_a_host_are_resumed_at_once_too(tmp_path):
    written(tmp_path, WAITING)
    with lab_of(tmp_path, "my_agent:host") as lab:
        run = lab.run(triggers=TWO, order=Order.LOCK_STEP)
        found = lab.judge(NO_LEAK)
    assert [event["value"]["met"] for event in run.of("probe", name="in_flight")] == [True, True]
    assert [event["result"] for event in run.of("finished", status="finished")] == [TWO["other"], None]
    assert found.outcome is Outcome.PASS  # its requests are in order, and only what it returns is another's


@pytest.mark.parametrize("code", [GOOD["plain"], ASYNC], ids=["threads", "tasks"])
def test_the_lab_decides_who_goes_on(tmp_path, code):
    written(tmp_path, code)
    with lab_of(tmp_path) as lab:
        runs = [lab.run(triggers=TWO, order=Order.LOCK_STEP, again=again) for again in range(3)]
    crossings = [[(e.type, e.session) for e in run.of("model_request", "tool_called", "finished")] for run in runs]
    assert crossings[0] == [
        *(("model_request", "main"), ("model_request", "other")),
        *(("tool_called", "main"), ("tool_called", "other")),
        *(("model_request", "main"), ("model_request", "other")),
        *(("finished", "main"), ("finished", "other")),
    ]
    assert crossings[1:] == crossings[:1] * 2


def test_one_waits_for_its_tool_while_the_other_runs_to_its_end(tmp_path):
    written(tmp_path, GOOD["plain"])
    with lab_of(tmp_path) as lab:
        run = lab.run(triggers=TWO, order=Order.IN_TOOL)
    last = [(e.type, e.session) for e in run.of("tool_called", "finished", "model_request")][1:]
    assert last[0] == ("tool_called", "main")
    assert [session for _, session in last[1:]] == [*["other"] * 4, "main", "main"]
    assert last[4] == ("finished", "other")


def test_nobody_waits_for_one_that_waits_for_a_lock():
    held, started = threading.Lock(), []

    def start(name):
        started.append(threading.Thread(target=other))
        started[-1].start()

    turns = Turns(["main", "other"], Order.LOCK_STEP, start=start, patience=60)

    def other():
        with held:
            turns.cross("other", REPLY)
        turns.end("other")

    with held:
        turns.cross("main", REPLY)
    turns.cross("main", RESULT)
    turns.end("main")
    turns.wait_for_all()
    started[0].join()
    assert turns.free
    assert len(started) == 1
