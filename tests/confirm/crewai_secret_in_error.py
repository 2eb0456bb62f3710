"""F09-error-holds-no-secret: what an error says, a password among it, is sent to the model as it is."""

import sys

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say

PASSWORD = "correct-horse-battery"


@tool
def deploy(tag: str) -> str:
    """Deploy a tag."""
    raise ConnectionError(f"cannot reach postgres://deployer:{PASSWORD}@db/")


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", tools=[deploy], llm="gpt-4.1-mini")
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    Crew(agents=[agent], tasks=[task]).kickoff()
    heard = [body for body in played.requests if "messages" in body][1]["messages"][-1]["content"]
print(f"the model is told: {heard}")
sys.exit(0 if PASSWORD in heard else 1)
