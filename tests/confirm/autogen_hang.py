"""F09-hang-times-out: AutoGen's `AssistantAgent` waits for a tool that never returns; no option ends that."""

import asyncio
import inspect
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say

SECONDS = 30


async def deploy(tag: str) -> str:
    """Deploy a tag."""
    await asyncio.Event().wait()
    return "deployed"


options = [*inspect.signature(AssistantAgent.__init__).parameters, *inspect.signature(FunctionTool).parameters]
waited = False
with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini", timeout=20)
    agent = AssistantAgent("deployer", client, tools=[deploy], max_tool_iterations=5)
    try:
        asyncio.run(asyncio.wait_for(agent.run(task="Deploy v1."), SECONDS))
    except TimeoutError:
        waited = True
about = [name for name in options if "timeout" in name or "seconds" in name]
print(f"after {SECONDS} s still waiting: {waited}; {len(played.requests)} model request(s); options for it: {about}")
sys.exit(0 if waited and len(played.requests) == 1 and not about else 1)
