"""F12-instances-hold-no-state: a crew that is at work turns a second request away; it serves one at a time.

CrewAI's documentation makes a crew for each request; a fresh one for each run is not concerned.
"""

import sys
import threading

from crewai import Agent, Crew, Task
from crewai.tools import tool
from server import call, model, say

inside, over = threading.Event(), threading.Event()


@tool
def look() -> str:
    """Look."""
    inside.set()
    over.wait(60)
    return "seen"


with model(call("look", {}), say("Done.")) as played:
    one = Agent(role="Clerk", goal="Look", backstory="You look.", tools=[look], llm="gpt-4.1-mini")
    task = Task(description="{request}", expected_output="What you saw", agent=one)
    crew = Crew(agents=[one], tasks=[task])
    first = threading.Thread(target=crew.kickoff, kwargs={"inputs": {"request": "Look for order 12."}})
    first.start()
    inside.wait(60)
    try:
        crew.kickoff(inputs={"request": "Look for order 13."})
        said = "came to its end"
    except Exception as error:
        said = f"raised {type(error).__name__}: {str(error)[:200]}"
    over.set()
    first.join(60)
print(f"while the first request was at work, the second {said}")
sys.exit(0 if said.startswith("raised") else 1)
