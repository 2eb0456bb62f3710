"""F06-resume-is-consumed-once: one approval of one paused run, delivered to two processes, acts twice.

A `RunState` is text that the application keeps; nothing in the SDK marks it as taken up.
"""

import asyncio
import sys

from server import call, model, say


async def main() -> list[str]:
    from agents import Agent, Runner, RunState, function_tool, set_default_openai_api, set_tracing_disabled

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    ran: list[str] = []

    @function_tool(needs_approval=True)
    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    agent = Agent(name="a", model="m", tools=[deploy])
    kept = (await Runner.run(agent, "Deploy v1.")).to_state().to_string()
    for _ in range(2):
        state = await RunState.from_string(agent, kept)
        state.approve(state.get_interruptions()[0])
        await Runner.run(agent, state)
    return ran


with model(call("deploy", {"tag": "v1"}), say("Done.")):
    ran = asyncio.run(main())
    print(f"one call, one approval; deploy ran for {ran}")
sys.exit(0 if len(ran) == 2 else 1)
