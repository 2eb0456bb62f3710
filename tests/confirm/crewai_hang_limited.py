"""F09-hang-times-out: CrewAI's `max_execution_time` does not end an agent whose tool never returns."""

import os
import sys
import threading

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say

LIMIT, SECONDS = 5, 30


@tool
def deploy(tag: str) -> str:
    """Deploy a tag."""
    threading.Event().wait()
    return "deployed"


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    agent = Agent(
        role="Deployer",
        goal="Deploy",
        backstory="You deploy.",
        tools=[deploy],
        llm="gpt-4.1-mini",
        max_execution_time=LIMIT,
        max_retry_limit=0,
    )
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    run = threading.Thread(target=Crew(agents=[agent], tasks=[task]).kickoff, daemon=True)
    run.start()
    run.join(SECONDS)
    waits = run.is_alive()
print(f"max_execution_time={LIMIT}: after {SECONDS} s still waiting: {waits}")
sys.stdout.flush()
os._exit(0 if waits else 1)  # the tool's thread never ends
