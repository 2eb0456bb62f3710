"""Recordings of a real model, replayed in the lab: the same bytes again, or a miss that says why."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentcheck import catalog
from agentcheck.cassette import Cassette
from agentcheck.config import load
from agentcheck.faults import Raises, ToolFails
from agentcheck.finding import HarnessError, Outcome
from agentcheck.lab import ELSEWHERE, Lab
from agentcheck.messages import Decision, Request
from agentcheck.recorded import decisions
from agentcheck.wire import Exchange, WireReply, WireRequest

ROOT = Path(__file__).resolve().parents[1]
CASSETTES = sorted((ROOT / "cassettes").glob("*.jsonl"))
DEPLOYBOT = ROOT / "cassettes" / "deploybot-3.jsonl"
LOOP = ROOT / "cassettes" / "deploybot_loop-3.jsonl"
NAMES = [path.stem for path in CASSETTES]


@contextmanager
def replaying(cassette: Path, folder: Path, *, like: Path | None = None, **changes: Any) -> Iterator[Lab]:
    """A lab for the agent of a recording, in the scenario in which it was recorded (or that `like` was)."""
    told = Cassette.read(like or cassette).provenance
    scenario = {**told["scenario"], "cassette": str(cassette), **changes}
    config = load(folder, target=told["agent"], scenario=scenario)
    with Lab(config, rootdir=ROOT, reports=folder) as lab:
        lab.begin(told["kind"])
        yield lab


def copied(source: Path, folder: Path, change: Callable[[list[Exchange]], list[Exchange]]) -> Path:
    """A recording made of the exchanges of another, as a test has changed them."""
    copy = Cassette.create(folder / "changed.jsonl", provenance=Cassette.read(source).provenance)
    for exchange in change(list(Cassette.read(source).exchanges)):
        copy.append(exchange.request, exchange.reply)
    return copy.path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's own process is guarded anyway; here nothing of ours may connect either."""

    def refuse(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"a replay must not connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


# --- the recordings ------------------------------------------------------------------------


def test_both_agents_are_recorded_each_with_a_run_that_spins_out() -> None:
    assert {name.partition("-")[0] for name in NAMES} == {"deploybot", "deploybot_loop"}
    assert {"deploybot-spin-out", "deploybot_loop-spin-out"} <= set(NAMES)


@pytest.mark.parametrize("path", CASSETTES, ids=NAMES)
def test_a_recording_says_where_it_comes_from_and_is_small(path: Path) -> None:
    told = Cassette.read(path).provenance
    assert {"recorded", "agent", "kind", "model", "licence", "packages", "temperature", "seed", "again"} <= set(told)
    assert path.stem in told["again"]
    assert path.stat().st_size < 200_000


@pytest.mark.parametrize("path", CASSETTES, ids=NAMES)
@pytest.mark.usefixtures("no_network")
def test_a_replay_is_the_run_that_was_recorded(path: Path, tmp_path: Path) -> None:
    cassette = Cassette.read(path)
    with replaying(path, tmp_path) as lab:
        run = lab.happy()
    assert run.status == "finished"
    assert [event.decision for event in run.of("model_reply")] == decisions(cassette)
    asked = [json.loads(event["raw"]["body"]) for event in run.requests()]
    assert asked == [json.loads(exchange.request.body) for exchange in cassette.exchanges]
    assert not run.of("miss")
    assert not run.of("probe", name="unused_recordings")


@pytest.mark.parametrize("path", [p for p in CASSETTES if p.stem.startswith("deploybot-")], ids=lambda p: p.stem)
def test_a_reducer_without_a_wire_gets_the_recorded_decisions(path: Path, tmp_path: Path) -> None:
    with replaying(path, tmp_path) as lab:
        lab.begin("R")
        run = lab.happy()
    assert run.status == "finished"
    assert [event.decision for event in run.of("model_reply")] == decisions(Cassette.read(path))


def test_a_small_model_left_to_itself_deploys_the_same_invented_tag_again_and_again() -> None:
    spinning = Cassette.read(LOOP.with_stem("deploybot_loop-spin-out"))
    calls = [call for decision in decisions(spinning) for call in decision.calls]
    assert {call.name for call in calls} == {"deploy_backend"}
    assert len(calls) == 15


# --- what does not fit -----------------------------------------------------------------------


@pytest.mark.parametrize("path", [DEPLOYBOT, LOOP], ids=["host", "callable"])
def test_a_request_that_was_not_recorded_is_a_miss_with_the_difference(path: Path, tmp_path: Path) -> None:
    returns = {"list_git_tags": {"returns": [["v9.9.9"]]}, "deploy_backend": {"returns": [{"status": "queued"}]}}
    with replaying(path, tmp_path, tools=returns) as lab, pytest.raises(HarnessError) as caught:
        lab.happy()
    said, run = caught.value.message, caught.value.trace
    assert "no reply to model request 2" in said
    assert "request is number 2 (POST /v1/chat/completions)" in said
    assert "v1.2.3" in said
    assert "v9.9.9" in said
    assert "record it anew" in said
    assert len(run.of("miss")) == 1
    assert len(run.of("model_reply")) == 1
    assert not run.of("resumed", after=run.first("miss"))


def test_a_reducer_that_asks_more_often_than_was_recorded_misses(tmp_path: Path) -> None:
    short = copied(DEPLOYBOT, tmp_path, lambda exchanges: exchanges[:-1])
    with replaying(short, tmp_path) as lab:
        lab.begin("R")
        with pytest.raises(HarnessError, match="holds 2 replies, and this is request 3"):
            lab.happy()


def test_exchanges_that_nobody_asked_for_are_noted(tmp_path: Path) -> None:
    longer = copied(LOOP, tmp_path, lambda exchanges: [*exchanges, exchanges[0]])
    with replaying(longer, tmp_path) as lab:
        run = lab.happy()
    assert run.reach("probe", name="unused_recordings")["value"] == {"count": 1, "first": "POST /v1/chat/completions"}


def test_what_is_declared_volatile_may_differ(tmp_path: Path) -> None:
    def other_day(exchanges: list[Exchange]) -> list[Exchange]:
        def moved(exchange: Exchange) -> Exchange:
            r = exchange.request
            body = r.body.replace(b"deployment assistant", b"deployment assistant (2019-01-07)")
            return Exchange(WireRequest(r.method, r.url, r.headers, body), exchange.reply)

        return [moved(exchange) for exchange in exchanges]

    path = copied(LOOP, tmp_path, other_day)
    told = Cassette.read(path).provenance
    config = load(
        tmp_path,
        target=told["agent"],
        scenario={**told["scenario"], "cassette": str(path)},
        volatile=[r"deployment assistant( \(\S+\))?"],
    )
    with Lab(config, rootdir=ROOT, reports=tmp_path) as lab:
        assert lab.happy().status == "finished"


def test_a_recorded_failure_is_replayed_too(tmp_path: Path) -> None:
    def first_overloaded(exchanges: list[Exchange]) -> list[Exchange]:
        busy = WireReply(429, {"content-type": "application/json", "retry-after": "1"}, (b'{"error": {}}',))
        return [Exchange(exchanges[0].request, busy), *exchanges]

    path = copied(DEPLOYBOT, tmp_path, first_overloaded)
    with replaying(path, tmp_path) as lab:
        run = lab.happy()
    assert [event.type for event in run.of("model_failed", "model_reply")][:2] == ["model_failed", "model_reply"]
    assert run.status == "finished"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ('{"agentcheck": "cassette/9", "provenance": {}}\n', "of version"),
        ('{"agentcheck": "cassette/1", "provenance": {}}\n{"request": 1}\n', "is not an exchange"),
        ('{"agentcheck": "cassette/1", "provenance": {}}\n', "holds no reply"),
        ("a: &x [1]\nb: *x\n", "anchor or alias"),
        ("!!python/object/apply:os.system ['true']", "no recording|construct a Python object"),
    ],
)
def test_a_bad_recording_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(HarnessError, match=said) as caught, replaying(path, tmp_path, like=LOOP):
        pass
    assert "\n" not in caught.value.message
    assert "bad.jsonl" in caught.value.message


