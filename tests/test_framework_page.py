"""The examples of docs/frameworks.md, in the environment of each framework; skipped where it is not installed."""

import re
from pathlib import Path

import pytest
from environments import installed

PAGE = (Path(__file__).parents[1] / "docs" / "frameworks.md").read_text(encoding="utf-8")
PACKAGES = {
    "LangChain and LangGraph": "langchain",
    "OpenAI Agents SDK": "openai-agents",
    "Pydantic AI": "pydantic-ai-slim",
    "CrewAI": "crewai",
    "AutoGen": "autogen-agentchat",
    "smolagents": "smolagents",
}


def files(text: str) -> dict[str, str]:
    """The files that code blocks begin with the names of."""
    return dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, re.DOTALL))


@pytest.mark.parametrize("heading", PACKAGES)
def test_the_example_of_a_framework_runs(pytester: pytest.Pytester, heading: str) -> None:
    if not installed(PACKAGES[heading]):
        pytest.skip(f"{PACKAGES[heading]} is not installed here: make frameworks makes an environment that has it")
    shared, *sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    section = next(text for text in sections if text.startswith(f"{heading}\n"))
    for name, text in {**files(shared), **files(section)}.items():
        pytester.path.joinpath(name).write_text(text)
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs").assert_outcomes(passed=2)


def test_every_framework_with_a_lock_has_a_section() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    locks = sorted((Path(__file__).parents[1] / "tools" / "locks").glob("*.lock"))
    assert headings == list(PACKAGES)
    assert len(locks) == len(headings)
