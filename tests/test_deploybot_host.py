"""deploybot's own host: what is left of a run when its process is killed, raced, stopped or its store spoiled."""

import json
import os
import shutil
import signal
import sqlite3
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentcheck.fixtures.deploybot import tools, view
from agentcheck.fixtures.deploybot.history import State
from agentcheck.fixtures.deploybot.host import Host
from agentcheck.fixtures.deploybot.inbox import deliver
from agentcheck.fixtures.deploybot.memory import Agent
from agentcheck.fixtures.deploybot.reducer import DeployBot
from agentcheck.fixtures.deploybot.runner import Function, Runner
from agentcheck.fixtures.deploybot.store import FILE, Store, StoreError
from agentcheck.messages import ToolCall
from agentcheck.reducer import (
    Approved,
    CallModel,
    Denied,
    Finished,
    HumanAnswered,
    ModelFailed,
    ModelReplied,
    Paused,
    TimePassed,
    Wait,
    to_data,
)

TRIGGER = {"text": "deploy v1", "reply_to": {"channel": "slack", "address": "C1"}, "delivery": "slack:e1"}
DEPLOY = ToolCall("deploy_backend", '{"tag": "v1", "environment": "staging"}', "d1")
REPLIES = (
    ModelReplied("", (ToolCall("list_git_tags", "{}", "t1"),), "calls"),
    ModelReplied("", (DEPLOY,), "calls"),
    ModelReplied("", (ToolCall("done_for_now", '{"message": "Done."}', "f1"),), "calls"),
)
APPROVE = HumanAnswered("approval-d1", Approved())
DONE = Finished({"status": "done", "message": "Done.", "reply_to": TRIGGER["reply_to"]})


def nothing(point: str) -> None:
    """A point at which nothing happens."""