def test_decisions_and_a_recording_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="keep one of them"), replaying(LOOP, tmp_path, model=[{"finish": "x"}]):
        pass


# --- beyond the recording --------------------------------------------------------------------


def test_with_a_fault_the_recorded_decisions_are_played_on(tmp_path: Path) -> None:
    """No recording can answer what an agent asks after a failure, yet the check needs a model that goes on."""
    with replaying(LOOP, tmp_path) as lab:
        run = lab.run(faults=ToolFails("deploy_backend", Raises("refused"), times=1))
        assert lab.tools.keys() >= {"list_git_tags", "deploy_backend"}
        assert lab.arguments("deploy_backend") == {"tag": "v1.2.3", "environment": "production"}
    assert run.of("tool_failed", tool="deploy_backend")
    assert not run.of("miss")
    assert run.status == "finished"


def test_on_another_machine_the_recorded_decisions_are_played_on(tmp_path: Path) -> None:
    with replaying(DEPLOYBOT, tmp_path) as lab:
        here, elsewhere = lab.happy(), lab.run(machine=ELSEWHERE)
        assert lab.difference(here, elsewhere) is None


def test_a_replayed_run_can_be_resumed(tmp_path: Path) -> None:
    with replaying(DEPLOYBOT, tmp_path) as lab:
        again = lab.resume(lab.happy())
    assert again.status == "finished"
    assert not again.requests()


class Curt:
    """A live model that ends every run at once."""

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> Decision:
        return Decision("No.")


def test_a_live_model_answers_undisturbed_runs_instead_of_the_scenario(tmp_path: Path) -> None:
    config = load(tmp_path, target="agentcheck.fixtures.deploybot_loop:target")
    with Lab(config, rootdir=ROOT, reports=tmp_path, live=Curt) as lab:
        assert lab.happy().reach("finished")["result"] == "No."
        assert lab.run(lab.call("list_git_tags")).of("tool_called", tool="list_git_tags")


# --- what the recordings show of the agents -------------------------------------------------


@pytest.mark.parametrize("agent", ["deploybot", "deploybot_loop"])
def test_the_agents_own_recordings_are_short_and_begin_in_different_ways(agent: str, tmp_path: Path) -> None:
    config = load(tmp_path, target=f"agentcheck.fixtures.{agent}:target")
    with Lab(config, rootdir=ROOT, reports=tmp_path) as lab:
        assert lab.kinds.endswith("W")
        found = {c.id: lab.judge(c) for c in catalog.load_all() if c.kinds == "W"}
    assert {id: (f.outcome, f.kinds) for id, f in found.items()} == {
        "F10-run-is-short": (Outcome.PASS, "W"),
        "F13-predictable-fetch-is-prefetched": (Outcome.PASS, "W"),
    }
