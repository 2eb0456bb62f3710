"""F12-instances-hold-no-state, F03-sessions-do-not-leak: two runs of one agent at the same time share its memory.

smolagents' own examples make an agent for each request; a fresh one for each run is not concerned.
"""

import sys

from server import call, model
from smolagents import OpenAIModel, ToolCallingAgent, tool


@tool
def look() -> str:
    """Look; meanwhile another request comes in."""
    agent.run("The other customer's number is 4711.")
    return "seen"


over = call("final_answer", {"answer": "Done."}, "call_2")
with model(call("look", {}), over, over) as played:
    agent = ToolCallingAgent([look], OpenAIModel("gpt-4.1-mini"), verbosity_level=0)
    agent.run("Look for order 12.")
    last = played.told(len(played.requests))
print(f"in the last request of the first run: its own task {'order 12' in last}, the other one's {'4711' in last}")
sys.exit(0 if "4711" in last and "order 12" not in last else 1)
