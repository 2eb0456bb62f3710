"""F03-large-result-is-bounded: a result of 200,000 characters goes to the model whole."""

import sys

from server import call, model, say

with model(call("tags", {}), say("Done.")) as played:
    from pydantic_ai import Agent

    def tags() -> str:
        """The tags."""
        return "v" * 200_000

    Agent("openai-chat:gpt-4.1-mini", tools=[tags]).run_sync("Which tags are there?")
    shown = len(played.requests[1]["messages"][-1]["content"])
    print(f"the model was shown {shown:,} characters")
sys.exit(0 if shown == 200_000 else 1)
