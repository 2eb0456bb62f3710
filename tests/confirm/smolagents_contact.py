"""F07-contact-pauses: smolagents' tool that asks the user holds the process at a terminal until somebody types."""

import builtins
import sys
import threading

from server import call, model
from smolagents import OpenAIModel, ToolCallingAgent, UserInputTool

answered, asked = threading.Event(), threading.Event()


def typed(prompt: str = "") -> str:
    """A terminal at which nobody is for a while."""
    asked.set()
    answered.wait()
    return "yes"


builtins.input = typed
with model(call("user_input", {"question": "Now?"}), call("final_answer", {"answer": "Done."}, "call_2")):
    agent = ToolCallingAgent([UserInputTool()], OpenAIModel("gpt-4.1-mini"), verbosity_level=0)
    run = threading.Thread(target=agent.run, args=["Deploy v1."])
    run.start()
    asked.wait(30)
    run.join(5)
    waits = run.is_alive()
    answered.set()
    run.join()
print(f"asked at a terminal: {asked.is_set()}; five seconds later run() still waits in its thread: {waits}")
sys.exit(0 if waits else 1)
