"""The adapter of the OpenAI Agents SDK; skipped where the SDK is not installed."""

import asyncio
import json
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from confirm.server import call, fail, model, say

from agentcheck.adapter import Ability
from agentcheck.frameworks.openai_agents import FILE, adapter
from agentcheck.reducer import Approved, Denied, Finished, HumanAnswered, Paused, Text

_BESIDE = Path(__file__).parent  # there is a module of the SDK's name beside this one
with patch.object(sys, "path", [p for p in sys.path if Path(p).resolve() != _BESIDE]):
    sdk = pytest.importorskip("agents")
if not hasattr(sdk, "RunState"):
    pytest.skip("the OpenAI Agents SDK is not installed", allow_module_level=True)

LOOK, DEPLOY = call("tags", {}, "call_1"), call("deploy", {"tag": "v1"}, "call_2")
ASK = call("ask", {"question": "Sure?"}, "call_3")


@pytest.fixture(autouse=True)
def quiet():
    sdk.set_tracing_disabled(True)
    sdk.set_default_openai_api("chat_completions")


@pytest.fixture
def ran():
    return []


@pytest.fixture
def agent(ran):
    def tags() -> list[str]:
        """The tags."""
        ran.append("tags")
        return ["v1"]

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(f"deploy {tag}")
        return "deployed"

    def ask(question: str) -> str:
        """Ask a human."""
        ran.append("ask")
        return ""

    tools = [sdk.function_tool(tags), *(sdk.function_tool(f, needs_approval=True) for f in (deploy, ask))]
    return sdk.Agent(name="a", model="gpt-4.1-mini", tools=tools)


def launched(target, store, **kwargs):
    return asyncio.run(target.host.launch("Deploy v1.", store, **kwargs))


def resumed(target, store, *answers):
    return asyncio.run(target.host.resume(store, answers))


def test_an_agent_and_nothing_else_is_accepted(agent):
    assert adapter.accepts(agent)
    assert not any(adapter.accepts(other) for other in (None, sdk, sdk.Agent, sdk.Runner, "agent", object()))


def test_tools_are_bound_at_the_users_functions_and_none_keeps_its_body(agent):
    target = adapter.target(agent, human=["ask"])
    assert {name: binding.bind.__name__ for name, binding in target.tools.items()} == {
        "tags": "tags",
        "deploy": "deploy",
        "ask": "ask",
    }
    assert not any(binding.allow for binding in target.tools.values())
    assert target.has[Ability.CONTACT]
    assert target.has[Ability.APPROVALS]


def test_a_run_without_a_limit_is_not_bounded(agent):
    assert adapter.target(agent).has[Ability.BOUNDS]
    assert not adapter.target(agent, options={"max_turns": None}).has[Ability.BOUNDS]


def test_tools_of_agents_that_it_hands_over_to_are_its_own(agent):
    agent.handoffs.append(sdk.Agent(name="b", tools=[sdk.function_tool(print, name_override="show")], handoffs=[agent]))
    assert list(adapter.target(agent).tools) == ["show", "tags", "deploy", "ask"]


@pytest.mark.parametrize("durability", ["pause", "turn"])
def test_a_run_waits_for_approval_and_goes_on_in_another_target(agent, ran, tmp_path, durability):
    with model(LOOK, DEPLOY, say("Done.")):
        paused = launched(adapter.target(agent, durability=durability), tmp_path)
        assert [(q.kind, q.call.name, q.call.parsed()) for q in paused.questions] == [
            ("approval", "deploy", {"tag": "v1"})
        ]
        assert ran == ["tags"]
        target = adapter.target(agent, durability=durability)
        assert resumed(target, tmp_path) == paused
        assert resumed(target, tmp_path, HumanAnswered("call_2", Approved())) == Finished("Done.")
    assert ran == ["tags", "deploy v1"]


def test_a_rejected_call_does_not_run_and_the_model_is_told_why(agent, ran, tmp_path):
    with model(DEPLOY, say("Stopped.")) as played:
        target = adapter.target(agent)
        launched(target, tmp_path)
        assert resumed(target, tmp_path, HumanAnswered("call_2", Denied("a freeze"))) == Finished("Stopped.")
        assert "a freeze" in played.told(2)
    assert ran == []


def test_the_answer_to_a_question_is_the_result_of_the_call(agent, ran, tmp_path):
    with model(ASK, say("Good.")) as played:
        target = adapter.target(agent, human=["ask"])
        paused = launched(target, tmp_path)
        assert [(q.kind, q.text) for q in paused.questions] == [("question", "Sure?")]
        assert resumed(target, tmp_path, HumanAnswered("call_3", Text("Quite."))) == Finished("Good.")
        assert played.requests[1]["messages"][-1]["content"] == "Quite."
    assert ran == []


def test_a_run_that_was_asked_to_stop_goes_on(agent, tmp_path):
    with model(LOOK, say("v1.")) as played:

        def stop() -> str:
            """Stop."""
            target.host.interrupt()
            return "stopping"

        agent.tools = [sdk.function_tool(stop, name_override="tags")]
        target = adapter.target(agent)
        assert launched(target, tmp_path) == Paused()
        assert len(played.requests) == 1
        assert resumed(target, tmp_path) == Finished("v1.")


def test_after_a_failure_of_the_model_the_state_is_there(agent, tmp_path):
    with model(LOOK, fail(400), say("v1.")):
        target = adapter.target(agent)
        with pytest.raises(Exception, match="400"):
            launched(target, tmp_path)
        assert resumed(target, tmp_path) == Finished("v1.")


def test_what_is_no_state_is_refused(agent, tmp_path):
    target = adapter.target(agent)
    with pytest.raises(LookupError, match="launch one"):
        resumed(target, tmp_path)
    (tmp_path / FILE).write_text(json.dumps({"$schemaVersion": "99"}))
    with pytest.raises(sdk.exceptions.UserError):
        resumed(target, tmp_path)
