"""F01-invalid-arguments-are-refused: JSON inside a JSON text makes `AIMessage` raise; the model is not told."""

import json
import sys

from server import call, model, say

with model(call("deploy", json.dumps(json.dumps({"tag": "v1"}))), say("Done.")) as played:
    from langchain.agents import create_agent

    ran: list[str] = []

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        ran.append(tag)
        return "deployed"

    try:
        ended = create_agent("openai:gpt-4.1-mini", [deploy]).invoke({"messages": [("user", "Deploy v1.")]})
        said = f"the run ended with {ended['messages'][-1]!r:.300}"
    except Exception as error:
        said = f"the run ended with {type(error).__name__}: {error}"
    print(f"{len(played.requests)} model request(s), deploy ran {len(ran)} times; {' '.join(said.split())}")
sys.exit(0 if len(played.requests) == 1 and not ran else 1)
