"""F06-crash-loses-nothing: what AutoGen's `save_state` gives before a tool has returned cannot be gone on with.

A process keeps the state after each event of `run_stream`, and is killed in the middle of its first tool.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say

folder = Path(tempfile.mkdtemp())
deployed, states = folder / "deployed", folder / "states"


def deploy(tag: str) -> str:
    """Deploy a tag."""
    deployed.write_text(tag)
    os.kill(os.getpid(), signal.SIGKILL)
    return "deployed"


def agent() -> AssistantAgent:
    client = OpenAIChatCompletionClient(model="gpt-4.1-mini")
    return AssistantAgent("deployer", client, tools=[deploy], max_tool_iterations=5)


async def killed() -> None:
    one = agent()
    async for _ in one.run_stream(task="Deploy v1."):
        with states.open("a") as file:
            print(json.dumps(await one.save_state()), file=file, flush=True)


async def resumed(state: str) -> None:
    one = agent()
    await one.load_state(json.loads(state))
    await one.run()


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    child = os.fork()
    if not child:
        asyncio.run(killed())
    os.waitpid(child, 0)
    first, last = states.read_text().splitlines()
    held = len(json.loads(first)["llm_context"]["messages"])
    print(f"during the first model call the newest state holds {held} messages: not even the task")
    asyncio.run(resumed(last))
    end = played.requests[-1]["messages"][-1]
    print(f"deployed: {deployed.exists()}; resumed from the state after the choice, the last message sent is {end}")
sys.exit(0 if held == 0 and deployed.exists() and end["role"] == "assistant" and end["tool_calls"] else 1)
