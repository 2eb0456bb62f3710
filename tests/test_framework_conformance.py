"""Each adapter passes the suite that adapters run on themselves, in the environment that has its framework."""

from environments import installed

from agentcheck.testing import adapter_conformance

AGENTS = {
    "autogen-agentchat": ("autogen_as_it_comes", "autogen_hardened"),
    "crewai": ("crewai_as_it_comes", "crewai_hardened"),
    "langchain": ("langgraph_as_it_comes", "langgraph_hardened"),
    "openai-agents": ("openai_agents_as_it_comes", "openai_agents_hardened"),
    "pydantic-ai-slim": ("pydantic_ai_as_it_comes", "pydantic_ai_hardened"),
    "smolagents": ("smolagents_as_it_comes", "smolagents_hardened"),
}


for package, agents in AGENTS.items():
    for agent in agents if installed(package) else ():
        name = f"Test_{agent}"
        globals()[name] = adapter_conformance(f"agentcheck.fixtures.frameworks.{agent}:target")
        globals()[name].__name__ = name


def test_every_reference_agent_is_among_them() -> None:
    from tools.frameworks import AGENTS as FOLDER

    found = {path.stem for path in FOLDER.glob("*_as_it_comes.py")} | {p.stem for p in FOLDER.glob("*_hardened.py")}
    assert found == {agent for several in AGENTS.values() for agent in several}
