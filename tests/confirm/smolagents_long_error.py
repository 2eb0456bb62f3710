"""F09-error-is-compact: smolagents tells the model an error of any length."""

import sys

from server import call, model
from smolagents import OpenAIModel, ToolCallingAgent, tool


@tool
def deploy(tag: str) -> str:
    """Deploy a tag.

    Args:
        tag: The tag.
    """
    raise RuntimeError("no space left on device; " * 200)


with model(call("deploy", {"tag": "v1"}), call("final_answer", {"answer": "Done."}, "call_2")) as played:
    ToolCallingAgent([deploy], OpenAIModel("gpt-4.1-mini"), verbosity_level=0).run("Deploy v1.")
    heard = played.requests[1]["messages"][-1]["content"][-1]["text"]
print(f"an error of 5,000 characters is told to the model in {len(heard):,}")
sys.exit(0 if len(heard) > 500 else 1)
