"""The adapter kit: the documented example passes the conformance suite, and one that promises too much does not."""

import shutil
from pathlib import Path

import pytest

from agentcheck.adapter import Ability, does_nothing_but, needs
from agentcheck.config import load
from agentcheck.finding import HarnessError
from agentcheck.lab import Lab
from agentcheck.testing import adapter_conformance
from agentcheck.testing.conformance import Subject

EXAMPLE = Path(__file__).parents[1] / "docs" / "example"
AGENT = '''
from tinyagents import Agent

def list_tags() -> list[str]:
    """The tags, the newest first."""
    raise AssertionError("the real tool ran")

def deploy(tag: str) -> str:
    """Deploy a tag."""
    raise AssertionError("the real tool ran")

agent = Agent("You deploy what you are asked to.", tools=[list_tags, deploy], ask_first={"deploy"})
careless = Agent("You deploy what you are asked to.", tools=[list_tags, deploy])
'''
JOB = {
    "human": [],
    "high_stakes": ["deploy"],
    "scenario": {
        "trigger": "Deploy v2.",
        "model": [{"call": "list_tags"}, {"call": "deploy", "arguments": {"tag": "v2"}}, {"finish": "Done."}],
        "tools": {"list_tags": {"returns": [["v2", "v1"]]}, "deploy": {"returns": ["queued"]}},
    },
}


def project(folder: Path, *, adapter: str = "tinyagents_adapter:TinyAgents") -> Path:
    """A project with the framework, its adapter, and a distribution that registers it."""
    for file in EXAMPLE.glob("*.py"):
        shutil.copy(file, folder)
    (folder / "my_agents.py").write_text(AGENT)
    info = folder / "tinyagents-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tinyagents\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[agentcheck.adapters]\ntinyagents = {adapter}\n")
    return folder


TestExample = adapter_conformance("my_agents:agent", **JOB)


@pytest.fixture(autouse=True, scope="module")
def _in_project(tmp_path_factory: pytest.TempPathFactory) -> "pytest.MonkeyPatch":
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(project(tmp_path_factory.mktemp("tiny")))
        yield patched


def lab_of(folder: Path, target: str) -> Lab:
    return Lab(load(folder, target=target, **JOB), rootdir=folder, reports=folder / "reports")


def test_the_report_names_the_framework_and_its_version() -> None:
    with lab_of(Path.cwd(), "my_agents:agent") as lab:
        assert lab.describe()["framework"] == "tinyagents 1.0"
        assert lab.kinds == "H"


def test_an_ability_that_is_declared_and_not_kept_is_named() -> None:
    """The careless agent approves nothing; an adapter that says it does is refuted."""
    with lab_of(Path.cwd(), "my_agents:careless") as lab:
        subject = Subject(lab)
        assert subject.declared[Ability.APPROVALS] is False
        lab.target = lab.target.having(has={**lab.target.has, "approvals": True})
        suite = adapter_conformance("my_agents:careless", **JOB)()
        with pytest.raises(
            AssertionError, match=r"approvals is declared, and F07-approval-gates-effect says: deploy ran"
        ):
            suite.test_an_ability_is_kept_where_it_is_declared(Subject(lab), Ability.APPROVALS)


@pytest.mark.parametrize(
    ("adapter", "sentence"),
    [
        ("tinyagents_adapter:Missing", "the adapter 'tinyagents' .tinyagents_adapter:Missing. does not load"),
        ("tinyagents_adapter:save", "the adapter 'tinyagents' .tinyagents_adapter:save. is none"),
    ],
)
def test_a_bad_registration_is_one_sentence(tmp_path: Path, adapter: str, sentence: str) -> None:
    folder = project(tmp_path, adapter=adapter)
    with pytest.raises(HarnessError, match=sentence):
        lab_of(folder, "my_agents:agent")


def test_without_its_adapter_the_object_is_nothing_that_can_be_run(tmp_path: Path) -> None:
    folder = project(tmp_path)
    shutil.rmtree(folder / "tinyagents-1.0.dist-info")
    with pytest.raises(HarnessError, match=r"my_agents:agent is an Agent, which cannot be run.*an adapter"):
        lab_of(folder, "my_agents:agent")


def test_what_an_adapter_needs_is_named_with_the_command_that_installs_it() -> None:
    needs("json", "langgraph")
    for module in ("no_such_package", "no_such_package.inside"):
        with pytest.raises(ImportError, match=rf"{module} is not installed: pip install .pytest-agentcheck.langgraph"):
            needs(module, "langgraph")


def interrupt(question):
    raise NotImplementedError


def asks_only(question):
    """Ask."""
    return {"said": str(interrupt({"question": question}))}


def asks_and_acts(question):
    if interrupt(question) == "yes":
        shutil.rmtree("everything")


def acts_by_import():
    import antigravity

    return interrupt(antigravity)


def test_a_body_that_only_asks_is_told_from_one_that_acts_too() -> None:
    assert does_nothing_but(asks_only, "interrupt")
    assert not does_nothing_but(asks_only, "another")
    for acting in (asks_and_acts, acts_by_import, print, eval("lambda: interrupt(1)")):
        assert not does_nothing_but(acting, "interrupt")


def test_what_a_user_adds_of_a_tool_leaves_where_its_adapter_found_it(tmp_path: Path) -> None:
    folder = project(tmp_path)
    config = load(folder, target="my_agents:careless", human=[], tools={"deploy": {"returns": "queued"}})
    with Lab(config, rootdir=folder, reports=folder / "reports") as lab:
        run = lab.run(lab.call("deploy", {"tag": "v2"}))
        assert (lab.target.binding("deploy").returns, run.reach("tool_returned")["value"]) == ("queued", "queued")
        assert lab.target.binding("deploy").bind == "deploy"
