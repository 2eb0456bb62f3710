"""F09-error-is-compact: AutoGen's `AssistantAgent` tells the model an error of any length."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say


def deploy(tag: str) -> str:
    """Deploy a tag."""
    raise RuntimeError("no space left on device; " * 200)


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    asyncio.run(AssistantAgent("deployer", client, tools=[deploy], max_tool_iterations=5).run(task="Deploy v1."))
    heard = played.requests[1]["messages"][-1]["content"]
print(f"an error of 5,000 characters is told to the model in {len(heard):,}")
sys.exit(0 if len(heard) > 500 else 1)
