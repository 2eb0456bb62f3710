"""F09-repeated-errors-escalate: a call that fails is made again until the bound of the whole run."""

import sys

from server import call, model
from smolagents import OpenAIModel, ToolCallingAgent, tool

tried = []


@tool
def deploy(tag: str) -> str:
    """Deploy a tag.

    Args:
        tag: The tag.
    """
    tried.append(tag)
    raise ConnectionError("unreachable")


with model(call("deploy", {"tag": "v1"})) as played:
    agent = ToolCallingAgent([deploy], OpenAIModel("gpt-4.1-mini"), max_steps=20, verbosity_level=0)
    result = agent.run("Deploy v1.")
print(f"the same call failed {len(tried)} times in a row; the run then ended with {result!r}")
sys.exit(0 if len(tried) > 3 else 1)
