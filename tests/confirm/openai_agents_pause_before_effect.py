"""F06-pause-before-effect: asked to stop as soon as the model has chosen a tool, the run runs the tool first.

`cancel(mode="after_turn")` is the stop whose state can be resumed; tools with `needs_approval` do wait.
"""

import asyncio
import sys

from server import call, model, say


async def main() -> list[str]:
    from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    ran: list[str] = []

    @function_tool
    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    result = Runner.run_streamed(Agent(name="a", model="m", tools=[deploy]), "Deploy v1.")
    async for event in result.stream_events():
        if event.type == "raw_response_event":  # the reply has not even been read to its end
            result.cancel(mode="after_turn")
    return ran


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    ran = asyncio.run(main())
    print(f"{len(played.requests)} model request(s); after the stop was asked for, deploy ran for {ran}")
sys.exit(0 if ran and len(played.requests) == 1 else 1)
