"""Factor 13: pre-fetch the context you might need."""

from agentcheck.audit.openings import alike, by_agent
from agentcheck.audit.recording import Recording, counted
from agentcheck.check import Severity, check, on_recordings
from agentcheck.finding import NotReached
from agentcheck.lab import Lab
from agentcheck.openings import common_call

FEWEST = 3  # runs before anything is said to be so every time


@check(
    "F13-predictable-fetch-is-prefetched",
    Severity.MAY,
    "W",
    title="recorded runs do not all begin with the same call",
    failure="every recorded run begins with the same call",
    remedy="make that call in code before the first model call, and put its result into the first request",
    reaches="three recorded runs, each with a reply of a model",
)
def predictable_fetch_is_prefetched(lab: Lab) -> None:
    """A call that is always made first needs no model to decide on it: it costs a round trip and may be forgotten."""
    runs = lab.recordings
    if len(runs) < FEWEST:
        raise NotReached(f"{FEWEST} recorded runs are needed to say what they all begin with; there are {len(runs)}")
    call = common_call(runs, lab.scenario)
    decided_by_people = {*(lab.target.high_stakes or ()), *(lab.target.human or ()), lab.target.finish}
    assert call is None or call.name in decided_by_people, lab.seen(
        f"all {len(runs)} recorded runs begin with {call.name}({call.arguments})", runs[0].reach("model_reply")
    )


@on_recordings("F13-predictable-fetch-is-prefetched", together=True)
def recorded_fetch_is_prefetched(recording: Recording) -> str:
    """Of one agent, by its prompt and tools, and of different jobs: the same job again begins the same of course."""
    agents = [group for group in by_agent(recording.openings) if len({o.asked for o in group}) >= FEWEST]
    if not agents:
        raise NotReached(f"no agent in them has {FEWEST} runs, each of another job, from their beginning")
    for group in agents:
        call = alike(group)
        assert call is None, recording.seen_first(
            f"all {len(group)} runs of one agent begin with {call.name}({call.arguments})", *group[:FEWEST]
        )
    return f"{counted(agents, 'agent')} whose runs begin in different ways"
