"""F09-error-reaches-model: an exception of a tool ends the run, and the model is told nothing.

Its documentation says so: "Any other exception propagates out of the agent run and is not sent back to the model."
"""

import sys

from server import call, model, say

with model(call("tags", {}), say("Done.")) as played:
    from pydantic_ai import Agent

    def tags() -> str:
        """The tags."""
        raise ConnectionError("the registry is down")

    try:
        Agent("openai-chat:gpt-4.1-mini", tools=[tags]).run_sync("Which tags are there?")
        ended = None
    except ConnectionError as error:
        ended = error
    print(f"{len(played.requests)} model request(s); the run ended with {ended!r}")
sys.exit(0 if ended and len(played.requests) == 1 else 1)
