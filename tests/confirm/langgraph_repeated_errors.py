"""F09-repeated-errors-escalate: one call that fails over and over is tried until the bound on all model calls."""

import sys

from server import call, model, say

with model(*[call("look", {})] * 30, say("Done.")) as played:
    from langchain.agents import create_agent
    from langchain.agents.middleware import ModelCallLimitMiddleware, ToolErrorMiddleware

    tried: list[int] = []

    def look() -> str:
        """Look."""
        tried.append(1)
        raise RuntimeError("connection refused")

    bounds = [ModelCallLimitMiddleware(run_limit=20), ToolErrorMiddleware(lambda e, r: "look failed: RuntimeError")]
    agent = create_agent("openai:gpt-4.1-mini", [look], middleware=bounds)
    ended = agent.invoke({"messages": [("user", "Look.")]})
    print(f"the same call failed {len(tried)} times in a row; the run said {ended['messages'][-1].content!r}")
sys.exit(0 if len(tried) > 3 else 1)
