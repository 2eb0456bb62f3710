"""F01-invalid-arguments-are-refused: an argument that a strict schema does not allow is dropped, and the tool runs."""

import sys

from server import call, model, say

with model(call("deploy", {"tag": "v1", "force": True}), say("Done.")) as played:
    from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

    ran: list[str] = []

    @function_tool
    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    Runner.run_sync(Agent(name="a", model="m", tools=[deploy]), "Deploy v1.")
    allowed = deploy.params_json_schema.get("additionalProperties")
    print(f"additionalProperties: {allowed}; ran for {ran}; the model was told {played.requests[1]['messages'][-1]}")
sys.exit(0 if ran and allowed is False else 1)
