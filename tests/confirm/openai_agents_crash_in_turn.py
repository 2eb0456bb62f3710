"""F06-crash-loses-nothing: killed within a turn, after a tool took effect, the tool runs again.

The state is kept after each turn, which is as often as a `RunState` can be had.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from server import call, model, say

AGENT = """
import asyncio, os, signal, sys
from pathlib import Path
from agents import Agent, RunState, Runner, function_tool, set_default_openai_api, set_tracing_disabled

kill = "kill" in sys.argv

@function_tool
def tags() -> str:
    "The tags."
    return "v1"

@function_tool
def deploy(tag: str) -> str:
    "Deploy a tag."
    with Path("deployed").open("a") as file:
        file.write(f"{tag};")
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    return "deployed"

agent = Agent(name="a", model="m", tools=[tags, deploy])

async def main():
    state = Path("state.json")
    given = await RunState.from_string(agent, state.read_text()) if state.exists() else "Deploy v1."
    while True:
        result = Runner.run_streamed(agent, given)
        async for event in result.stream_events():
            if event.type == "run_item_stream_event":
                result.cancel(mode="after_turn")
        if result.final_output is not None:
            return
        state.write_text(result.to_state().to_string())
        given = await RunState.from_string(agent, state.read_text())

set_default_openai_api("chat_completions")
set_tracing_disabled(True)
asyncio.run(main())
"""


deploys = call("deploy", {"tag": "v1"}, "call_2")
with model(call("tags", {}), deploys, deploys, say("Done.")), tempfile.TemporaryDirectory() as folder:
    killed = subprocess.run([sys.executable, "-c", AGENT, "kill"], cwd=folder, capture_output=True)
    again = subprocess.run([sys.executable, "-c", AGENT], cwd=folder, capture_output=True, text=True)
    deployed = Path(folder, "deployed").read_text()
    print(f"killed: {killed.returncode}; resumed: {again.returncode} {again.stderr[-300:]}; deployed: {deployed}")
if killed.returncode != -9 or again.returncode:
    sys.exit(2)
sys.exit(0 if deployed == "v1;v1;" else 1)
