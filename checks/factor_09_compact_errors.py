"""Factor 9: compact errors into the context window."""

from agentcheck.check import Severity, check
from agentcheck.faults import Raises, ToolFails
from agentcheck.lab import Lab
from agentcheck.wording import told_after

FAILURE = "connection to registry-7 refused"


@check(
    "F09-error-reaches-model",
    Severity.MUST,
    "RCHW",
    title="the model is told that a tool failed",
    failure="the model is not told that a tool failed",
    remedy="append the error, tied to its call, to the messages of the next request instead of swallowing it",
    reaches="a tool failure, and a model request after it",
)
def error_reaches_model(lab: Lab) -> None:
    """A model that does not see the error believes that the step worked, and builds on it."""
    run = lab.run(lab.call(), faults=ToolFails(lab.tool, Raises(FAILURE)))
    failed = run.reach("tool_failed", tool=lab.tool)
    following = run.next_request(failed)
    assert following is not None, lab.seen(f"after {lab.tool} failed the model was not asked again", failed, run.finished)
    told = told_after(run, failed)
    assert "registry-7" in told or "refused" in told.lower(), lab.seen(
        f"{lab.tool} failed with {FAILURE!r}, and the next request says nothing of it", failed, following
    )


@check(
    "F09-error-is-compact",
    Severity.MUST,
    "RCHW",
    title="errors reach the model short, and without a stack trace",
    failure="errors flood the context window",
    remedy="keep the kind and the first line of an error, cut the rest, and leave stack traces to the logs",
    reaches="a tool failure with a message of 5,000 characters, and a model request after it",
)
def error_is_compact(lab: Lab) -> None:
    """A stack trace in the context costs tokens at every later turn and drowns what the model needs."""
    flood = f"{FAILURE}. " + "\n".join(f'  File "/srv/app/{n}.py", line {n}, in step_{n}' for n in range(140))
    run = lab.run(lab.call(), faults=ToolFails(lab.tool, Raises(flood)))
    failed = run.reach("tool_failed", tool=lab.tool)
    run.reach("model_request", after=failed, why=f"after {lab.tool} failed the model was not asked again")
    told = told_after(run, failed)
    limit = lab.target.limits.error_characters
    assert len(told) <= limit, lab.seen(
        f"an error of {len(flood):,} characters reached the model as {len(told):,}; {limit} are the limit", failed
    )
    assert "Traceback (most recent call last)" not in told, lab.seen("a stack trace reached the model", failed)
