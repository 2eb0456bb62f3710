"""F03-large-result-is-bounded: a tool's result of 200 kB goes to the model whole."""

import sys

from server import call, model, say

with model(call("log", {}), say("Done.")) as played:
    from langchain.agents import create_agent

    def log() -> str:
        """The log."""
        return "x" * 200_000

    create_agent("openai:gpt-4.1-mini", [log]).invoke({"messages": [("user", "Look at the log.")]})
    more = len(played.told(2)) - len(played.told(1))
    print(f"the second request is {more:,} characters longer than the first")
sys.exit(0 if more > 200_000 else 1)
