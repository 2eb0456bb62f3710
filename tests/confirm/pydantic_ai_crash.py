"""F06-crash-loses-nothing: a run whose process is killed in the second model call has left nothing to go on from.

Messages come from a result, and a run that is killed gives none. (With them kept before each step, see
pydantic_ai_crash_in_step.py.)
"""

import os
import subprocess
import sys
import tempfile

from server import call, model, say

CHILD = """
import os, signal
from pydantic_ai import Agent
from pydantic_ai.capabilities import Hooks

calls = []

def killed(ctx, request):
    calls.append(request)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return request

def deploy(tag: str) -> str:
    "Deploy a tag."
    print("deployed", flush=True)
    return "deployed"

hooks = Hooks(before_model_request=killed)
Agent("openai-chat:gpt-4.1-mini", tools=[deploy], capabilities=[hooks]).run_sync("Deploy v1.")
"""

with model(call("deploy", {"tag": "v1"}), say("Done.")), tempfile.TemporaryDirectory() as folder:
    ended = subprocess.run([sys.executable, "-c", CHILD], cwd=folder, capture_output=True, text=True)
    left = os.listdir(folder)
    print(f"the process ended with {ended.returncode}, had {ended.stdout.strip()}, and left the files {left}")
if ended.returncode != -9:
    sys.exit(2)
sys.exit(0 if ended.stdout and not left else 1)
