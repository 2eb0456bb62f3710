"""F06-crash-loses-nothing: killed after a tool took effect, a run with checkpoints in SQLite runs the tool again."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from server import call, model, say

THREAD = {"configurable": {"thread_id": "1"}}


def run(folder: Path, given: object, dies: bool) -> None:
    from langchain.agents import create_agent
    from langgraph.checkpoint.sqlite import SqliteSaver

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        with (folder / "effects").open("a") as effects:
            effects.write(f"deployed {tag}\n")
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return "deployed"

    with SqliteSaver.from_conn_string(str(folder / "checkpoints.sqlite")) as saver:
        create_agent("openai:gpt-4.1-mini", [deploy], checkpointer=saver).invoke(given, THREAD, durability="sync")


if len(sys.argv) > 1:
    run(Path(sys.argv[1]), {"messages": [("user", "Deploy v1.")]}, dies=True)
with model(call("deploy", {"tag": "v1"}), say("Done.")), tempfile.TemporaryDirectory() as name:
    killed = subprocess.run([sys.executable, __file__, name], check=False).returncode
    run(Path(name), None, dies=False)
    effects = (Path(name) / "effects").read_text().splitlines()
    print(f"the first process ended with {killed}; then: {effects}")
sys.exit(0 if killed == -signal.SIGKILL and len(effects) == 2 else 1)
