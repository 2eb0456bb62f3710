"""F09-error-holds-no-secret: what an error says, a password among it, is sent to the model as it is."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say

PASSWORD = "correct-horse-battery"


def deploy(tag: str) -> str:
    """Deploy a tag."""
    raise ConnectionError(f"cannot reach postgres://deployer:{PASSWORD}@db/")


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    asyncio.run(AssistantAgent("deployer", client, tools=[deploy], max_tool_iterations=5).run(task="Deploy v1."))
    heard = played.requests[1]["messages"][-1]["content"]
print(f"the model is told: {heard}")
sys.exit(0 if PASSWORD in heard else 1)
