"""CrewAI's adapter, driven directly against a model of a few lines; only where CrewAI is installed."""

import sys
from pathlib import Path
from typing import Any

import pytest

from agentcheck.frameworks.crewai import adapter
from agentcheck.reducer import Approved, Denied, Finished, HumanAnswered, Paused, Text

crewai = pytest.importorskip("crewai")
pytestmark = pytest.mark.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).parent / "confirm"))

from crewai.flow.async_feedback import HumanFeedbackPending  # noqa: E402
from crewai.flow.flow import Flow, listen, start  # noqa: E402
from crewai.flow.human_feedback import human_feedback  # noqa: E402
from crewai.flow.persistence import SQLiteFlowPersistence  # noqa: E402
from crewai.tools import BaseTool  # noqa: E402
from server import call, model, say  # noqa: E402

ran: list[str] = []


class Deploy(BaseTool):
    name: str = "deploy"
    description: str = "Deploy a tag."

    def _run(self, tag: str) -> str:
        ran.append(tag)
        return "deployed"


class Elsewhere:
    def request_feedback(self, context: Any, flow: Any) -> str:
        raise HumanFeedbackPending(context=context)


class Review(Flow):
    @start()
    @human_feedback(message="Deploy it?", provider=Elsewhere())
    def propose(self) -> str:
        return f"v1, as {self.state['request']}"

    @listen(propose)
    def carry_out(self, result: Any) -> str:
        return f"the human said {result.feedback}"


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CREWAI_DISABLE_TELEMETRY", "true")
    ran.clear()


def crew(**options: Any) -> Any:
    agent = crewai.Agent(role="Deployer", goal="Deploy", backstory="You.", tools=[Deploy()], llm="gpt-4.1-mini")
    task = crewai.Task(description="{request}", expected_output="What was done", agent=agent)
    return crewai.Crew(agents=[agent], tasks=[task], **options)


def flow(tmp_path: Path) -> Any:
    return Review(persistence=SQLiteFlowPersistence(str(tmp_path / "usual.db")))


def test_accepts_its_own_objects_only(tmp_path: Path) -> None:
    with model(say("")):
        assert adapter.accepts(crew())
    assert adapter.accepts(flow(tmp_path))
    assert not any(adapter.accepts(one) for one in (None, "crew", len, adapter, object()))


def test_a_crew_without_checkpoints_is_run() -> None:
    with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
        target = adapter.target(crew())
        assert target.host is None
        assert target.has["resume"] is False
        assert "checkpoint" in target.cites["resume"]
        assert set(target.tools) == {"deploy"}
        assert target.run("Deploy v1.") == "Done."
        assert any("Deploy v1." in str(body) for body in played.requests)
    assert ran == ["v1"]


def test_a_crew_with_checkpoints_is_a_host(tmp_path: Path) -> None:
    with model(say("Done.")):
        target = adapter.target(crew(checkpoint=True), fresh=lambda: crew(checkpoint=True))
        with pytest.raises(LookupError):
            target.host.resume(tmp_path / "nothing", [])
        assert target.host.launch("Deploy v1.", tmp_path / "store") == Finished("Done.")
        assert list((tmp_path / "store").rglob("*.json"))
        assert target.host.resume(tmp_path / "store", []) == Finished("Done.")


@pytest.mark.parametrize(
    ("answer", "heard"), [(Text("go"), "go"), (Approved(), "approved"), (Denied("frozen"), "rejected: frozen")]
)
def test_a_flow_waits_for_feedback_in_its_store(tmp_path: Path, answer: Any, heard: str) -> None:
    host = adapter.target(flow(tmp_path)).host
    paused = host.launch("ordered", tmp_path)
    assert isinstance(paused, Paused)
    (question,) = paused.questions
    assert "Deploy it?" in question.text
    assert "v1, as ordered" in question.text
    assert host.resume(tmp_path, [HumanAnswered("another", Approved())]) == paused
    assert host.resume(tmp_path, [HumanAnswered(question.id, answer)]) == Finished(f"the human said {heard}")


def test_a_store_without_a_flow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        adapter.target(flow(tmp_path)).host.resume(tmp_path, [])
