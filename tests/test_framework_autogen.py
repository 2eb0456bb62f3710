"""AutoGen's adapter, driven directly against a model of a few lines; only where AutoGen is installed."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentcheck.frameworks.autogen import FILE, adapter
from agentcheck.reducer import Approved, Finished, HumanAnswered, Paused, Text

pytest.importorskip("autogen_agentchat")
pytestmark = pytest.mark.filterwarnings("ignore:Resolved model mismatch", "ignore:unclosed")
sys.path.insert(0, str(Path(__file__).parent / "confirm"))

from server import call, model, say  # noqa: E402

ran: list[str] = []


def deploy(tag: str) -> str:
    """Deploy a tag."""
    ran.append(tag)
    if tag == "stop":
        stopping[0].interrupt()
    return "deployed"


stopping: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    yield
    ran.clear()
    stopping.clear()


def agent(steps: int = 9) -> Any:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.base import Handoff
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    handoffs = [Handoff(target="user")]
    return AssistantAgent("deployer", client, tools=[deploy], handoffs=handoffs, max_tool_iterations=steps)


def team() -> Any:
    from autogen_agentchat.conditions import ExternalTermination, HandoffTermination, TextMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat

    over = HandoffTermination(target="user") | TextMessageTermination("deployer") | ExternalTermination()
    return RoundRobinGroupChat([agent(steps=1)], termination_condition=over)


def launched(made: Any, store: Path) -> Any:
    return asyncio.run(adapter.target(made).host.launch("Deploy v1.", store))


def resumed(made: Any, store: Path, *answers: HumanAnswered) -> Any:
    return asyncio.run(adapter.target(made).host.resume(store, answers))


def test_accepts_its_own_objects_only() -> None:
    with model(say("")):
        assert adapter.accepts(agent())
        assert adapter.accepts(team())
    assert not any(adapter.accepts(one) for one in (None, "agent", len, adapter, object()))


@pytest.mark.parametrize("make", [agent, team])
def test_lists_tools_and_whom_they_reach(make: Any) -> None:
    with model(say("")):
        target = adapter.target(make())
    assert set(target.tools) == {"deploy", "transfer_to_user"}
    assert target.binding("deploy").bind is deploy
    assert list(target.human or ()) == ["transfer_to_user"]
    assert target.has["approvals"] is False
    assert "4894" in target.cites["approvals"]


@pytest.mark.parametrize("make", [agent, team])
def test_a_question_waits_in_the_store_until_it_is_answered(make: Any, tmp_path: Path) -> None:
    with model(call("transfer_to_user", {}), call("deploy", {"tag": "v1"}, "call_2"), say("Done.")) as played:
        paused = launched(make(), tmp_path)
        assert isinstance(paused, Paused)
        assert resumed(make(), tmp_path, HumanAnswered("another", Approved())) == paused
        assert len(played.requests) == 1
        assert resumed(make(), tmp_path, HumanAnswered(paused.questions[0].id, Text("Go on."))) == Finished("Done.")
        assert "Go on." in played.told(2)
        assert len(played.requests) == 3
    assert ran == ["v1"]


@pytest.mark.parametrize("make", [agent, team])
def test_a_stop_between_steps_is_gone_on_from(make: Any, tmp_path: Path) -> None:
    with model(call("deploy", {"tag": "stop"}), say("Done.")) as played:
        host = adapter.target(make()).host
        stopping.append(host)
        assert asyncio.run(host.launch("Deploy v1.", tmp_path)) == Paused()
        assert resumed(make(), tmp_path) == Finished("Done.")
        assert "Deploy v1." in played.told(2)
    assert ran == ["stop"]


def test_an_agent_that_is_launched_again_begins_anew(tmp_path: Path) -> None:
    with model(say("Done.")) as played:
        shared = agent()
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            launched(shared, tmp_path / name)
        assert len(played.requests[1]["messages"]) == 2


def test_what_holds_no_run_is_refused(tmp_path: Path) -> None:
    with model(say("Done.")):
        with pytest.raises(LookupError):
            resumed(agent(), tmp_path)
        (tmp_path / FILE).write_text("{")
        with pytest.raises(ValueError, match="Expecting"):
            resumed(agent(), tmp_path)
