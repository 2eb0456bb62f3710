"""F06-corrupt-snapshot-is-refused: a missing table is made anew without an error; then no question is open."""

import sqlite3
import sys
import tempfile
from pathlib import Path

from server import call, model, say

THREAD = {"configurable": {"thread_id": "1"}}

with model(call("deploy", {"tag": "v1"}), say("Done.")), tempfile.TemporaryDirectory() as name:
    from langchain.agents import create_agent
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langgraph.checkpoint.sqlite import SqliteSaver

    def deploy(tag: str) -> str:
        """Deploy a tag."""
        return "deployed"

    def waiting(given: object) -> int:
        """How many questions the thread has open."""
        with SqliteSaver.from_conn_string(str(Path(name) / "checkpoints.sqlite")) as saver:
            review = HumanInTheLoopMiddleware(interrupt_on={"deploy": True})
            agent = create_agent("openai:gpt-4.1-mini", [deploy], middleware=[review], checkpointer=saver)
            if given is not None:
                agent.invoke(given, THREAD)
            return len(agent.get_state(THREAD).interrupts)

    before = waiting({"messages": [("user", "Deploy v1.")]})
    with sqlite3.connect(Path(name) / "checkpoints.sqlite") as rows:
        rows.execute("ALTER TABLE writes RENAME TO another_writes")
    after = waiting(None)
    print(f"{before} question(s) open; {after} once the table `writes` is gone, and no error")
sys.exit(0 if before == 1 and after == 0 else 1)
