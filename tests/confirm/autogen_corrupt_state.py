"""F06-corrupt-snapshot-is-refused: AutoGen loads states that lack everything, and goes on as if nothing had been."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from server import model, say


def agent() -> AssistantAgent:
    return AssistantAgent("deployer", OpenAIChatCompletionClient(model="gpt-4.1-mini"))


async def taken_up(state: dict) -> None:
    one = agent()
    await one.load_state(state)
    await one.run()


accepted = 0
with model(say("Done.")) as played:
    for state in ({}, {"agentcheck": 1}, {"type": "AssistantAgentState", "version": "99.0.0", "llm_context": {}}):
        try:
            asyncio.run(taken_up(state))
        except Exception as error:
            print(f"{state}: refused: {type(error).__name__}")
            continue
        accepted += 1
        roles = [message["role"] for message in played.requests[-1]["messages"]]
        print(f"{state}: loaded without an error, and the model was asked with {roles}")
sys.exit(0 if accepted else 1)
