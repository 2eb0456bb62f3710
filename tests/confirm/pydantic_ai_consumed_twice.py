"""F06-resume-is-consumed-once: one approval of one deferred call, delivered to two processes, acts twice.

The messages are text that the application keeps; nothing in Pydantic AI marks them as taken up.
"""

import sys

from server import call, model, say

with model(call("deploy", {"tag": "v1"}), say("Done.")):
    from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults, ModelMessagesTypeAdapter, Tool

    ran: list[str] = []

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    tools = [Tool(deploy, requires_approval=True)]
    agent = Agent("openai-chat:gpt-4.1-mini", tools=tools, output_type=[str, DeferredToolRequests])
    paused = agent.run_sync("Deploy v1.")
    kept, asked = paused.all_messages_json(), paused.output.approvals[0].tool_call_id
    for _ in range(2):
        history = ModelMessagesTypeAdapter.validate_json(kept)
        agent.run_sync(message_history=history, deferred_tool_results=DeferredToolResults(approvals={asked: True}))
    print(f"one call, one approval; deploy ran for {ran}")
sys.exit(0 if len(ran) == 2 else 1)
