"""Factor 10: small, focused agents."""

from agentcheck.check import Severity, check
from agentcheck.lab import Lab


@check(
    "F10-run-is-short",
    Severity.SHOULD,
    "W",
    title="real runs stay within the step budget",
    failure="real runs take more steps than a small agent needs",
    remedy="split the job among smaller agents, fetch beforehand what is always fetched, or end runs that lead nowhere",
    reaches="a recorded run with at least one reply of a model",
)
def run_is_short(lab: Lab) -> None:
    """The longer a context grows, the more often a model loses its way; past some 20 steps hardly a run comes back."""
    limit = lab.target.limits.steps
    for run in lab.recordings:
        replies = run.of("model_reply")
        assert len(replies) <= limit, lab.seen(
            f"the run in {run.events[0]['recording']} took {len(replies)} steps (replies of the model); "
            f"{limit} are the limit",
            replies[-1],
        )
