"""F08-loop-is-bounded: a model that always calls a tool is asked more than 250 times by `create_agent`."""

import sys

from server import call, model, say

with model(*[call("look", {})] * 251, say("Done.")) as played:
    from langchain.agents import create_agent

    def look() -> str:
        """Look."""
        return "nothing new"

    agent = create_agent("openai:gpt-4.1-mini", [look])
    ended = agent.invoke({"messages": [("user", "Look.")]})
    print(f"{len(played.requests)} model requests; recursion_limit is {agent.config.get('recursion_limit')}")
sys.exit(0 if len(played.requests) > 250 and ended["messages"][-1].content == "Done." else 1)
