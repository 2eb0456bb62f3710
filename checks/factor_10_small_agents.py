"""Factor 10: small, focused agents."""

from agentcheck.audit.histories import stretch
from agentcheck.audit.openings import begins
from agentcheck.audit.recording import Recording, counted, shown_tools, size
from agentcheck.check import Severity, check, on_recordings
from agentcheck.faults import Http, ModelFails
from agentcheck.finding import NotApplicable, NotReached, Untestable
from agentcheck.lab import Lab
from agentcheck.model import catalog
from agentcheck.trace import Event


@check(
    "F10-tool-count-is-small",
    Severity.SHOULD,
    "RCHW",
    title="the model chooses among few tools",
    failure="the model has more tools to choose from than it can tell apart",
    remedy="give each step the tools that it needs, or split the agent",
    reaches="a model request",
)
def tool_count_is_small(lab: Lab) -> None:
    """Every further tool is one more way to choose wrongly, and its schema is paid for with each request."""
    limit = lab.target.limits.tools
    for asked in lab.happy().requests():
        offered = [spec.name for spec in catalog(asked.request, lab.scenario)]
        assert len(offered) <= limit, lab.seen(
            f"request {asked['n']} offers {len(offered)} tools; {limit} are the limit", asked
        )


@on_recordings("F10-tool-count-is-small")
def recorded_tool_count_is_small(recording: Recording) -> str:
    """Tools that the model is shown only once it has searched for them do not count."""
    limit, offered = recording.limits.tools, [(step, len(shown_tools(step))) for step in recording.answered()]
    most = max(number for _, number in offered)
    if not most:
        raise NotReached("no request in it offers the model anything to choose from")
    for step, number in offered:
        assert number <= limit, recording.seen(f"a request offers {number} tools; {limit} are the limit", step)
    return f"{counted(range(most), 'tool')} at most"


@check(
    "F10-prompt-is-small",
    Severity.SHOULD,
    "RCHW",
    title="the first request is small",
    failure="the first request is larger than a focused job needs",
    remedy="keep to what this job needs: fetch the rest when it is asked for, or split the agent",
    reaches="the first model request",
)
def prompt_is_small(lab: Lab) -> None:
    """A manual in the prompt is paid for at every step and buries the few lines that matter."""
    first = lab.happy().reach("model_request")
    size, limit = first.size, lab.target.limits.first_request_bytes
    assert size <= limit, lab.seen(f"the first request has {size:,} bytes; {limit:,} are the limit", first)


@on_recordings("F10-prompt-is-small")
def recorded_prompt_is_small(recording: Recording) -> str:
    """Images and documents are what a run is about and no prompt; a request with a history in it is not the first."""
    first = [next((step for step in run if step.decision), None) for run in recording.distinct_runs()]
    known = [(step, size(step)) for step in first if step is not None]
    limit = recording.limits.first_request_bytes
    judged = [(step, bytes) for step, bytes in known if begins(step) or bytes <= limit]
    if not judged:
        recording.answered()
        raise NotReached("no run in it is recorded from its beginning")
    for step, bytes in judged:
        assert bytes <= limit, recording.seen(f"the first request has {bytes:,} bytes; {limit:,} are the limit", step)
    return f"{max(bytes for _, bytes in judged):,} bytes at most"


@check(
    "F10-failure-is-contained",
    Severity.SHOULD,
    "H",
    title="a failing sub-agent is an error for its caller",
    failure="a failing sub-agent takes its caller down",
    remedy="catch what a sub-agent raises where it is called, and give its caller the error as the result of that call",
    reaches="a model request of a sub-agent that fails",
)
def failure_is_contained(lab: Lab) -> None:
    """Small agents are there so that one can fail alone; an exception that crosses makes them one big agent again."""
    if lab.target.has.get("subagents") is False:
        raise NotApplicable("declared: there are no sub-agents (has.subagents = false)")
    asked = lab.happy().requests()
    inner = next((r for r in asked if instructions(r) != instructions(asked[0])), None)
    if inner is None:
        raise Untestable(
            "no model request of a sub-agent was seen",
            mend="[tool.agentcheck]\nhas = {subagents = false}  # or allow the tool that calls one",
        )
    run = lab.run(faults=ModelFails(Http(400, "the sub-agent's model refuses"), after=asked.index(inner)))
    failed = run.reach("model_failed")
    following = run.first("model_request", after=failed)
    goes_on = following is not None and instructions(following) == instructions(asked[0])
    assert goes_on, lab.seen(
        f"a sub-agent's model call failed, and its caller was not asked again: the run is {run.status}",
        failed,
        run.finished,
    )


def instructions(asked: Event) -> str:
    """What tells one agent's requests from another's."""
    return asked.request.text("system")


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


@on_recordings("F10-run-is-short")
def recorded_run_is_short(recording: Recording) -> str:
    """A conversation may be long: counted are the replies from one that ends a turn to the next that does."""
    recording.answered()
    limit, most = recording.limits.steps, 0
    for run in recording.distinct_runs():
        steps = stretch(run)
        most = max(most, len(steps))
        assert len(steps) <= limit, recording.seen(
            f"a run took {len(steps)} steps (replies of the model); {limit} are the limit", steps[-1]
        )
    return f"{counted(range(most), 'step')} at most"
