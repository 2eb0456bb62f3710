"""F09-repeated-errors-escalate: CrewAI itself stops a call that always fails, but only at the fifth time."""

import sys

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model

tried = []


@tool
def deploy(tag: str) -> str:
    """Deploy a tag."""
    tried.append(tag)
    raise ConnectionError("unreachable")


with model(call("deploy", {"tag": "v1"})) as played:
    agent = Agent(
        role="Deployer", goal="Deploy", backstory="You deploy.", tools=[deploy], llm="gpt-4.1-mini", max_iter=10
    )
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    try:
        result = repr(Crew(agents=[agent], tasks=[task]).kickoff().raw)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"[:200]
print(f"the same call failed {len(tried)} times in a row; the run then ended with {result}")
sys.exit(0 if len(tried) > 3 else 1)
