"""F02-prompt-is-owned: CrewAI sends sentences of its own, and `Crew(prompt_file=…)` does not change them.

The file is read for the manager of a hierarchical crew alone.
"""

import importlib.resources
import json
import sys
import tempfile
from pathlib import Path

from crewai import Agent, Crew, Task
from server import model, say

MINE = "MY OWN WORDS"
theirs = json.loads(importlib.resources.files("crewai.translations").joinpath("en.json").read_text())
own = {part: dict.fromkeys(texts, MINE) for part, texts in theirs.items()}
file = Path(tempfile.mkdtemp()) / "prompts.json"
file.write_text(json.dumps(own))
with model(say("Done.")) as played:
    agent = Agent(role="Deployer", goal="Deploy", backstory="You deploy.", llm="gpt-4.1-mini")
    task = Task(description="Deploy v1.", expected_output="What was done", agent=agent)
    Crew(agents=[agent], tasks=[task], prompt_file=str(file)).kickoff()
    asked = next(body for body in played.requests if "messages" in body)
sent = "\n".join(message["content"] for message in asked["messages"])
found = [s for s in ("Your personal goal is:", "This is the expected criteria for your final answer:") if s in sent]
print(f"on the wire, of crewai/translations/en.json: {found}; of the user's file of prompts: {MINE in sent}")
sys.exit(0 if found and MINE not in sent else 1)
