"""F09-hang-times-out: a sync tool that hangs holds up `invoke`; nothing ends it within 40 seconds."""

import sys
import threading

from server import call, model, say

with model(call("look", {}), say("Done.")) as played:
    from langchain.agents import create_agent
    from langchain.agents.middleware import ModelCallLimitMiddleware, ModelRetryMiddleware, ToolErrorMiddleware

    release = threading.Event()

    def look() -> str:
        """Look."""
        release.wait(90)
        return "nothing"

    bounds = [ModelCallLimitMiddleware(run_limit=5), ModelRetryMiddleware(), ToolErrorMiddleware(lambda e, r: "failed")]
    agent = create_agent("openai:gpt-4.1-mini", [look], middleware=bounds)
    run = threading.Thread(target=agent.invoke, args=({"messages": [("user", "Look.")]},), daemon=True)
    run.start()
    run.join(40)
    stuck = run.is_alive()
    print(f"after 40 s the run {'still waits' if stuck else 'is over'}, with {len(played.requests)} model request(s)")
    release.set()
    run.join(10)
sys.exit(0 if stuck else 1)
