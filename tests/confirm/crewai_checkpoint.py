"""F05-state-is-single, F06-resume-continues, F06-crash-loses-nothing, F08-run-can-be-interrupted: what a task did is in
no checkpoint of CrewAI.

A crew with a checkpoint at every event is killed in its second tool, and its newest checkpoint is taken up again.
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

from crewai import Agent, CheckpointConfig, Crew, Task
from crewai.tools import BaseTool
from server import call, model, say

folder = Path(tempfile.mkdtemp())
deployed, checkpoints = folder / "deployed", folder / "checkpoints"


class Look(BaseTool):
    name: str = "look"
    description: str = "Look at the tags."

    def _run(self) -> str:
        return "tag-4711"


class Deploy(BaseTool):
    name: str = "deploy"
    description: str = "Deploy a tag."

    def _run(self, tag: str) -> str:
        with deployed.open("a") as file:
            print(tag, file=file)
        if len(deployed.read_text().splitlines()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return "deployed"


def crew() -> Crew:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You.", tools=[Look(), Deploy()], llm="gpt-4.1-mini")
    task = Task(description="Deploy the newest.", expected_output="What was done", agent=agent)
    every = CheckpointConfig(location=str(checkpoints), on_events=["*"])
    return Crew(agents=[agent], tasks=[task], checkpoint=every)


deploying = call("deploy", {"tag": "tag-4711"}, "call_2")
if __name__ == "__main__":
    with model(call("look", {}), deploying, deploying, say("Done.")) as played:
        child = os.fork()
        if not child:
            crew().kickoff()
        os.waitpid(child, 0)
        before = len([body for body in played.requests if "messages" in body])
        kept = sorted(checkpoints.rglob("*.json"), key=lambda p: p.stat().st_mtime)
        holding = [p.name for p in kept if "tag-4711" in p.read_text()]
        if kept:
            crew().kickoff(from_checkpoint=CheckpointConfig(location=str(checkpoints), restore_from=str(kept[-1])))
        after = [body for body in played.requests if "messages" in body][before:]
    roles = [message["role"] for message in after[0]["messages"]] if after else []
    times = len(deployed.read_text().splitlines())
    print(f"{len(kept)} checkpoints, of which {len(holding)} hold the first tool's result")
    print(f"the first request of the resumed crew has the roles {roles}; it deployed {times} times in all")
    sys.exit(0 if kept and not holding and "tool" not in roles else 1)
