"""F09-hang-times-out: smolagents' `ToolCallingAgent` waits for a tool that never returns; no option ends that."""

import inspect
import sys
import threading

from server import call, model
from smolagents import OpenAIModel, Tool, ToolCallingAgent, tool

SECONDS = 30


@tool
def deploy(tag: str) -> str:
    """Deploy a tag.

    Args:
        tag: The tag.
    """
    threading.Event().wait()
    return "deployed"


options = [name for kind in (ToolCallingAgent, Tool) for name in inspect.signature(kind).parameters]
with model(call("deploy", {"tag": "v1"}), call("final_answer", {"answer": "Done."}, "call_2")) as played:
    agent = ToolCallingAgent([deploy], OpenAIModel("gpt-4.1-mini"), verbosity_level=0)
    run = threading.Thread(target=agent.run, args=["Deploy v1."], daemon=True)
    run.start()
    run.join(SECONDS)
    waits, asked = run.is_alive(), len(played.requests)
about = [name for name in options if "timeout" in name or "seconds" in name]
print(f"after {SECONDS} s still waiting: {waits}; {asked} model request(s); options for it: {about}")
sys.stdout.flush()
sys.exit(0 if waits and asked == 1 and not about else 1)
