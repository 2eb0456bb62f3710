"""F09-error-reaches-model: an exception of a tool ends the run of `create_agent`; the model never hears of it."""

import sys

from server import call, model, say

with model(call("look", {}), say("Done.")) as played:
    from langchain.agents import create_agent

    def look() -> str:
        """Look."""
        raise RuntimeError("connection refused")

    try:
        create_agent("openai:gpt-4.1-mini", [look]).invoke({"messages": [("user", "Look.")]})
        said = "ended well"
    except RuntimeError as error:
        said = f"raised RuntimeError: {error}"
    print(f"{len(played.requests)} model request(s); the run {said}")
sys.exit(0 if len(played.requests) == 1 and "raised" in said else 1)
