"""F09-repeated-errors-escalate: a call that fails is made again until the bound of the whole run."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model

tried = []


def deploy(tag: str) -> str:
    """Deploy a tag."""
    tried.append(tag)
    raise ConnectionError("unreachable")


with model(call("deploy", {"tag": "v1"})):
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    agent = AssistantAgent("deployer", client, tools=[deploy], max_tool_iterations=20)
    result = asyncio.run(agent.run(task="Deploy v1."))
print(f"the same call failed {len(tried)} times in a row; the run then ended with {result.messages[-1].to_text()!r}")
sys.exit(0 if len(tried) > 3 else 1)
