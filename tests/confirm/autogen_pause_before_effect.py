"""F06-pause-before-effect: a run of AutoGen that is left after the choice of a tool never runs that tool.

Loaded again, the agent asks the model anew, with a call in its history that has no result; OpenAI refuses that.
"""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import ToolCallRequestEvent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say

ran = []


def deploy(tag: str) -> str:
    """Deploy a tag."""
    ran.append(tag)
    return "deployed"


def agent() -> AssistantAgent:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    return AssistantAgent("deployer", client, tools=[deploy], max_tool_iterations=5)


async def main() -> None:
    one, another = agent(), agent()
    async for event in one.run_stream(task="Deploy v1."):
        if isinstance(event, ToolCallRequestEvent):
            break
    await another.load_state(await one.save_state())
    await another.run()


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    asyncio.run(main())
    end = played.requests[-1]["messages"][-1]
print(f"the tool ran {len(ran)} times; {len(played.requests)} model requests, the last of which ends with {end}")
sys.exit(0 if not ran and len(played.requests) == 2 and end.get("tool_calls") else 1)
