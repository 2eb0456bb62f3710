"""F05-state-is-single, F06-resume-continues: smolagents writes a run down, and cannot go on from what it wrote."""

import inspect
import json
import sys

import smolagents
from server import call, model
from smolagents import AgentMemory, MultiStepAgent, OpenAIModel, ToolCallingAgent, UserInputTool


def agent() -> ToolCallingAgent:
    return ToolCallingAgent([UserInputTool()], OpenAIModel("gpt-4.1-mini"), verbosity_level=0)


with model(call("final_answer", {"answer": "Done."})) as played:
    ran, another = agent(), agent()
    ran.run("Deploy v1.")
    described = ran.to_dict()
    steps = json.loads(json.dumps(ran.memory.get_full_steps(), default=str))
    another.memory.steps = steps
    try:
        another.run("Go on.", reset=False)
        refused = ""
    except Exception as error:
        refused = f"{type(error).__name__}: {error}"
kinds = [MultiStepAgent, AgentMemory, *vars(smolagents.memory).values()]
loaders = {
    f"{kind.__name__}.{name}"
    for kind in kinds
    if inspect.isclass(kind) and kind.__module__.startswith("smolagents.")
    for name in vars(kind)
    if "load" in name or name in ("from_dict", "from_json", "restore", "resume")
}
print(f"agent.to_dict() of a run: {sorted(described)}; 'Deploy v1.' in it: {'Deploy v1.' in json.dumps(described)}")
print(f"what loads: {sorted(loaders)} (from_dict makes an agent of to_dict's description)")
print(f"memory.get_full_steps() through JSON and into another agent: {refused or 'accepted'}")
sys.exit(0 if refused and "Deploy v1." not in json.dumps(described) else 1)
