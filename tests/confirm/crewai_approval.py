"""F07-approval-gates-effect: a crew as it comes runs a tool at once; nobody is asked. Only a hook can change that."""

import sys

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say

ran = []


@tool
def deploy(tag: str) -> str:
    """Deploy a tag."""
    ran.append(tag)
    return "deployed"


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", tools=[deploy], llm="gpt-4.1-mini")
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    Crew(agents=[agent], tasks=[task]).kickoff()
print(f"deployed {ran}, and nobody was asked")
sys.exit(0 if ran else 1)
