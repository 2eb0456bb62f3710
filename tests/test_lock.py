"""agentcheck.lock: written whole, read with suspicion, compared in sentences."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from agentcheck import lock
from agentcheck.cli import main
from agentcheck.lab import Lab
from agentcheck.lock import Entry, LockError

OLD = Entry("prompt", "system", "You are", 20, "a" * 64)
NEW = Entry("prompt", "system", "You are", 21, "b" * 64)
TOOL = Entry("tool", "deploy", "", 80, "c" * 64)
AGENT = """
from openai import OpenAI

client = OpenAI()
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}]


def run(task: str) -> str:
    ms = [{"role": "system", "content": "You tell the weather."}, {"role": "user", "content": f"The task: {task}"}]
    return client.chat.completions.create(model="m", messages=ms, tools=TOOLS).choices[0].message.content or ""
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_agent.py").write_text(AGENT, encoding="utf-8")
    (tmp_path / "agentcheck.toml").write_text('target = "my_agent:run"\nname = "weather"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_is_read_again_kind_by_kind(tmp_path: Path) -> None:
    held = {"bot": {"R": frozenset([OLD, TOOL]), "H": frozenset([OLD])}, "other": {"C": frozenset([NEW])}}
    path = tmp_path / lock.FILE
    lock.write(path, held)
    assert lock.read(path) == held
    assert [p.name for p in tmp_path.iterdir()] == [lock.FILE]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not of the format"),
        ('{"format": "agentcheck/lock/9"}', "is not of the format"),
        ('{"format": "agentcheck/lock/1"}', "has an entry that is none"),
        ('{"format": "agentcheck/lock/1", "targets": {"a": [{"what": 1}]}}', "has an entry that is none"),
    ],
)
def test_a_spoiled_lock_is_one_sentence_with_its_mend(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / lock.FILE
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LockError, match=said) as raised:
        lock.read(path)
    assert "agentcheck lock" in str(raised.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="cannot be written"):
        lock.write(tmp_path / "missing" / lock.FILE, {})


def test_changes_are_told_as_changed_new_and_gone() -> None:
    changed, gone = lock.changes(frozenset([OLD, TOOL]), frozenset([NEW]))
    assert "is not the reviewed one" in changed
    assert gone == "the tool deploy (80 characters) is gone"
    assert lock.changes(frozenset(), frozenset([TOOL])) == ["the tool deploy (80 characters) is new"]
    assert lock.changes(frozenset([OLD]), frozenset([OLD])) == []


def test_prompts_and_tools_are_locked_and_a_changed_trigger_changes_nothing(project: Path) -> None:
    def sent(trigger: str) -> frozenset[Entry]:
        declared = {"scenario": {"trigger": trigger}}
        config = SimpleNamespace(target="my_agent:run", declarations=lambda: declared)
        with Lab(config, rootdir=project, reports=project / "reports") as lab:
            return lock.entries(lab)

    first = sent("Will it rain in Oslo tomorrow?")
    assert sorted((e.what, e.name, e.begins) for e in first) == [
        ("prompt", "system", "You tell the weather."),
        ("prompt", "user", "The task: ‹trigger›"),
        ("tool", "look", ""),
    ]
    assert sent("Is there snow in Rome today?") == first


def test_the_verb_writes_then_agrees_then_names_what_has_changed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock"]) == 0
    assert list(json.loads((project / lock.FILE).read_text(encoding="utf-8"))["targets"]) == ["weather"]
    assert main(["lock", "--check"]) == 0
    agent = project / "my_agent.py"
    agent.write_text(AGENT.replace("You tell the weather.", "You tell the weather well."), encoding="utf-8")
    capsys.readouterr()
    before = (project / lock.FILE).read_bytes()
    assert main(["lock", "--check"]) == 1
    assert "is not the reviewed one" in capsys.readouterr().out
    assert (project / lock.FILE).read_bytes() == before


def test_the_verb_keeps_what_is_locked_of_others(project: Path) -> None:
    lock.write(project / lock.FILE, {"another": {"C": frozenset([TOOL])}})
    assert main(["lock"]) == 0
    assert sorted(lock.read(project / lock.FILE)) == ["another", "weather"]


def test_the_verb_refuses_a_spoiled_lock(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / lock.FILE).write_text("{", encoding="utf-8")
    assert main(["lock"]) == 2
    assert "is not JSON" in capsys.readouterr().err
    assert (project / lock.FILE).read_text(encoding="utf-8") == "{"


@pytest.mark.parametrize("target", ["target", "callable_target"])
def test_the_lock_of_deploybot_is_in_step(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(lock.__file__).parents[2] / "fixtures" / "deploybot" / lock.FILE
    status = main(["lock", "--check", "--target", f"agentcheck.fixtures.deploybot:{target}", "--file", str(path)])
    assert status == 0, capsys.readouterr().out
