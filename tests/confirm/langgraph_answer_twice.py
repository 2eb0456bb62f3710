"""F06-resume-is-consumed-once: two processes that resume a thread with one approval both run the tool."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server import call, model, say

THREAD = {"configurable": {"thread_id": "1"}}


def run(folder: Path, given: object) -> None:
    from langchain.agents import create_agent
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langgraph.checkpoint.sqlite import SqliteSaver

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        with (folder / "effects").open("a") as effects:
            effects.write(f"deployed {tag}\n")
        for _ in range(100):  # let the other process begin before this one is over
            if len((folder / "effects").read_text().splitlines()) > 1:
                break
            time.sleep(0.1)
        return "deployed"

    with SqliteSaver.from_conn_string(str(folder / "checkpoints.sqlite")) as saver:
        review = HumanInTheLoopMiddleware(interrupt_on={"deploy": True})
        agent = create_agent("openai:gpt-4.1-mini", [deploy], middleware=[review], checkpointer=saver)
        agent.invoke(given, THREAD)


if len(sys.argv) > 1:
    from langgraph.types import Command

    run(Path(sys.argv[1]), Command(resume={"decisions": [{"type": "approve"}]}))
    sys.exit(0)
with model(call("deploy", {"tag": "v1"}), say("Done.")), tempfile.TemporaryDirectory() as name:
    run(Path(name), {"messages": [("user", "Deploy v1.")]})
    both = [subprocess.Popen([sys.executable, __file__, name]) for _ in range(2)]
    codes = [process.wait(60) for process in both]
    effects = (Path(name) / "effects").read_text().splitlines()
    print(f"one approval, delivered by two processes (they ended with {codes}): {effects}")
sys.exit(0 if len(effects) == 2 else 1)
