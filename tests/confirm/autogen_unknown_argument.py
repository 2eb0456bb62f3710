"""F01-invalid-arguments-are-refused: AutoGen runs a tool with an argument that its schema forbids, and says nothing."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say

ran = []


def deploy(tag: str) -> str:
    """Deploy a tag."""
    ran.append(tag)
    return "deployed"


with model(call("deploy", {"tag": "v1", "dry_run": True}), say("Done.")) as played:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    agent = AssistantAgent("deployer", client, tools=[deploy], max_tool_iterations=5)
    asyncio.run(agent.run(task="Deploy v1, but only try."))
    schema = played.requests[0]["tools"][0]["function"]["parameters"]
    heard = played.requests[1]["messages"][-1]["content"]
print(f"schema: {schema}; called with dry_run; ran for {ran}; the model was told {heard!r}")
sys.exit(0 if ran and schema.get("additionalProperties") is False and "dry_run" not in heard else 1)
