"""`lab`, `run_agent`, `faults` and `cassette` in the tests of a project, as docs/testing.md has them."""

import re
from pathlib import Path

import pytest

from agentcheck.cassette import Cassette

PAGE = Path(__file__).parents[1] / "docs" / "testing.md"
AGENT = '''
import json

from openai import OpenAI

TAG = {"type": "object", "properties": {"tag": {"type": "string", "description": "a git tag"}}, "required": ["tag"]}
TOOLS = [{"type": "function", "function": {"name": "deploy", "description": "Deploy a tag.", "parameters": TAG}}]


def deploy(tag: str) -> str:
    """Deploy a tag."""
    raise AssertionError("the real tool ran")


def run(task: str) -> str:
    messages = [{"role": "system", "content": "You deploy."}, {"role": "user", "content": task}]
    for _ in range(9):
        reply = OpenAI().chat.completions.create(model="gpt-4.1-mini", messages=messages, tools=TOOLS)
        messages.append(reply.choices[0].message.model_dump(exclude_none=True))
        for call in reply.choices[0].message.tool_calls or ():
            try:
                said = deploy(**json.loads(call.function.arguments))
            except Exception as error:
                said = f"deploy failed: {type(error).__name__}: {error}"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(said)})
        if not reply.choices[0].message.tool_calls:
            return reply.choices[0].message.content
    return "too many steps"
'''
CONFIG = 'target = "my_agent:run"\n'


def blocks(page: str) -> list[str]:
    """The Python code of a page, block by block."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.path.joinpath("my_agent.py").write_text(AGENT)
    pytester.path.joinpath("agentcheck.toml").write_text(CONFIG)
    pytester.makeini("[pytest]\nanyio_mode = auto\n")
    return pytester


def test_the_code_of_the_page_runs_as_it_stands(project: pytest.Pytester) -> None:
    """Each block of the page is a test module of a project with an agent that deploys."""
    for nth, block in enumerate(blocks(PAGE.read_text())):
        project.path.joinpath(f"test_page_{nth}.py").write_text(block)
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-rs")
    assert result.ret == pytest.ExitCode.OK, "\n".join(result.outlines)
    result.stdout.no_fnmatch_line("*SKIPPED*")
    assert sum(result.parseoutcomes().values()) >= 6


def test_without_an_agent_one_sentence_says_how_to_name_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(run_agent):\n    run_agent()\n")
    result = pytester.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*agentcheck: no agent is named: write target = *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_run_that_says_nothing_skips_and_one_that_cannot_be_made_fails(project: pytest.Pytester) -> None:
    project.path.joinpath("my_agent.py").write_text(AGENT.replace('-> str:\n    """Deploy', ':\n    """Deploy'))
    project.makepyfile(
        """
        from agentcheck.testing import call

        def test_undecided(run_agent):
            run_agent(call("deploy", {"tag": "v1"}))

        def test_broken(cassette):
            cassette("missing.jsonl")
        """
    )
    result = project.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1, failed=1)
    result.stdout.fnmatch_lines_random(["*Not testable:*deploy*", "*agentcheck: *missing.jsonl*"])


def test_the_fixtures_cost_nothing_where_they_are_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\n\ndef test_it():\n    assert 'agentcheck' not in sys.modules\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_recording_is_played_to_the_agent(pytester: pytest.Pytester) -> None:
    recording = next((Path(__file__).parents[1] / "cassettes").glob("deploybot_loop-*.jsonl"))
    scenario = Cassette.read(recording).provenance["scenario"]
    pytester.makepyfile(
        f"""
        import pytest
        from agentcheck.testing import open_lab

        @pytest.fixture(scope="session")
        def lab():
            with open_lab("agentcheck.fixtures.deploybot_loop:target") as lab:
                yield lab

        def test_the_recorded_run(cassette):
            scenario = {scenario!r}
            run = cassette({str(recording)!r}, **scenario)
            assert run.requests() and run.of("model_reply")
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
