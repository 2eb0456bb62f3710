"""Factor 5: unify execution state and business state."""

from agentcheck.check import Severity, check
from agentcheck.faults import TimesOut, ToolFails
from agentcheck.finding import NotReached, Untestable
from agentcheck.lab import Lab
from agentcheck.pauses import CAN_PAUSE, finished
from agentcheck.recall import facts, forgotten, how_ended, told
from agentcheck.recovery import effects, omitted, recoveries
from agentcheck.resumptions import resumptions, uninterrupted
from agentcheck.standing import eventful, forks, remembered, standing


@check(
    "F05-state-is-single",
    Severity.MUST,
    "RH",
    title="a resumed agent knows all that happened, from its snapshot or store alone",
    failure="what the agent knew is lost when only its snapshot or store is left",
    remedy="keep every fact of a run in the one state that is saved, and nothing beside it in memory or in other files",
    reaches="a model request after a resumption in a fresh process",
)
def state_is_single(lab: Lab) -> None:
    """State in two places comes apart: after a deployment or a crash the agent goes on with half of what it knew."""
    known, reached = facts(uninterrupted(lab)), 0
    for again in resumptions(lab):
        for reference, request in zip(again.references, again.requests, strict=False):
            lost = forgotten(known, reference.request, request.request)
            first = next(iter(lost), "")
            assert not lost, lab.seen(
                f"{again.where}, a request in a fresh process holds {len(lost)} of the known facts no more, "
                f"{first[:80]!r} among them",
                request,
            )
            reached += 1
        broke = lab.kind == "R" and len(again.requests) < len(again.references) and again.run.status == "failed"
        assert not broke, lab.seen(f"{again.where}, a fresh process breaks: {how_ended(again.run)}", again.run.finished)
    if not reached:
        raise NotReached("no model request followed a resumption", mend=CAN_PAUSE)


@check(
    "F05-status-is-derived",
    Severity.MUST,
    "RH",
    title="running, waiting and finished are the same after loading as before saving",
    failure="a loaded run has another status than the one that was saved",
    remedy="derive the status from the saved state whenever it is asked for, and keep no copy of it in memory",
    reaches="a finished run, loaded in a fresh process, and a waiting or running one",
)
def status_is_derived(lab: Lab) -> None:
    """A run that is waiting for approval and wakes up as running acts without it; one that is done starts again."""
    reached = set()
    for one in standing(lab):
        assert one.loaded == one.saved, lab.seen(
            f"saved while {one.status}, the run {one.saved}; loaded in a fresh process, it {one.loaded}", one.event
        )
        reached.add(one.status)
    if not reached & {"waiting", "running"} or "finished" not in reached:
        raise NotReached(f"only seen while {' and '.join(sorted(reached)) or 'nothing'}", mend=CAN_PAUSE)


@check(
    "F05-effects-match-state",
    Severity.MUST,
    "H",
    title="what the state says was done, and what was done, agree",
    failure="the state says that something was done which was not, or the other way round",
    remedy="write down that a call begins before it runs, and its result after it; where only the beginning is known, "
    "run it again under the same idempotency key, or say that the outcome is not known",
    reaches="a kill before and after every effect, a time-out that took effect, and the end of a run",
)
def effects_match_state(lab: Lab) -> None:
    """A state that marks work as done before it is done reports a deployment that never happened."""
    happy = finished(lab)
    happy.reach("effect")
    recovered = [r for r in recoveries(lab) if r.tool is not None and r.run.status == happy.status]
    if not recovered:
        raise Untestable("follows from F06-crash-loses-nothing: no run that was killed at a tool came to its end")
    for recovery in recovered:
        undone = omitted(happy, recovery)
        assert not undone, lab.seen(
            f"killed {recovery.where}: {', '.join(undone)} never took effect, and the agent goes on as if it had",
            recovery.killed,
            recovery.run.first("model_request", after=recovery.killed),
        )
    tool = lab.tool
    timed_out = lab.run(lab.call(tool), faults=ToolFails(tool, TimesOut(after_effect=True)))
    failed = timed_out.reach("tool_failed", tool=tool)
    count = sum(n for (name, _), n in effects(timed_out).items() if name == tool)
    assert count == 1, lab.seen(
        f"{tool} timed out after its effect, and one decision took effect {count} times", failed
    )


@check(
    "F05-forks-are-independent",
    Severity.MUST,
    "RH",
    title="two resumptions of one snapshot do not touch each other",
    failure="two resumptions of one snapshot see each other's doings",
    remedy="load each run into objects of its own; look for mutable default arguments and class attributes",
    reaches="one snapshot resumed twice in one process, each time with something else to learn",
)
def forks_are_independent(lab: Lab) -> None:
    """Trying a run again from a saved point (fork determinism) is worth nothing if the first try leaks into it."""
    for fork in forks(lab):
        assert fork.difference is None, lab.seen(
            f"of two resumptions in one process, the {fork.order} is not what it is alone: {fork.difference}",
            fork.event,
        )


@check(
    "F05-history-is-complete",
    Severity.SHOULD,
    "RH",
    title="the snapshot holds every decision, result, error and answer that the model was shown",
    failure="the snapshot leaves out part of what happened",
    remedy="append every event to the saved history, errors and human answers too; what is large may be kept elsewhere "
    "in the store and referred to",
    reaches="a run with a result, an error and, where a human can be reached, an answer",
)
def history_is_complete(lab: Lab) -> None:
    """What is not in the history cannot be explained afterwards, nor be used when the run is taken up again."""
    run, markers = eventful(lab)
    held = remembered(lab, run)
    shown = "\n".join(told(request.request) for request in run.requests())
    reached = {what: text for what, text in markers.items() if text in shown}
    if not reached:
        raise NotReached("the model was shown none of the results, errors and answers of the run", trace=run)
    if not any(fact in held for fact in facts(run)):
        raise Untestable(
            "the snapshot cannot be read: none of the facts of the run are in it as text",
            mend="Keep the history as text, such as JSON, in the store; or declare the reducer of this host.",
        )
    for what, text in reached.items():
        assert text in held, lab.seen(
            f"the {what} {text!r} was shown to the model and is not in the snapshot", run.finished
        )
