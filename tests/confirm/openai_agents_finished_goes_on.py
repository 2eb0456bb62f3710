"""F06-finished-stays-finished: the state of a finished run, given to the runner again, asks the model again."""

import asyncio
import sys

from server import call, model, say


async def main() -> None:
    from agents import Agent, Runner, RunState, function_tool, set_default_openai_api, set_tracing_disabled
    from agents.exceptions import UserError

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)

    @function_tool
    def deploy(tag: str) -> str:
        """Deploy a tag."""
        return "deployed"

    agent = Agent(name="a", model="m", tools=[deploy])
    finished = await Runner.run(agent, "Deploy v1.")
    print(f"finished with {finished.final_output!r} after {len(played.requests)} model requests")
    state = await RunState.from_string(agent, finished.to_state().to_string())
    try:
        state.add_input("And v2.")
    except UserError as error:
        print(f"the SDK knows that it is over: {error}")
    again = await Runner.run(agent, await RunState.from_string(agent, finished.to_state().to_string()))
    print(f"run again it came to {again.final_output!r} after {len(played.requests)} model requests")


with model(call("deploy", {"tag": "v1"}), say("Done."), say("Done twice.")) as played:
    asyncio.run(main())
sys.exit(0 if len(played.requests) > 2 else 1)
