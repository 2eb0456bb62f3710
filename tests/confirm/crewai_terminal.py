"""F07-human-is-a-tool, F11-launch-is-plain-data: the approval that CrewAI's hooks offer is typed at a terminal.

`ToolCallHookContext.request_human_input` holds the run until somebody types; without a terminal the tool is blocked or
the run breaks, and nothing is kept that could be gone on with after the answer.
"""

import builtins
import sys
import threading

from crewai import Agent, Crew, Task
from crewai.hooks import InterceptionPoint, ToolCallHookContext, on
from crewai.tools import tool
from server import call, model, say

answered, asked = threading.Event(), threading.Event()


def typed(prompt: str = "") -> str:
    """A terminal at which nobody is for a while."""
    asked.set()
    answered.wait()
    return "y"


@tool
def deploy(tag: str) -> str:
    """Deploy a tag."""
    return "deployed"


@on(InterceptionPoint.PRE_TOOL_CALL)
def approve(context: ToolCallHookContext) -> None:
    """Ask a human."""
    context.request_human_input("Deploy?", "Type y:")


builtins.input = typed
with model(call("deploy", {"tag": "v1"}), say("Done.")):
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", tools=[deploy], llm="gpt-4.1-mini")
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    run = threading.Thread(target=Crew(agents=[agent], tasks=[task]).kickoff)
    run.start()
    asked.wait(60)
    run.join(5)
    waits = run.is_alive()
    answered.set()
    run.join()
print(f"asked at a terminal: {asked.is_set()}; five seconds later kickoff() still waits in its thread: {waits}")
sys.exit(0 if asked.is_set() and waits else 1)
