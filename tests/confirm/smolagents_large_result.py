"""F03-large-result-is-bounded: smolagents' `ToolCallingAgent` sends a result of 200 kB to the model as it is."""

import sys

from server import call, model
from smolagents import OpenAIModel, ToolCallingAgent, tool


@tool
def read_log() -> str:
    """Read the log."""
    return "x" * 200_000


with model(call("read_log", {}), call("final_answer", {"answer": "Done."}, "call_2")) as played:
    ToolCallingAgent([read_log], OpenAIModel("gpt-4.1-mini"), verbosity_level=0).run("What does the log say?")
    grown = len(played.told(2)) - len(played.told(1))
print(f"a result of 200,000 characters made the next request {grown:,} characters larger")
sys.exit(0 if grown > 20_000 else 1)
