"""Factor 6: launch, pause, resume with simple APIs."""

from itertools import chain

from agentcheck.canonical import excerpt
from agentcheck.check import Severity, check
from agentcheck.consumption import deliveries
from agentcheck.crash_points import described
from agentcheck.finding import NotReached, Untestable
from agentcheck.lab import Lab
from agentcheck.legacy import old_snapshots, refusal, shown
from agentcheck.pauses import CAN_PAUSE, finished, insist_on_resuming, resting, stopped_at_a_choice, taken_up
from agentcheck.recall import how_ended
from agentcheck.recovery import (
    ended_otherwise,
    in_new_process,
    may_repeat,
    omitted,
    recoveries,
    repeated,
    second_kill,
)
from agentcheck.resumptions import differences, insist_on_annotation
from agentcheck.spoiling import spoiled
from agentcheck.standing import doings_after_the_end, reloaded
from agentcheck.stored import code


@check(
    "F06-snapshot-is-data",
    Severity.MUST,
    "RH",
    title="the snapshot is data, and loads in a fresh process",
    failure="the snapshot is not plain data",
    remedy="save JSON, or bytes that hold no code: leave clients, locks and functions out of the state",
    reaches="a snapshot of a run, loaded in a fresh process",
)
def snapshot_is_data(lab: Lab) -> None:
    """A pickle breaks when a class moves, runs whatever somebody wrote into it, and no other program can read it."""
    if lab.kind == "H":
        run = resting(lab)
        named = code(run.stores["main"])
        assert named is None, lab.seen(f"the store is no plain data: {named}", run.finished)
        taken_up(lab, run)
        return
    run = lab.happy()
    insist_on_annotation(run)
    opaque = next((e for e in run.of("saved") if e["opaque"]), None)
    assert opaque is None, lab.seen(f"a state is no plain data: {opaque and opaque['opaque']}", opaque)
    for at, loaded in enumerate(reloaded(lab, run)):
        state = run.snapshots[at].state
        assert loaded == state, lab.seen(
            f"after step {at}, the state loads as another: {excerpt(str(state), str(loaded))}"
        )


@check(
    "F06-resume-continues",
    Severity.MUST,
    "RH",
    title="wherever a run is left and taken up again, its rest is that of the uninterrupted run",
    failure="a resumed run does not go on as the uninterrupted one does",
    remedy="save the state after each event, before anything else happens, and build the next request from it alone",
    reaches="a run that was left between steps, and resumed in a fresh process",
)
def resume_continues(lab: Lab) -> None:
    """Prefix continuation: pausing is only worth something if nobody can tell afterwards that there was a pause."""
    reached = 0
    for again, difference in differences(lab):
        assert difference is None, lab.seen(f"{again.where}: {difference}", *again.requests[:1], again.run.finished)
        reached += 1
    if not reached:
        raise NotReached("the host never paused, so nothing was resumed", mend=CAN_PAUSE)


@check(
    "F06-crash-loses-nothing",
    Severity.MUST,
    "H",
    title="killed at any point and resumed, a run comes to the same end, with each effect once",
    failure="a crash loses work, or does it twice",
    remedy="save the trigger before the first model request, each decision before it is carried out and each result "
    "after it; give tools an idempotency key, and where there is none say that the outcome is unknown instead of "
    "calling again",
    reaches="SIGKILL at each boundary and each write to the store, on two machines, and once more during recovery",
)
def crash_loses_nothing(lab: Lab) -> str:
    """Effect exactly-once: processes are killed every day, by deployments, by memory limits, by spot instances."""
    happy, unsaid = finished(lab), []
    insist_on_resuming(lab)
    for recovery in chain(recoveries(lab), second_kill(lab), in_new_process(lab)):
        for tool in repeated(happy, recovery.run):
            allowed = may_repeat(lab.target, tool)
            assert allowed is not False, lab.seen(
                f"killed {recovery.where}: {tool} took effect again after the resumption", recovery.killed
            )
            unsaid += [tool] if allowed is None else []
        undone = omitted(happy, recovery) if recovery.run.status == happy.status else []
        assert not undone, lab.seen(
            f"killed {recovery.where}: {', '.join(undone)} never took effect, and nobody was told", recovery.killed
        )
        otherwise = ended_otherwise(lab, happy, recovery)
        assert otherwise is None, lab.seen(
            f"killed {recovery.where}: the resumed run {otherwise}", recovery.killed, recovery.run.finished
        )
    if unsaid:
        raise Untestable(
            f"after a crash {unsaid[0]} is called again; whether it may be is not said",
            mend=f"[tool.agentcheck.tools.{unsaid[0]}]\nrepeatable = true  # it only reads; or key = …",
        )
    return described(lab)


