"""F07-approval-gates-effect: AutoGen's `AssistantAgent` runs a tool at once; it has nothing that makes it wait.

https://github.com/microsoft/autogen/issues/4894, which is open, says so too.
"""

import asyncio
import inspect
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say

ran = []


def deploy(tag: str) -> str:
    """Deploy a tag."""
    ran.append(tag)
    return "deployed"


options = [*inspect.signature(AssistantAgent.__init__).parameters, *inspect.signature(FunctionTool).parameters]
with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    handoffs = [Handoff(target="user")]
    agent = AssistantAgent("deployer", client, tools=[deploy], handoffs=handoffs, max_tool_iterations=5)
    asyncio.run(agent.run(task="Deploy v1."))
about = [name for name in options if "approv" in name or "confirm" in name]
print(f"deployed {ran} and nobody was asked; options about approval: {about}")
sys.exit(0 if ran and not about else 1)
