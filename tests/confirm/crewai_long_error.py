"""F09-error-is-compact: CrewAI tells the model an error of any length."""

import sys

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say


@tool
def deploy(tag: str) -> str:
    """Deploy a tag."""
    raise RuntimeError("no space left on device; " * 200)


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", tools=[deploy], llm="gpt-4.1-mini")
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    Crew(agents=[agent], tasks=[task]).kickoff()
    heard = [body for body in played.requests if "messages" in body][1]["messages"][-1]["content"]
print(f"an error of 5,000 characters is told to the model in {len(heard):,}")
sys.exit(0 if len(heard) > 500 else 1)
