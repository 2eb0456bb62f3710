"""The adapter of Pydantic AI; skipped where it is not installed."""

import asyncio

import pytest
from confirm.server import call, fail, model, say

from agentcheck.adapter import Ability
from agentcheck.frameworks.pydantic_ai import FILE, adapter
from agentcheck.reducer import Approved, Denied, Finished, HumanAnswered, Paused, Text

pydantic_ai = pytest.importorskip("pydantic_ai")

LOOK, DEPLOY = call("tags", {}, "call_1"), call("deploy", {"tag": "v1"}, "call_2")
ASK = call("ask", {"question": "Sure?"}, "call_3")
BOTH = {"calls": [*DEPLOY["calls"], *ASK["calls"]]}


class Board:
    """What the tools have done, and the host that they may ask to stop."""

    def __init__(self):
        self.ran = []
        self.host = None


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def agent(board, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def tags() -> list[str]:
        """The tags."""
        board.ran.append("tags")
        if board.host is not None:
            board.host.interrupt()
        return ["v1"]

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        board.ran.append(f"deploy {tag}")
        return "deployed"

    def ask(question: str) -> str:
        """Ask a human."""
        raise pydantic_ai.CallDeferred

    def build():
        return pydantic_ai.Agent(
            "openai-chat:gpt-4.1-mini",
            tools=[tags, pydantic_ai.Tool(deploy, requires_approval=True), ask],
            output_type=[str, pydantic_ai.DeferredToolRequests],
        )

    return build


def launched(target, store):
    return asyncio.run(target.host.launch("Deploy v1.", store))


def resumed(target, store, *answers):
    return asyncio.run(target.host.resume(store, answers))


def test_an_agent_and_nothing_else_is_accepted(agent):
    assert adapter.accepts(agent())
    assert not any(adapter.accepts(other) for other in (None, pydantic_ai, pydantic_ai.Agent, "agent", object()))


def test_tools_are_bound_at_the_users_functions_and_human_ones_keep_their_bodies(agent):
    target = adapter.target(agent(), human=["ask"], options={"usage_limits": pydantic_ai.UsageLimits()})
    assert target.has[Ability.BOUNDS]
    assert {n: b.bind.__name__ for n, b in target.tools.items()} == {"tags": "tags", "deploy": "deploy", "ask": "ask"}
    assert [name for name, binding in target.tools.items() if binding.allow] == ["ask"]
    assert target.has[Ability.CONTACT]
    assert target.has[Ability.APPROVALS]


def test_a_run_without_a_limit_is_not_bounded(agent):
    unlimited = pydantic_ai.UsageLimits(request_limit=None)
    assert not adapter.target(agent(), options={"usage_limits": unlimited}).has[Ability.BOUNDS]


@pytest.mark.parametrize("durability", ["pause", "step"])
def test_a_run_waits_for_approval_and_goes_on_in_another_target(agent, board, tmp_path, durability):
    with model(LOOK, DEPLOY, say("Done.")) as played:
        paused = launched(adapter.target(agent(), durability=durability), tmp_path)
        asked = [(q.kind, q.call.name, q.call.parsed()) for q in paused.questions]
        assert asked == [("approval", "deploy", {"tag": "v1"})]
        assert board.ran == ["tags"]
        target = adapter.target(agent(), durability=durability)
        assert resumed(target, tmp_path) == paused
        assert resumed(target, tmp_path, HumanAnswered("call_2", Approved())) == Finished("Done.")
        assert resumed(target, tmp_path) == Finished("Done.")
        assert len(played.requests) == 3
    assert board.ran == ["tags", "deploy v1"]


def test_a_denied_call_does_not_run_and_the_model_is_told_why(agent, board, tmp_path):
    with model(DEPLOY, say("Stopped.")) as played:
        target = adapter.target(agent())
        launched(target, tmp_path)
        assert resumed(target, tmp_path, HumanAnswered("call_2", Denied("a freeze"))) == Finished("Stopped.")
        assert "a freeze" in played.told(2)
    assert board.ran == []


def test_questions_wait_until_all_are_answered_and_an_answer_is_the_result_of_the_call(agent, board, tmp_path):
    with model(BOTH, say("Good.")) as played:
        target = adapter.target(agent(), human=["ask"])
        paused = launched(target, tmp_path)
        asked = {(q.id, q.kind, q.text) for q in paused.questions if q.kind == "question"}
        assert asked == {("call_3", "question", "Sure?")}
        sure, yes = HumanAnswered("call_3", Text("Quite.")), HumanAnswered("call_2", Approved())
        assert resumed(target, tmp_path, sure) == paused
        assert resumed(target, tmp_path, sure, yes) == Finished("Good.")
        assert [m["content"] for m in played.requests[1]["messages"] if m["role"] == "tool"] == ["deployed", "Quite."]
    assert board.ran == ["deploy v1"]


def test_a_run_that_was_asked_to_stop_goes_on(agent, board, tmp_path):
    with model(LOOK, say("v1.")) as played:
        target = adapter.target(agent())
        board.host = target.host
        assert launched(target, tmp_path) == Paused()
        assert len(played.requests) == 1
        assert resumed(target, tmp_path) == Finished("v1.")
    assert board.ran == ["tags"]


def test_after_a_failure_of_the_model_the_messages_are_there(agent, board, tmp_path):
    with model(LOOK, fail(400), say("v1.")):
        target = adapter.target(agent())
        with pytest.raises(pydantic_ai.ModelHTTPError):
            launched(target, tmp_path)
        assert resumed(target, tmp_path) == Finished("v1.")
    assert board.ran == ["tags"]


def test_what_is_no_run_is_refused(agent, tmp_path):
    target = adapter.target(agent())
    with pytest.raises(LookupError, match="launch one"):
        resumed(target, tmp_path)
    (tmp_path / FILE).write_text('[{"kind": "unheard-of"}]')
    with pytest.raises(ValueError, match="kind"):
        resumed(target, tmp_path)
