"""A plain callable: one process, no resuming."""

from agentcheck.adapters.process import session
from agentcheck.plan import Plan, Run
from agentcheck.stages import Stages
from agentcheck.world import World


def perform(stages: Stages, run: Run, world: World, plan: Plan) -> None:
    """Call the function for each session of the plan."""
    job = {
        "kind": "C",
        "sessions": [session(name, trigger) for name, trigger in plan.triggers],
        **plan.at_once,
        "context": plan.context,
    }
    last = stages.on(plan.machine).play(world, job, plan.machine)
    run.files = tuple(last.get("files", ()))
