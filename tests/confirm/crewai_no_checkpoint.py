"""F05-state-is-single, F06-resume-continues: a crew that is made without `checkpoint=` leaves nothing to go on from."""

import os
import sys
import tempfile
from pathlib import Path

home = Path(tempfile.mkdtemp())
os.environ["HOME"] = str(home)
os.chdir(home)

from crewai import Agent, Crew, Task  # noqa: E402
from crewai.tools import tool  # noqa: E402
from server import call, model, say  # noqa: E402


@tool
def look() -> str:
    """Look at the tags."""
    held.append([str(p.relative_to(home)) for p in home.rglob("*") if p.is_file() and b"Deploy v1" in p.read_bytes()])
    return "v1, v2"


held: list[list[str]] = []
with model(call("look", {}), say("Done.")) as played:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", tools=[look], llm="gpt-4.1-mini")
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    Crew(agents=[agent], tasks=[task]).kickoff()
kept = (home / ".checkpoints").exists()
print(f"files that hold anything of the task while a tool runs: {held[0]}; checkpoints: {kept}")
sys.exit(0 if not held[0] and not kept else 1)