@check(
    "F06-pause-before-effect",
    Severity.MUST,
    "H",
    title="a run can stop between choosing a tool and running it",
    failure="a tool that was chosen runs at once: nothing can come in between",
    remedy="make the choice of a tool one step and running it the next, and look for a stop or an approval in between",
    reaches="a stop or an approval asked for when the model has chosen a tool",
)
def pause_before_effect(lab: Lab) -> None:
    """Between the choice and the deed lies the only moment in which a human, or a budget, can still say no."""
    run, chosen, called = stopped_at_a_choice(lab)
    resumed = run.first("resumed", after=chosen)
    stopped = resumed is not None and resumed.seq < called.seq
    assert stopped, lab.seen(
        f"asked to stop when the model chose {called['tool']}, the host ran it first", chosen, called
    )
    asked_again = run.first("model_request", after=resumed)
    assert asked_again is None or asked_again.seq > called.seq, lab.seen(
        f"after the stop the choice of {called['tool']} was forgotten: the model was asked again", chosen, asked_again
    )


@check(
    "F06-resume-is-consumed-once",
    Severity.MUST,
    "H",
    title="an answer delivered twice in turn, or to three processes at once, acts once",
    failure="an answer that is delivered twice acts twice",
    remedy="take an answer only where its question still waits, in one transaction or under a lock",
    reaches="the same answer delivered twice to a run that waits for it, and to three processes at once",
)
def resume_is_consumed_once(lab: Lab) -> None:
    """Consume-once: chat platforms deliver a button press again when the reply is slow, and people press it twice."""
    for delivered in deliveries(lab):
        assert not delivered.too_much, lab.seen(
            f"one answer delivered {delivered.how}: {', '.join(delivered.too_much)} happened more than once",
            *delivered.run.of("effect", "model_request")[:1],
        )
        assert not delivered.too_little, lab.seen(
            f"one answer delivered {delivered.how}: {', '.join(delivered.too_little)} never happened",
            delivered.run.finished,
        )


@check(
    "F06-finished-stays-finished",
    Severity.MUST,
    "RH",
    title="a finished run does nothing when it is taken up again",
    failure="a finished run starts again when it is taken up",
    remedy="look at the saved state first: a run that is over answers with its result and orders nothing",
    reaches="a finished run, taken up again in a fresh process",
)
def finished_stays_finished(lab: Lab) -> None:
    """Queues deliver twice and operators resume what they find: a deployment that is done must not happen again."""
    done, event = doings_after_the_end(lab)
    assert not done, lab.seen(f"taken up again, the finished run went on: {', '.join(done[:3])}", event)


@check(
    "F06-corrupt-snapshot-is-refused",
    Severity.MUST,
    "H",
    title="a spoiled snapshot is refused with an error",
    failure="a spoiled snapshot is taken for a fresh start, or for a sound one",
    remedy="check what is loaded, its version too, and raise an error that names it; never create what is missing",
    reaches="an unfinished run, resumed from copies of its store that were spoiled in several ways",
)
def corrupt_snapshot_is_refused(lab: Lab) -> None:
    """Checkpoint validity: a full disk must not make an agent forget that it has already deployed."""
    refused = 0
    for case in spoiled(lab):
        if case.unharmed:
            continue
        event = case.run.first("model_request", "tool_called") or case.run.finished
        assert case.refused, lab.seen(
            f"with {case.what}, the host went on without a clear error: {how_ended(case.run)}", event
        )
        refused += 1
    if not refused:
        raise NotReached("no damage to the files of the store made a difference to the host")


@check(
    "F06-old-snapshot-loads",
    Severity.SHOULD,
    "RH",
    title="snapshots of an earlier version still go on",
    failure="a snapshot of an earlier version does not go on",
    remedy="give the state a version, and load each earlier one through a migration",
    reaches="the declared and the kept snapshots, loaded in a fresh process",
)
def old_snapshot_loads(lab: Lab) -> None:
    """Runs wait for humans for days: those that wait while a new version is rolled out must not be lost."""
    for path in old_snapshots(lab):
        refused, run = refusal(lab, path)
        assert refused is None, lab.seen(f"{shown(lab, path)} {refused}", run.finished if run else None)
