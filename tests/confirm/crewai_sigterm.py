"""F06-pause-before-effect, F08-run-can-be-interrupted: asked to stop by SIGTERM, a crew calls model and tools on.

With `max_execution_time` an agent runs in a thread of its own, which CrewAI's handler of the signal does not stop.
"""

import os
import signal
import sys
import time

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say

asked: list[int] = []
looked: list[str] = []


@tool
def look() -> str:
    """Look at the tags."""
    looked.append("once")
    if not asked:
        asked.append(len([body for body in played.requests if "messages" in body]))
        os.kill(os.getpid(), signal.SIGTERM)
    return f"v1 at {time.monotonic()}"


with model(call("look", {}), call("look", {}, "2"), call("look", {}, "3"), say("Done.")) as played:
    agent = Agent(
        role="Deployer",
        goal="Deploy",
        backstory="You deploy.",
        tools=[look],
        llm="gpt-4.1-mini",
        max_execution_time=60,
    )
    task = Task(description="Look.", expected_output="What was seen", agent=agent)
    ended = "finished"
    try:
        Crew(agents=[agent], tasks=[task]).kickoff()
    except BaseException as error:
        ended = type(error).__name__
    later = len([body for body in played.requests if "messages" in body]) - asked[0]
print(f"after SIGTERM: {later} more model requests, {len(looked) - 1} more tool calls; kickoff() ended with {ended}")
sys.stdout.flush()
os._exit(0 if later > 1 and len(looked) > 1 else 1)
