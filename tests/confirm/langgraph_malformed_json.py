"""F01-malformed-json-is-refused: `create_agent` ends a run at arguments that cannot be parsed, and says nothing."""

import sys

from server import call, model, say

with model(call("deploy", '{"tag": "v1'), say("Done.")) as played:
    from langchain.agents import create_agent

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        return "deployed"

    ended = create_agent("openai:gpt-4.1-mini", [deploy]).invoke({"messages": [("user", "Deploy v1.")]})
    last = ended["messages"][-1]
    print(f"{len(played.requests)} model request(s); the run ended with {last.content!r} {last.invalid_tool_calls}")
sys.exit(0 if len(played.requests) == 1 else 1)
