"""F06-resume-is-consumed-once: one answer to one saved question, delivered twice at once, deploys twice."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.messages import HandoffMessage
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say

ran = []


def deploy(tag: str) -> str:
    """Deploy a tag."""
    ran.append(tag)
    return "deployed"


def agent() -> AssistantAgent:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    handoffs = [Handoff(target="user")]
    return AssistantAgent("deployer", client, tools=[deploy], handoffs=handoffs, max_tool_iterations=2)


async def answered(state: dict) -> None:
    one = agent()
    await one.load_state(state)
    await one.run(task=HandoffMessage(source="user", target="deployer", content="yes"))


async def main() -> None:
    asking = agent()
    await asking.run(task="Deploy v1, but ask me before.")
    state = await asking.save_state()
    await asyncio.gather(answered(state), answered(state))


deploying = call("deploy", {"tag": "v1"}, "call_2")
with model(call("transfer_to_user", {}), deploying, deploying, say("Done.")):
    asyncio.run(main())
print(f"one question, one answer delivered twice at once: deployed {len(ran)} times")
sys.exit(0 if len(ran) == 2 else 1)
