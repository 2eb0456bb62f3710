"""F07-approval-gates-effect: without HumanInTheLoopMiddleware, a tool runs as soon as the model names it."""

import sys

from server import call, model, say

with model(call("deploy", {"tag": "v1"}), say("Done.")):
    from langchain.agents import create_agent

    ran: list[str] = []

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    ended = create_agent("openai:gpt-4.1-mini", [deploy]).invoke({"messages": [("user", "Deploy v1.")]})
    print(f"deploy ran {len(ran)} times; interrupts: {ended.get('__interrupt__', 'none')}")
sys.exit(0 if ran and "__interrupt__" not in ended else 1)
