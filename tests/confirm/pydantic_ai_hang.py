"""F09-hang-times-out: without `tool_timeout` a tool that never returns holds the run for ever."""

import asyncio
import os
import sys
import threading

from server import call, model, say


async def main() -> bool:
    from pydantic_ai import Agent

    def tags() -> str:
        """The tags."""
        threading.Event().wait()
        return "v1"

    running = asyncio.create_task(Agent("openai-chat:gpt-4.1-mini", tools=[tags]).run("Which tags are there?"))
    done, _ = await asyncio.wait([running], timeout=20)
    return bool(done)


with model(call("tags", {}), say("Done.")) as played:
    ended = asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())
    print(f"after 20 s the run has ended: {ended}; {len(played.requests)} model request(s)")
sys.stdout.flush()
os._exit(0 if not ended and len(played.requests) == 1 else 1)  # the thread of the tool never ends
