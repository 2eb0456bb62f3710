"""F06-crash-loses-nothing: a run whose process is killed in the second model call has left nothing to go on from.

`RunState` comes from a result, and a run that is killed gives none. (With it kept after each turn, see
openai_agents_crash_in_turn.py.)
"""

import os
import subprocess
import sys
import tempfile

from server import call, model, say

CHILD = """
import os, signal
from agents import Agent, RunHooks, Runner, function_tool, set_default_openai_api, set_tracing_disabled

class Killed(RunHooks):
    calls = 0
    async def on_llm_start(self, *_):
        self.calls += 1
        if self.calls == 2:
            os.kill(os.getpid(), signal.SIGKILL)

@function_tool
def deploy(tag: str) -> str:
    "Deploy a tag."
    print("deployed", flush=True)
    return "deployed"

set_default_openai_api("chat_completions")
set_tracing_disabled(True)
Runner.run_sync(Agent(name="a", model="m", tools=[deploy]), "Deploy v1.", hooks=Killed())
"""

with model(call("deploy", {"tag": "v1"}), say("Done.")), tempfile.TemporaryDirectory() as folder:
    ended = subprocess.run([sys.executable, "-c", CHILD], cwd=folder, capture_output=True, text=True)
    left = os.listdir(folder)
    print(f"the process ended with {ended.returncode}, had {ended.stdout.strip()}, and left the files {left}")
if ended.returncode != -9:
    sys.exit(2)
sys.exit(0 if ended.stdout and not left else 1)
