"""The adapter for LangGraph, in an environment that has it: `make frameworks` runs this, `make test` skips it."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langgraph", reason="LangGraph is installed in .venv-frameworks/langgraph only")

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from agentcheck.adapter import Ability
from agentcheck.catalog import load_all
from agentcheck.config import load
from agentcheck.finding import Outcome
from agentcheck.frameworks import adapter_for
from agentcheck.frameworks.langgraph import adapter
from agentcheck.lab import Lab
from agentcheck.reducer import Denied, Finished, HumanAnswered, Paused, Text

MIXED = """
import sqlite3
from pathlib import Path
from langchain.agents import create_agent
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import interrupt

def deploy(tag: str) -> str:
    'Deploy a tag.'
    if interrupt({"question": "Deploy?"}) == "yes":
        Path(MARK).touch()
    return "deployed"

saver = SqliteSaver(sqlite3.connect(":memory:", check_same_thread=False))
agent = create_agent("openai:gpt-4.1-mini", [deploy], checkpointer=saver)
"""
JOB = {"trigger": "Deploy v1.", "model": [{"call": "deploy", "arguments": {"tag": "v1"}}, {"finish": "Done."}]}


def asks(state: MessagesState) -> dict[str, Any]:
    said = interrupt({"question": "Which tag?"})
    return {"messages": [("assistant", f"It is {said}.")]}


def graph(checkpointer: Any = None) -> Any:
    built = StateGraph(MessagesState)
    built.add_node("asks", asks)
    built.add_edge(START, "asks")
    return built.compile(checkpointer=checkpointer)


@pytest.fixture
def host(tmp_path: Path) -> Any:
    with SqliteSaver.from_conn_string(":memory:") as saver:
        yield adapter.target(graph(saver)).host


def test_a_graph_written_by_hand_asks_and_goes_on_with_the_answer(host: Any, tmp_path: Path) -> None:
    paused = host.launch("Deploy.", tmp_path)
    assert isinstance(paused, Paused)
    (asked,) = paused.questions
    assert (asked.kind, asked.text) == ("question", "Which tag?")
    assert host.resume(tmp_path, [HumanAnswered(asked.id, Text("v1"))]) == Finished("It is v1.")


def test_without_an_answer_it_asks_the_same_again(host: Any, tmp_path: Path) -> None:
    first = host.launch("Deploy.", tmp_path)
    assert host.resume(tmp_path, []) == first
    assert host.resume(tmp_path, [HumanAnswered("of another", Denied())]) == first


def test_an_empty_store_holds_no_run(host: Any, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="holds no checkpoint of a run"):
        host.resume(tmp_path, [])


@pytest.mark.parametrize(("saver", "cited"), [(None, "without a checkpointer"), (InMemorySaver(), "InMemorySaver")])
def test_what_keeps_nothing_is_a_function_with_a_citation(saver: Any, cited: str) -> None:
    target = adapter.target(graph(saver))
    assert target.kinds == "C"
    assert target.has[Ability.RESUME] is False
    assert cited in target.cites[Ability.RESUME]


def test_a_tool_that_asks_and_acts_in_one_body_is_never_run(tmp_path: Path) -> None:
    """Its stub would ask nobody, and the body itself would act: neither may happen."""
    (tmp_path / "my_agent.py").write_text(MIXED.replace("MARK", repr(str(tmp_path / "acted"))))
    config = load(tmp_path, target="my_agent:agent", high_stakes=["deploy"], scenario=JOB)
    with Lab(config, rootdir=tmp_path, reports=tmp_path / "reports") as lab:
        assert lab.target.human is None
        found = lab.judge(next(c for c in load_all() if c.id == "F07-approval-gates-effect"))
    assert found.outcome is Outcome.UNTESTABLE
    assert "its body asks a human by `interrupt` and acts, too" in found.message
    assert not (tmp_path / "acted").exists()


def test_it_is_found_by_the_type_of_the_object() -> None:
    assert adapter_for(graph()) is adapter
    assert adapter_for(object()) is None
