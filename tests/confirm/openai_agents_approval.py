"""F07-approval-gates-effect: without `needs_approval` a tool runs as soon as the model calls it."""

import sys

from server import call, model, say

with model(call("deploy", {"tag": "v1"}), say("Done.")):
    from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

    ran: list[str] = []

    @function_tool
    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    result = Runner.run_sync(Agent(name="a", model="m", tools=[deploy]), "Deploy v1.")
    print(f"needs_approval: {deploy.needs_approval}; asked: {result.interruptions}; ran for {ran}")
sys.exit(0 if ran and not result.interruptions else 1)
