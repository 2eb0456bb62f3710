"""F09-error-holds-no-secret: what an error says, a password among it, is sent to the model as it is."""

import sys

from server import call, model
from smolagents import OpenAIModel, ToolCallingAgent, tool

PASSWORD = "correct-horse-battery"


@tool
def deploy(tag: str) -> str:
    """Deploy a tag.

    Args:
        tag: The tag.
    """
    raise ConnectionError("cannot reach postgres://deployer:correct-horse-battery@db/")


with model(call("deploy", {"tag": "v1"}), call("final_answer", {"answer": "Done."}, "call_2")) as played:
    ToolCallingAgent([deploy], OpenAIModel("gpt-4.1-mini"), verbosity_level=0).run("Deploy v1.")
    heard = played.requests[1]["messages"][-1]["content"][-1]["text"]
print(f"the model is told: {heard}")
sys.exit(0 if PASSWORD in heard else 1)