class World:
    """A model, tools and a ledger in files, so that they outlive a process; `at` is told of each point passed."""

    def __init__(self, folder: Path, at: Callable[[str], None] = nothing, *, key: str | None = "idempotency_key"):
        self.folder, self.at = folder, at
        functions = {
            "list_git_tags": Function(self.tags, read_only=True),
            "deploy_backend": Function(self.deploy if key else self.deploy_without_key, key=key),
        }
        self.host = Host(DeployBot(), runner=Runner(functions, model=self.model))

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def model(self, command: CallModel) -> ModelReplied | ModelFailed:
        self.at("before the model")
        self.write("requests", to_data(list(command.messages)))
        self.at("after the model")
        return REPLIES[sum(m.role == "assistant" for m in command.messages)]

    def tags(self) -> list[str]:
        self.at("in list_git_tags")
        return ["v1"]

    def deploy(self, tag: str, environment: str, *, idempotency_key: str) -> dict[str, str]:
        self.at("before the effect")
        self.write("effects", idempotency_key)
        self.at("after the effect")
        return {"status": "queued"}

    def deploy_without_key(self, tag: str, environment: str) -> dict[str, str]:
        return self.deploy(tag, environment, idempotency_key="none")

    def write(self, name: str, data: Any) -> None:
        with (self.folder / name).open("a") as file:
            file.write(json.dumps(data) + "\n")

    def read(self, name: str) -> list[Any]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def play(self) -> Paused | Finished:
        """The whole job, from wherever it is."""
        if (self.store / FILE).exists():
            self.host.resume(self.store, [])
        else:
            self.host.launch(TRIGGER, self.store)
        return self.host.resume(self.store, [APPROVE])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def forked(work: Callable[[], object]) -> int:
    """The pid of a child that does this work and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # xdist's workers have a second thread
        pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at(number: int, folder: Path, **options: Any) -> bool:
    """Play the job in a child that is killed at its nth point; whether it came that far."""

    def work() -> None:
        passed = [0]

        def at(point: str) -> None:
            passed[0] += 1
            if passed[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)

        crash_around_writes(at)
        World(folder, at, **options).play()

    code = ended(forked(work))
    assert code in (0, -signal.SIGKILL)
    return code != 0


def crash_around_writes(at: Callable[[str], None]) -> None:
    """In a child of its own: pass a point before and after every write of the store."""
    append, attempt = Store.append, Store.attempt

    def appending(self: Store, old: State, new: State) -> None:
        at("before a write")
        append(self, old, new)
        at("after a write")

    def attempting(self: Store, call_id: str) -> None:
        at("before an attempt")
        attempt(self, call_id)
        at("after an attempt")

    Store.append, Store.attempt = appending, attempting  # type: ignore[method-assign]


# --- killed -----------------------------------------------------------------------------------


def test_a_kill_at_every_point_leads_to_the_same_end(tmp_path: Path) -> None:
    reference = World(tmp_path / "reference")
    reference.folder.mkdir()
    assert reference.play() == DONE
    number = 1
    while killed_at(number, folder := _fresh(tmp_path / str(number))):
        after = World(folder)
        assert after.play() == DONE, f"killed at point {number}"
        assert set(after.read("effects")) == {"slack:e1:d1"}
        assert without_repeats(after.read("requests")) == reference.read("requests")
        number += 1
    assert number > 20


def without_repeats(requests: list[Any]) -> list[Any]:
    """A model call that was under way may be made again; nothing else may differ."""
    return [r for n, r in enumerate(requests) if r not in requests[:n]]


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_tool_without_a_key_is_not_repeated_blindly(tmp_path: Path) -> None:
    unknown = 0
    number = 1
    while killed_at(number, folder := _fresh(tmp_path / str(number)), key=None):
        after = World(folder, key=None)
        assert after.play() == DONE
        assert len(after.read("effects")) <= 1
        unknown += "outcome is unknown" in json.dumps(after.read("requests")[-1])
        number += 1
    assert unknown == 4  # after the attempt is written, before the effect, after it, and before its result is written


def test_a_launch_that_was_killed_before_it_was_saved_left_no_run(world: World) -> None:
    world.store.mkdir()
    (world.store / f"{FILE}.new").write_bytes(b"SQLite format 3\0")
    with pytest.raises(StoreError, match="holds no run"):
        world.host.resume(world.store, [])
    assert world.play() == DONE


# --- answered ---------------------------------------------------------------------------------


def test_the_same_answer_twice_acts_once(world: World) -> None:
    paused = world.host.launch(TRIGGER, world.store)
    assert isinstance(paused, Paused)
    assert [(q.id, q.kind, q.call) for q in paused.questions] == [("approval-d1", "approval", DEPLOY)]
    assert world.host.resume(world.store, []) == paused
    assert world.host.resume(world.store, [HumanAnswered("approval-x", Approved())]) == paused
    assert world.read("effects") == []
    assert world.host.resume(world.store, [APPROVE, APPROVE]) == DONE
    requests = len(world.read("requests"))
    assert world.host.resume(world.store, [APPROVE]) == DONE
    assert world.host.resume(world.store, [HumanAnswered("approval-d1", Denied())]) == DONE
    assert (len(world.read("effects")), len(world.read("requests"))) == (1, requests)


def test_two_processes_that_resume_at_once_act_once(world: World) -> None:
    world.host.launch(TRIGGER, world.store)
    ready, go = os.pipe()

    def work() -> None:
        os.close(go)
        os.read(ready, 1)  # returns when the parent closes its end
        assert World(world.folder).host.resume(world.store, [APPROVE]) == DONE

    children = [forked(work) for _ in range(2)]
    os.close(go)
    assert [ended(pid) for pid in children] == [0, 0]
    os.close(ready)
    assert world.read("effects") == ["slack:e1:d1"]
    assert len(world.read("requests")) == 3


def test_a_denied_call_does_not_run(world: World) -> None:
    world.host.launch(TRIGGER, world.store)
    assert world.host.resume(world.store, [HumanAnswered("approval-d1", Denied("no"))]) == DONE
    assert world.read("effects") == []


def test_an_answer_after_the_deadline_is_too_late(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.host.launch(TRIGGER, world.store)
    later = time.time() + 86_401
    monkeypatch.setattr(time, "time", lambda: later)
    assert world.host.resume(world.store, [APPROVE]) == DONE
    assert world.read("effects") == []
    assert "neither a yes nor a no" in json.dumps(world.read("requests")[-1])


# --- delivered --------------------------------------------------------------------------------


def test_a_delivery_twice_starts_one_run(world: World) -> None:
    paused = world.host.launch(TRIGGER, world.store)
    assert world.host.launch(TRIGGER, world.store) == paused
    world.host.resume(world.store, [APPROVE])
    assert world.host.launch(TRIGGER, world.store) == DONE
    assert (len(world.read("effects")), len(world.read("requests"))) == (1, 3)


@pytest.mark.parametrize("other", ["deploy v1", {**TRIGGER, "delivery": "slack:e2"}])
def test_a_folder_holds_one_run(world: World, other: Any) -> None:
    world.host.launch(TRIGGER, world.store)
    with pytest.raises(StoreError, match="already holds a run"):
        world.host.launch(other, world.store)


def test_the_inbox_starts_one_run_for_each_delivery(world: World) -> None:
    def update(number: int) -> dict[str, Any]:
        return {"update_id": number, "message": {"message_id": 1, "chat": {"id": 4}, "text": "deploy v1"}}

    for number in (1, 1, 2):
        deliver(world.host, "telegram", update(number), world.folder / "inbox")
    assert len(list((world.folder / "inbox").iterdir())) == 2
    with pytest.raises(KeyError, match="no channel 'fax'"):
        deliver(world.host, "fax", {}, world.folder / "inbox")


# --- stopped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_stop_between_steps_leaves_a_run_that_resumes(tmp_path: Path, number: int) -> None:
    passed: list[str] = []

    def at(point: str) -> None:
        passed.append(point)
        if len(passed) == number:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    stopped = World(tmp_path, at)
    assert stopped.host.launch(TRIGGER, stopped.store) == Paused() or number == 4
    assert signal.getsignal(signal.SIGTERM) is before
    assert World(tmp_path).play() == DONE


def test_a_stop_ends_a_wait(world: World) -> None:
    class Stopping(Runner):
        def wait(self, command: Wait) -> TimePassed:
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError("the wait went on")

    stopping = Stopping(world.host.runner.functions, model=lambda command: ModelFailed(429, "wait", 60.0))
    assert Host(DeployBot(), runner=stopping).launch(TRIGGER, world.store) == Paused()


def test_a_stop_may_be_asked_for_in_code(world: World) -> None:
    world.at = lambda point: world.host.interrupt()
    assert world.host.launch(TRIGGER, world.store) == Paused()


# --- spoiled ----------------------------------------------------------------------------------


def _sql(*statements: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return spoil


SPOILED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "cannot be trusted"),
    "cut to its header": (lambda p: p.write_bytes(p.read_bytes()[:100]), "cannot be trusted"),
    "not a database": (lambda p: p.write_text("once upon a time" * 99), "cannot be trusted"),
    "no such file": (lambda p: p.unlink(), "holds no run"),
    "unknown version": (_sql("UPDATE about SET value = '3' WHERE key = 'version'"), "it is of version 3"),
    "no version": (_sql("DELETE FROM about WHERE key = 'version'"), "version is missing"),
    "no run id": (_sql("DELETE FROM about WHERE key = 'run'"), "run is missing"),
    "no tables": (_sql("DROP TABLE entries"), "no such table"),
    "no entries": (_sql("DELETE FROM entries"), "a history begins"),
    "a gap": (_sql("DELETE FROM entries WHERE seq = 3"), "entries are missing"),
    "broken JSON": (_sql("UPDATE entries SET entry = '{' WHERE seq = 2"), "cannot be trusted"),
    "broken schema": (_sql("""UPDATE entries SET entry = '{"type": "replied"}' WHERE seq = 2"""), "entry history.2"),
    "unknown entry": (_sql("""UPDATE entries SET entry = '{"type": "x"}' WHERE seq = 2"""), "entry history.2"),
}


@pytest.mark.parametrize(("spoil", "why"), SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_store_is_refused(world: World, spoil: Callable[[Path], Any], why: str) -> None:
    world.host.launch(TRIGGER, world.store)
    requests = len(world.read("requests"))
    spoil(world.store / FILE)
    with pytest.raises(StoreError, match=why):
        world.host.resume(world.store, [APPROVE])
    assert len(world.read("requests")) == requests
    if why != "holds no run":
        with pytest.raises(StoreError, match=why):
            world.host.launch(TRIGGER, world.store)


def test_a_folder_that_does_not_exist_is_refused(world: World) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        world.host.resume(world.folder / "nowhere", [])


def test_a_store_of_version_1_goes_on(world: World) -> None:
    kept = Path(tools.__file__).parent / "snapshots" / "store-v1"
    shutil.copytree(kept, world.store)
    paused = world.host.resume(world.store, [])
    assert isinstance(paused, Paused)
    assert [q.id for q in paused.questions] == ["approval-call_2"]
    assert isinstance(world.host.resume(world.store, [HumanAnswered("approval-call_2", Approved())]), Finished)
    assert world.read("effects") == ["slack:Ev0000000001:call_2"]


def test_two_writers_of_one_state_do_not_both_win(world: World) -> None:
    world.host.launch(TRIGGER, world.store)
    rows = Store.open(world.store)
    state = rows.state()
    rows.append(state, DeployBot().reduce(state, APPROVE).state)
    with pytest.raises(StoreError, match="changed by another process"):
        rows.append(state, DeployBot().reduce(state, HumanAnswered("approval-d1", Denied())).state)
    rows.close()


def test_the_view_is_what_the_model_was_shown(world: World) -> None:
    world.play()
    assert view.context(world.store) == world.read("requests")[-1]


# --- in memory --------------------------------------------------------------------------------


def test_in_memory_a_human_is_not_waited_for(world: World) -> None:
    agent = Agent(DeployBot(), runner=world.host.runner)
    waiting = json.loads(json.dumps(agent(TRIGGER)))
    assert (waiting["status"], waiting["questions"][0]["id"]) == ("waiting", "approval-d1")
    assert world.read("effects") == []
    assert agent.resume(waiting, [HumanAnswered("other", Approved()), APPROVE, APPROVE]) == DONE.result
    assert len(world.read("effects")) == 1


@pytest.mark.parametrize(("said", "effects"), [(True, 1), (False, 0)])
def test_in_memory_a_human_at_hand_decides(world: World, said: bool, effects: int) -> None:
    asked: list[Any] = []

    def approve(tool: str, arguments: dict[str, Any]) -> bool:
        asked.append((tool, arguments))
        return said

    agent = Agent(DeployBot(), runner=world.host.runner, approve=approve)
    assert agent(TRIGGER) == DONE.result
    assert asked == [("deploy_backend", {"tag": "v1", "environment": "staging"})]
    assert len(world.read("effects")) == effects


def test_secrets_of_the_environment_reach_no_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "swordfish-swordfish")
    monkeypatch.setattr(world, "tags", lambda: "log in with swordfish-swordfish")
    functions = {**world.host.runner.functions, "list_git_tags": Function(world.tags, read_only=True)}
    Agent(DeployBot(), runner=Runner(functions, model=world.model))(TRIGGER)
    assert "log in with [redacted]" in json.dumps(world.read("requests"))
    assert "swordfish" not in json.dumps(world.read("requests"))
