"""F09-hang-times-out: a plain function that never returns holds the run for ever; it cannot be given a time-out."""

import asyncio
import os
import sys
import threading

from server import call, model, say


async def main() -> bool:
    from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        threading.Event().wait()
        return "deployed"

    try:
        function_tool(deploy, timeout=1.0)
    except ValueError as error:
        print(f"with timeout=1.0: {error}")
    running = asyncio.create_task(Runner.run(Agent(name="a", model="m", tools=[function_tool(deploy)]), "Deploy v1."))
    done, _ = await asyncio.wait([running], timeout=20)
    return bool(done)


with model(call("deploy", {"tag": "v1"}), say("Done.")) as played:
    ended = asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())
    print(f"after 20 s the run has ended: {ended}; {len(played.requests)} model request(s)")
sys.stdout.flush()
os._exit(0 if not ended and len(played.requests) == 1 else 1)  # the thread of the tool never ends
