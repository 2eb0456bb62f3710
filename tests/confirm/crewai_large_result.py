"""F03-large-result-is-bounded: CrewAI sends a result of 200 kB to the model as it is."""

import sys

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say


@tool
def read_log() -> str:
    """Read the log."""
    return "x" * 200_000


with model(call("read_log", {}), say("Done.")) as played:
    agent = Agent(role="Reader", goal="Read", backstory="You read.", tools=[read_log], llm="gpt-4.1-mini")
    task = Task(description="What does the log say?", expected_output="What it says", agent=agent)
    Crew(agents=[agent], tasks=[task]).kickoff()
    sizes = [len(str(body)) for body in played.requests if "messages" in body]
print(f"a result of 200,000 characters made the next request {sizes[1] - sizes[0]:,} characters larger")
sys.exit(0 if sizes[1] - sizes[0] > 20_000 else 1)
