"""smolagents' adapter, driven directly against a model of a few lines; only where smolagents is installed."""

import sys
from pathlib import Path
from typing import Any

import pytest

from agentcheck.frameworks.smolagents import adapter

smolagents = pytest.importorskip("smolagents")
pytestmark = pytest.mark.filterwarnings("ignore:unclosed")
sys.path.insert(0, str(Path(__file__).parent / "confirm"))

from server import call, model, say  # noqa: E402


def deploy(tag: str) -> str:
    """Deploy a tag.

    Args:
        tag: The tag.
    """
    return f"deployed {tag}"


def agent(kind: str = "ToolCallingAgent", **options: Any) -> Any:
    tools = [smolagents.tool(deploy), smolagents.UserInputTool()]
    return getattr(smolagents, kind)(tools, smolagents.OpenAIModel("gpt-4.1-mini"), verbosity_level=0, **options)


OVER = call("final_answer", {"answer": "Done."}, "call_2")


@pytest.mark.parametrize("kind", ["ToolCallingAgent", "CodeAgent"])
def test_accepts_its_own_objects_only(kind: str) -> None:
    with model(say("")):
        assert adapter.accepts(agent(kind))
    assert not any(adapter.accepts(one) for one in (None, "agent", len, adapter, object()))


def test_lists_tools_whom_they_reach_and_what_is_missing() -> None:
    target = adapter.target(agent())
    assert set(target.tools) == {"deploy", "user_input"}
    assert list(target.human or ()) == ["user_input"]
    assert target.binding("user_input").allow
    assert not target.binding("deploy").allow
    assert target.finish == "final_answer"
    assert target.host is None
    assert (target.has["resume"], target.has["snapshot"]) == (False, False)
    assert "issues/1216" in target.cites["resume"]


def test_tools_of_managed_agents_are_listed() -> None:
    inner = agent(name="inner", description="Deploys.")
    outer = smolagents.ToolCallingAgent([], smolagents.OpenAIModel("gpt-4.1-mini"), managed_agents=[inner])
    assert "deploy" in adapter.target(outer).tools


def test_code_has_no_tool_that_finishes() -> None:
    assert adapter.target(agent("CodeAgent")).finish is None


def test_runs_and_begins_anew_each_time() -> None:
    with model(call("deploy", {"tag": "v1"}), OVER, OVER) as played:
        target = adapter.target(agent())
        assert target.run("Deploy v1.") == "Done."
        assert "deployed v1" in played.told(2)
        assert target.run({"again": 1}) == "Done."
        assert "deployed v1" not in played.told(3)
        assert '{\\\\\\"again\\\\\\": 1}' in played.told(3) or '{\\"again\\": 1}' in played.told(3)


def test_a_fresh_agent_for_each_run_where_one_is_made() -> None:
    made = []

    def fresh() -> Any:
        made.append(agent())
        return made[-1]

    with model(OVER):
        target = adapter.target(agent(), fresh=fresh)
        target.run("One.")
        target.run("Two.")
    assert len(made) == 2
