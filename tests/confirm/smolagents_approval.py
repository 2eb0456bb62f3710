"""F07-approval-gates-effect: smolagents runs a tool at once; it has nothing that makes it wait for a yes.

https://github.com/huggingface/smolagents/issues/364, which is open, asks for that.
"""

import inspect
import sys

from server import call, model
from smolagents import MultiStepAgent, OpenAIModel, Tool, ToolCallingAgent, tool

ran = []


@tool
def deploy(tag: str) -> str:
    """Deploy a tag.

    Args:
        tag: The tag.
    """
    ran.append(tag)
    return "deployed"


options = [name for kind in (MultiStepAgent, ToolCallingAgent, Tool) for name in inspect.signature(kind).parameters]
with model(call("deploy", {"tag": "v1"}), call("final_answer", {"answer": "Done."}, "call_2")):
    ToolCallingAgent([deploy], OpenAIModel("gpt-4.1-mini"), verbosity_level=0).run("Deploy v1.")
about = [name for name in options if "approv" in name or "confirm" in name]
print(f"deployed {ran} and nobody was asked; options about approval: {about}")
sys.exit(0 if ran and not about else 1)
