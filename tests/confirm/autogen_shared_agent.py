"""F12-instances-hold-no-state, F03-sessions-do-not-leak: two runs of one agent at once read each other.

Its documentation says that an agent must not be shared; a fresh one for each run is not concerned.
"""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say


async def look() -> str:
    """Look; meanwhile another request comes in."""
    await agent.run(task="The other customer's number is 4711.")
    return "seen"


with model(call("look", {}), say("Noted."), say("Done.")) as played:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    agent = AssistantAgent("clerk", client, tools=[look], max_tool_iterations=5)
    asyncio.run(agent.run(task="Look."))
    last = played.told(len(played.requests))
print(f"the last request of the first run: {last}")
sys.exit(0 if "4711" in last else 1)
