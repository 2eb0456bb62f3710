"""F02-prompt-is-owned: most of what smolagents' agents say to the model is text of smolagents itself."""

import importlib.resources
import sys

from server import call, model, say
from smolagents import CodeAgent, OpenAIModel, ToolCallingAgent, tool

MINE = "You deploy the backend. Look at the tags first."


@tool
def deploy(tag: str) -> str:
    """Deploy a tag.

    Args:
        tag: The tag.
    """
    return "deployed"


def foreign(kind: type, template: str, reply: dict) -> float:
    """The share of smolagents' template in the system prompt."""
    with model(reply) as played:
        kind([deploy], OpenAIModel("gpt-4.1-mini"), instructions=MINE, verbosity_level=0).run("Deploy v1.")
        sent = played.requests[0]["messages"][0]["content"][0]["text"]
    text = importlib.resources.files("smolagents.prompts").joinpath(template).read_text()
    theirs = sum(len(line) for line in sent.splitlines() if line.strip() and line.strip() in text)
    print(f"{kind.__name__}: {len(sent):,} characters, {len(MINE)} of them the user's, {theirs:,} of smolagents'")
    return theirs / len(sent)


shares = [
    foreign(ToolCallingAgent, "toolcalling_agent.yaml", call("final_answer", {"answer": "Done."})),
    foreign(CodeAgent, "code_agent.yaml", say('<code>\nfinal_answer("Done.")\n</code>')),
]
sys.exit(0 if min(shares) > 0.05 else 1)
