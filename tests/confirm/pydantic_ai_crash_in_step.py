"""F06-crash-loses-nothing: killed within a step, after a tool took effect, the tool runs again.

The messages are kept before each step of `agent.iter`, which is as often as there are any. (Pydantic AI Harness, a
distribution of its own, keeps a ledger of tools that began and did not end, for the application to look at.)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from server import call, model, say

AGENT = """
import asyncio, os, signal, sys
from pathlib import Path
from pydantic_ai import Agent, ModelMessagesTypeAdapter

def deploy(tag: str) -> str:
    "Deploy a tag."
    with Path("deployed").open("a") as file:
        file.write(f"{tag};")
    if "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return "deployed"

agent = Agent("openai-chat:gpt-4.1-mini", tools=[deploy])
kept = Path("messages.json")

async def main():
    history = ModelMessagesTypeAdapter.validate_json(kept.read_bytes()) if kept.exists() else None
    async with agent.iter(None if history else "Deploy v1.", message_history=history) as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                kept.write_bytes(ModelMessagesTypeAdapter.dump_json([*run.all_messages(), node.request]))
            elif Agent.is_call_tools_node(node):
                kept.write_bytes(ModelMessagesTypeAdapter.dump_json(run.all_messages()))

asyncio.run(main())
"""

with model(call("deploy", {"tag": "v1"}), say("Done.")) as played, tempfile.TemporaryDirectory() as folder:
    killed = subprocess.run([sys.executable, "-c", AGENT, "kill"], cwd=folder, capture_output=True)
    again = subprocess.run([sys.executable, "-c", AGENT], cwd=folder, capture_output=True, text=True)
    deployed = Path(folder, "deployed").read_text()
    print(f"killed: {killed.returncode}; resumed: {again.returncode} {again.stderr[-300:]}")
    print(f"the model chose once, in {len(played.requests)} model requests; deployed: {deployed}")
if killed.returncode != -9 or again.returncode:
    sys.exit(2)
sys.exit(0 if deployed == "v1;v1;" else 1)
