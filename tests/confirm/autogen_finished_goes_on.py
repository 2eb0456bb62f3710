"""F06-finished-stays-finished: the state of a run that is over, loaded and run again without a task, asks the model."""

import asyncio
import json
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import call, model, say


def deploy(tag: str) -> str:
    """Deploy a tag."""
    return "deployed"


def make() -> AssistantAgent:
    return AssistantAgent("d", OpenAIChatCompletionClient(model="gpt-4.1-mini"), tools=[deploy], max_tool_iterations=5)


async def main() -> tuple[int, int]:
    with model(call("deploy", {"tag": "v1"}), say("Done."), say("Done twice.")) as played:
        first = make()
        await first.run(task="Deploy v1.")
        before = len(played.requests)
        again = make()
        await again.load_state(json.loads(json.dumps(await first.save_state())))
        await again.run()
        return before, len(played.requests)


before, after = asyncio.run(main())
print(f"{before} model requests to the end; {after} once its state was loaded and run again")
sys.exit(0 if after > before else 1)
