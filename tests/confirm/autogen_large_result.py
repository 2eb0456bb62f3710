"""F03-large-result-is-bounded: AutoGen's `AssistantAgent` sends a result of 200 kB to the model as it is."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say


def read_log() -> str:
    """Read the log."""
    return "x" * 200_000


with model(call("read_log", {}), say("Done.")) as played:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    agent = AssistantAgent("reader", client, tools=[read_log], max_tool_iterations=5)
    asyncio.run(agent.run(task="What does the log say?"))
    grown = len(played.told(2)) - len(played.told(1))
print(f"a result of 200,000 characters made the next request {grown:,} characters larger")
sys.exit(0 if grown > 20_000 else 1)
