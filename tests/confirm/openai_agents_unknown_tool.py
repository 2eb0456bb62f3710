"""F01-unknown-tool-is-refused: by default a call of a tool that does not exist ends the run with an exception."""

import sys

from server import call, model, say

with model(call("undeploy", {}), say("Done.")) as played:
    from agents import Agent, ModelBehaviorError, Runner, function_tool, set_default_openai_api, set_tracing_disabled

    @function_tool
    def deploy(tag: str) -> str:
        """Deploy a tag."""
        return "deployed"

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    try:
        Runner.run_sync(Agent(name="a", model="m", tools=[deploy]), "Deploy v1.")
        ended = None
    except ModelBehaviorError as error:
        ended = error
    print(f"{len(played.requests)} model request(s); the run ended with {ended!r}")
sys.exit(0 if ended and len(played.requests) == 1 else 1)
