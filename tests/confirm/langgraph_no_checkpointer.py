"""F05-state-is-single, F06-resume-continues: without a checkpointer, `create_agent` keeps nothing of a run."""

import sys

from server import model, say

with model(say("Done.")):
    from langchain.agents import create_agent

    thread = {"configurable": {"thread_id": "1"}}
    agent = create_agent("openai:gpt-4.1-mini", [])
    agent.invoke({"messages": [("user", "Hello.")]}, thread)
    try:
        agent.get_state(thread)
        said = ""
    except ValueError as error:
        said = str(error)
    print(f"get_state says: {said or 'a state'}")
sys.exit(0 if "checkpointer" in said else 1)
