"""F01-invalid-arguments-are-refused: CrewAI runs a tool with an argument that its schema forbids, and says nothing."""

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


with model(call("deploy", {"tag": "v1", "dry_run": True}), say("Done.")) as played:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", tools=[deploy], llm="gpt-4.1-mini")
    task = Task(description="Deploy v1, but only try.", expected_output="What was done", agent=agent)
    Crew(agents=[agent], tasks=[task]).kickoff()
    asked = [body for body in played.requests if "messages" in body]
    schema = asked[0]["tools"][0]["function"]["parameters"]
    heard = asked[1]["messages"][-1]["content"]
print(f"schema: {schema}; called with dry_run; ran for {ran}; the model was told {heard!r}")
sys.exit(0 if ran and schema.get("additionalProperties") is False and "dry_run" not in heard else 1)
