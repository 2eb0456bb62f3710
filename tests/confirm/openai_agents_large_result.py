"""F03-large-result-is-bounded: a result of 200,000 characters goes to the model whole."""

import sys

from server import call, model, say

with model(call("tags", {}), say("Done.")) as played:
    from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

    @function_tool
    def tags() -> str:
        """The tags."""
        return "v" * 200_000

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    Runner.run_sync(Agent(name="a", model="m", tools=[tags]), "Which tags are there?")
    shown = len(played.requests[1]["messages"][-1]["content"])
    print(f"the model was shown {shown:,} characters")
sys.exit(0 if shown == 200_000 else 1)
