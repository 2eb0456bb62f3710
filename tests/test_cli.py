"""The command line: what each verb says, and one sentence with exit status 2 for every user error."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from agentcheck import catalog
from agentcheck.check import Check, Severity
from agentcheck.cli import VERBS, doctor, main
from agentcheck.finding import Finding, HarnessError, Outcome
from agentcheck.messages import Message, Request, ToolCall
from agentcheck.trace import Trace


def judge(lab: object) -> None:
    """Every character of an error is paid for again at each later turn.

    And the model loses sight of the rest.
    """


def made(id: str, severity: Severity = Severity.MUST, kinds: str = "RC") -> Check:
    return Check(id, severity, kinds, f"{id} holds", f"{id} is broken", "keep the first line", "a tool failed", judge)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [
        made("F01-call-matches"),
        made("F09-error-is-compact", kinds="RCHW"),
        made("F09-error-is-named", Severity.SHOULD),
    ]
    monkeypatch.setattr(catalog, "load_all", lambda: checks)


def test_without_a_verb_the_help_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"    {verb}" in shown for verb in VERBS)


def test_list_groups_by_factor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == " 1  Natural language to tool calls"
    assert lines[1].strip().startswith("https://github.com/humanlayer/12-factor-agents/")
    assert "    MUST   RCHW  F09-error-is-compact" in lines
    assert "    SHOULD RC--  F09-error-is-named" in lines
    assert lines[-2].startswith("3 checks, judged on: R reducer, C callable, ")
    assert max(map(len, lines[2:])) <= 120


def test_list_as_json_for_one_factor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json", "--factor", "9"]) == 0
    assert [(c["id"], c["severity"], c["kinds"]) for c in json.loads(capsys.readouterr().out)] == [
        ("F09-error-is-compact", "MUST", "RCHW"),
        ("F09-error-is-named", "SHOULD", "RC"),
    ]


def test_explain_says_what_why_how_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "F09-error-is-compact"]) == 0
    shown = capsys.readouterr().out
    for part in ("holds", "is broken", "keep the first line", "a tool failed", "paid for again", "loses sight"):
        assert part in shown
    assert "reducer, callable, host, recording" in " ".join(shown.split())
    assert "factor-09-compact-errors.md" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "http" not in line)


def test_show_tells_the_story_and_the_exact_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = Trace(tmp_path / "run.jsonl")
    asked = Request("openai-chat", (Message("user", "deploy"), Message("assistant", calls=(ToolCall("deploy"),))))
    trace.append("model_request", request=asked)
    trace.close()
    assert main(["show", str(tmp_path / "run.jsonl")]) == 0
    assert "deploy" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "run.jsonl"), "--call", "1"]) == 0
    assert [m["role"] for m in json.loads(capsys.readouterr().out)] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["explain", "F09-error-is-compct"], "no check 'F09-error-is-compct' (did you mean 'F09-error-is-compact'?)"),
        (["explain", "f09"], "no check 'f09' (it begins F09-error-is-compact, F09-error-is-named); `agentcheck list`"),
        (["show", "nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file or directory"),
        (["show", "broken.jsonl"], "broken.jsonl:1 is not a trace event: expected an object of seq, time, run, "),
        (["show", "binary.jsonl"], "binary.jsonl:1 is not a trace event: it is not text; traces lie in reports/"),
        (["show", "cut.jsonl"], "cut.jsonl:1 is not a trace event: it is not JSON, or was cut off; traces lie in"),
        (["show", "empty.jsonl", "--call", "3"], "empty.jsonl: there is no model call 3"),
        (["init", "nowhere"], "nowhere is not a folder"),
        (["init"], "no agent found in "),
        (["doctor"], "no agent named: give --target package.module:object"),
        (["doctor", "--target", "agent"], 'the command line: target must be text like "package.module:object"'),
    ],
)
def test_a_user_error_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.jsonl").write_text("{}\n")
    Path("binary.jsonl").write_bytes(b"\xff\xc9\n")
    Path("cut.jsonl").write_text('{"seq": 0, "ti')
    Path("empty.jsonl").write_text("")
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"agentcheck: {sentence}")
    assert shown.err.count("\n") == 1
    assert not shown.out


# --- init ------------------------------------------------------------------------------------

LOOP = """
    from openai import OpenAI
    client = OpenAI()
    def ask(messages):
        return client.chat.completions.create(model="x", messages=messages)
    def run(task):
        while True:
            reply = ask([task])
            if not reply.calls:
                return reply.text
    def main():
        print(run(input()))
"""
HTTP = """
    import httpx
    def answer(question, *, retries=3):
        for _ in range(9):
            reply = httpx.post("http://llm.internal/v1/chat/completions", json={})
"""
SHARED = """
    from .llm import ask
    from . import ops
    TOOLS = {"deploy_backend": ops.deploy}
    SCHEMAS = [{"type": "function", "function": {"name": "list_git_tags", "parameters": {}}}]
    async def handle(event):
        while True:
            await ask([event])
