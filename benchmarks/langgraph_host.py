"""A host made of LangChain's create_agent and LangGraph's SQLite checkpoints, as its documentation has them."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.sqlite import SqliteSaver

from agentcheck.reducer import Finished, HumanAnswered
from agentcheck.target import Target, ToolBinding

warnings.filterwarnings("ignore")
THREAD: Any = {"configurable": {"thread_id": "run"}}


@tool
def list_git_tags() -> list[str]:
    """The tags of the repository, the newest first."""
    raise AssertionError("the real tool ran")


@tool
def deploy_backend(tag: str, environment: str) -> str:
    """Deploy a tag of the backend to an environment."""
    raise AssertionError("the real tool ran")


class Host:
    """One SQLite file of checkpoints in the store of each run."""

    def launch(self, trigger: Any, store: Path) -> Finished:
        return self.invoke({"messages": [("user", str(trigger))]}, store)

    def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Finished:
        return self.invoke(None, store)

    def invoke(self, given: Any, store: Path) -> Finished:
        with SqliteSaver.from_conn_string(str(Path(store) / "checkpoints.sqlite")) as saver:
            model = ChatOpenAI(model="gpt-4.1-mini", max_retries=0)
            agent = create_agent(
                model, [list_git_tags, deploy_backend], system_prompt="You deploy.", checkpointer=saver
            )
            said = agent.invoke(given, THREAD)
        return Finished(said["messages"][-1].content)


target = Target(
    host=Host(),
    name="langgraph",
    tools={
        "list_git_tags": ToolBinding(bind="langgraph_host:list_git_tags.func", repeatable=True, returns=["v2", "v1"]),
        "deploy_backend": ToolBinding(bind="langgraph_host:deploy_backend.func", returns="queued"),
    },
    human=[],
    high_stakes=[],
    scenario={
        "trigger": "Deploy v2 to production.",
        "model": [
            {"call": "list_git_tags"},
            {"call": "deploy_backend", "arguments": {"tag": "v2", "environment": "production"}},
            {"finish": "Done."},
        ],
    },
)
