"""F09-hang-times-out: a crew as it comes waits for a tool that never returns."""

import os
import sys
import threading

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say

SECONDS = 30


@tool
def deploy(tag: str) -> str:
    """Deploy a tag."""
    threading.Event().wait()
    return "deployed"


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", tools=[deploy], llm="gpt-4.1-mini")
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    run = threading.Thread(target=Crew(agents=[agent], tasks=[task]).kickoff, daemon=True)
    run.start()
    run.join(SECONDS)
    waits, asked = run.is_alive(), sum("messages" in body for body in played.requests)
print(f"after {SECONDS} s still waiting: {waits}; {asked} model request(s)")
sys.stdout.flush()
os._exit(0 if waits and asked == 1 else 1)  # the tool's thread never ends
