"""The first five minutes of somebody who has never heard of agentcheck: real sessions of the `pytest` command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from agents import MODEL

README = Path(__file__).parents[1] / "README.md"
PYTEST = Path(sys.executable).with_name("pytest")


def session(folder: Path, *options: str) -> tuple[int, str, dict[str, str]]:
    """A session in this folder: exit status, what was printed, outcome per check."""
    command = [str(PYTEST), "-p", "no:cacheprovider", "--agentcheck", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    reports = list(folder.glob("reports/*/agentcheck.json"))
    findings = json.loads(reports[0].read_text())["findings"] if reports else []
    return done.returncode, done.stdout + done.stderr, {f["check"]: f["outcome"] for f in findings}


def test_the_agent_of_the_readme_fails_as_the_readme_says(tmp_path):
    code = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "my_agent.py").write_text(code)
    wanted = ["F08-loop-is-bounded", "F09-error-reaches-model", "F01-call-matches-schema"]
    options = [part for id in wanted for part in ("--agentcheck-check", id)]
    status, text, found = session(tmp_path, "--agentcheck-target", "my_agent:run", *options)
    assert found == {
        "F08-loop-is-bounded": "fail",
        "F09-error-reaches-model": "fail",
        "F01-call-matches-schema": "pass",
    }, text
    assert status == 1
    ours = text[text.index("-- agentcheck") : text.index("short test summary")]
    assert max(map(len, ours.splitlines())) <= 80


@pytest.mark.parametrize("folder", [".", "src"])
def test_the_agent_is_found_in_rootdir_and_in_src(tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "my_agent.py").write_text(MODEL + "run = loop\n")
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    options = ["--agentcheck-target", "my_agent:run", "--agentcheck-check", "F03-tool-result-reaches-model"]
    status, text, found = session(tmp_path, *options)
    assert found == {"F03-tool-result-reaches-model": "pass"}, text
    assert status == 0
    assert "2 passed" in text


def test_an_agent_that_does_nothing_is_verified_on_no_factor(tmp_path):
    (tmp_path / "my_agent.py").write_text("def run(task): return 'all done'\n")
    status, text, found = session(tmp_path, "--agentcheck-target", "my_agent:run")
    report = json.loads(next(tmp_path.glob("reports/*/agentcheck.json")).read_text())
    assert status != 0, text
    assert {f["status"] for f in report["factors"]} <= {"unproven", "not_applicable"}
    assert set(found.values()) <= {"untestable", "not_applicable"}
    assert report["level"]["number"] == 0


def test_an_async_agent_that_is_never_awaited_is_an_error(tmp_path):
    code = MODEL + "async def work(task): return loop(task)\ndef run(task):\n    work(task)\n    return 'done'\n"
    (tmp_path / "my_agent.py").write_text(code)
    status, text, found = session(tmp_path, "--agentcheck-target", "my_agent:run")
    assert status != 0
    assert "pass" not in found.values()
    assert "never awaits" in " ".join(text.split())


def test_a_broken_test_of_the_user_is_told_from_the_checks(tmp_path):
    (tmp_path / "my_agent.py").write_text(MODEL + "run = loop\n")
    (tmp_path / "test_own.py").write_text("import no_such_module\n")
    status, text, _ = session(tmp_path, "--agentcheck-target", "my_agent:run")
    assert status == 2
    assert "--agentcheck-only" in text


def test_shards_of_xdist_give_the_same_findings(tmp_path):
    (tmp_path / "my_agent.py").write_text(MODEL + "run = loop\n")
    options = ["--agentcheck-only", "--agentcheck-target", "my_agent:run", "--agentcheck-factor", "9"]
    _, _, alone = session(tmp_path, *options)
    _, text, shared = session(tmp_path, *options, "-n", "2")
    assert shared == alone, text
    assert "fail" in alone.values()
