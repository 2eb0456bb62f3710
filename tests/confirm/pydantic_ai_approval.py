"""F07-approval-gates-effect: without `requires_approval` a tool runs as soon as the model calls it."""

import sys

from server import call, model, say

with model(call("deploy", {"tag": "v1"}), say("Done.")):
    from pydantic_ai import Agent

    ran: list[str] = []

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    result = Agent("openai-chat:gpt-4.1-mini", tools=[deploy]).run_sync("Deploy v1.")
    print(f"the run ended with {result.output!r}; deploy ran for {ran}")
sys.exit(0 if ran else 1)