"""
METHOD = """
    class Agent:
        def run(self, task):
            while True:
                self.step(task)
        def step(self, task):
            self.client.messages.create(messages=[task])
"""
HOST = "class Bot:\n    def launch(self, trigger, store): ...\n    def resume(self, store, answers): ...\n"
PYDANTIC_AI = """
    from pydantic_ai import Agent
    agent = Agent("openai:gpt")
    def run(task):
        return agent.run_sync(task).output
"""


@pytest.mark.parametrize(
    ("files", "target"),
    [
        ({"bot.py": LOOP}, "bot:run"),
        ({"bot.py": HTTP}, "bot:answer"),
        ({"bot.py": METHOD + "\n    agent = Agent()\n"}, "bot:agent.run"),
        ({"bot.py": HOST + "host = Bot()\n", "loop.py": LOOP}, "bot:host"),
        ({"bot.py": PYDANTIC_AI}, "bot:run"),
        ({"bot.py": "from agentcheck import Target\nbot = Target(run=print)\n", "loop.py": LOOP}, "bot:bot"),
        (
            {"tests/test_bot.py": LOOP, ".venv/x.py": LOOP, "env/pyvenv.cfg": "", "env/x.py": LOOP, "y.py": HTTP},
            "y:answer",
        ),
        ({"src/pkg/__init__.py": "", "src/pkg/llm.py": LOOP, "broken.py": "def :"}, "pkg.llm:run"),
    ],
)
def test_init_finds_the_agent(files: dict[str, str], target: str, tmp_path: Path) -> None:
    for name, text in files.items():
        tmp_path.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(name).write_text(dedent(text))
    assert main(["init", str(tmp_path)]) == 0
    assert configured(tmp_path).target == target


def test_init_binds_tools_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = tmp_path / "src" / "bot"
    package.mkdir(parents=True)
    for name, text in {"__init__": "", "llm": LOOP, "agent": SHARED}.items():
        package.joinpath(f"{name}.py").write_text(dedent(text))
    package.joinpath("ops.py").write_text(
        "def deploy(tag): ...\ndef list_git_tags(): ...\nraise SystemExit('never run')\n"
    )
    assert main(["init", str(tmp_path)]) == 0
    found = configured(tmp_path)
    assert found.target == "bot.agent:handle"
    assert found.tools == {"deploy_backend": "bot.ops:deploy", "list_git_tags": "bot.ops:list_git_tags"}
    assert (
        "because src/bot/agent.py:6 calls ask, which calls client.chat.completions.create in a loop"
        in capsys.readouterr().out
    )


def test_init_says_what_keeps_a_method_from_being_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.joinpath("bot.py").write_text(dedent(METHOD))
    assert main(["init", str(tmp_path)]) == 2
    assert "make an instance of Agent at module level" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["agentcheck.toml", "pyproject.toml"])
def test_init_overwrites_nothing(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.joinpath("bot.py").write_text(dedent(LOOP))
    tmp_path.joinpath(file).write_text("[tool.agentcheck]\n")
    assert main(["init", str(tmp_path)]) == 2
    assert "left as it is" in capsys.readouterr().err
    assert tmp_path.joinpath(file).read_text() == "[tool.agentcheck]\n"
    assert len(list(tmp_path.iterdir())) == 2


def configured(folder: Path) -> Any:
    from agentcheck.config import load

    return load(folder)


# --- doctor ----------------------------------------------------------------------------------


class FakeLab:
    def describe(self) -> dict[str, Any]:
        return {"name": "bot", "kind": "C", "framework": None}

    def judge(self, check: Check) -> Finding:
        outcome = Outcome("pass" if check.factor == 1 else "untestable")
        return Finding(
            check.id, outcome, mend='[tool.agentcheck.tools]\ndeploy = "ops:deploy"' if check.factor == 9 else ""
        )

    def close(self) -> None:
        """Nothing was started."""


def test_doctor_groups_by_what_would_decide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "make_lab", lambda config, **_: FakeLab())
    assert main(["doctor", "--target", "bot:run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("bot (callable), checks:\n    1 decided\n")
    assert "Would decide 2:" in shown
    assert "for F09-error-is-compact, F09-error-is-named" in " ".join(shown.split())
    assert '    [tool.agentcheck.tools]\n    deploy = "ops:deploy"' in shown


def test_doctor_hands_on_what_keeps_the_target_from_starting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(config: object, **_: object) -> FakeLab:
        raise HarnessError("bot:run cannot be imported: No module named 'bot'")

    monkeypatch.setattr(doctor, "make_lab", broken)
    assert main(["doctor", "--target", "bot:run"]) == 2
    assert capsys.readouterr().err == "agentcheck: bot:run cannot be imported: No module named 'bot'\n"
