"""Where a host's run comes to rest before its end: at a human, or where it was asked to stop."""

import contextlib
from collections.abc import Iterator
from typing import Final

from agentcheck.finding import NotApplicable, NotReached, Undecided, Untestable
from agentcheck.lab import HERE, Lab, Machine, Run, Silence, Stop
from agentcheck.recall import how_ended
from agentcheck.reducer import Answer, Approved, Text
from agentcheck.scenario import Turn
from agentcheck.trace import Event

CAN_PAUSE: Final = (
    "Return Paused from launch: where a human is needed (name the tools: human = […], high_stakes = […]), "
    "or when the host's interrupt() is called or SIGTERM arrives."
)


def crossings(lab: Lab, run: Run) -> list[Event]:
    """The crossings of a run in the order in which a Stop counts them; asking a human is none."""
    human = lab.target.human or ()
    return [e for e in run.of("model_request", "tool_called") if e.get("tool") not in human]


def finished(lab: Lab) -> Run:
    """The happy run. Raises NotReached where it does not finish."""
    run = lab.happy()
    if run.status != "finished":
        raise NotReached(f"the undisturbed run does not finish: it is {run.status}", trace=run)
    return run


def parked(lab: Lab, machine: Machine = HERE) -> Run:
    """A host's run that waits for a human who is silent. Raises Undecided where there is none."""
    for turns in _ways_to_a_human(lab):
        run = lab.run(*turns, humans=Silence(), machine=machine, resume_on=machine)
        if run.status == "waiting" and run.finished is not None and run.finished["questions"]:
            return run
    declared = (lab.target.human, lab.target.high_stakes)
    if None not in declared and not any(declared):
        raise NotApplicable("declared: no tool reaches a human, and none needs approval")
    raise NotReached("no run paused for a human", mend=CAN_PAUSE)


def _ways_to_a_human(lab: Lab) -> list[tuple[Turn, ...]]:
    ways: list[tuple[Turn, ...]] = [()]
    stakes = [tool for tool in lab.target.high_stakes or () if lab.can_call(tool)]
    ways += [(lab.call(tool),) for tool in (*stakes, *(lab.target.human or ())) if tool in lab.tools]
    return ways


def resting(lab: Lab, machine: Machine = HERE) -> Run:
    """A host's unfinished run that no process works on: parked, stopped between two steps, or else killed."""
    try:
        return parked(lab, machine)
    except Undecided:
        last = len(crossings(lab, lab.happy()))
        for nth in range(1, last + 1):
            run = lab.run(stop=Stop(nth, ask=True), leave=True, machine=machine, resume_on=machine)
            if run.status == "waiting":
                return run
        return lab.run(stop=Stop(last), leave=True, machine=machine, resume_on=machine)


def taken_up(lab: Lab, run: Run) -> Run:
    """A resting run, answered and resumed in a fresh process. Raises Untestable where that does not work at all."""
    again = lab.resume(run, answers=answers(lab, run))
    if again.status not in ("finished", "waiting"):
        raise Untestable(f"follows from F06-resume-continues: the resumed run ended {how_ended(again)}", trace=again)
    return again


def insist_on_resuming(lab: Lab) -> None:
    """Raises Untestable where a parked run cannot be taken up: then nothing can, and that is one failure."""
    with contextlib.suppress(NotApplicable, NotReached):
        taken_up(lab, parked(lab))


def stops(lab: Lab, machine: Machine = HERE) -> Iterator[tuple[int, Run]]:
    """The host's runs that were asked to stop at a crossing, did so, and were resumed; with that crossing's number."""
    for nth in range(1, len(crossings(lab, lab.happy())) + 1):
        run = lab.run(stop=Stop(nth, ask=True), machine=machine, resume_on=machine)
        asked = run.first("probe", name="asked_to_stop")
        paused = run.first("finished", after=asked) if asked is not None else None
        if paused is not None and paused["status"] == "waiting" and not paused["questions"]:
            yield nth, run


def stopped_at_a_choice(lab: Lab) -> tuple[Run, Event, Event]:
    """A run that was to stop between the model's choice of a tool and the tool; with both events.

    The happy run where it pauses there by itself, for an approval; else one that was asked to stop.
    Raises NotReached where no tool was called, Untestable where the host knows no stop.
    """
    happy = lab.happy()
    called = [
        e for e in happy.of("tool_called") if e["decision"] is not None and e["tool"] not in (lab.target.human or ())
    ]
    for event in called:
        chosen = happy.events[event["decision"]]
        if happy.of("resumed", after=chosen, before=event):
            return happy, chosen, event
    if not called:
        raise NotReached("the model's choice ran no tool", trace=happy)
    first, asked = called[0], happy.of("model_request", before=happy.events[called[0]["decision"]])[-1]
    nth = crossings(lab, happy).index(asked) + 1
    run = lab.run(stop=Stop(nth, ask=True))
    chosen = run.reach("model_reply", after=run.first("probe", name="asked_to_stop"))
    ended = run.first("finished", after=chosen)
    if ended is not None and ended["status"] == "exited":
        raise Untestable("the host knows no stop: SIGTERM ended its process", mend=CAN_PAUSE, trace=run)
    return run, chosen, run.reach("tool_called", tool=first["tool"], after=chosen)


def answers(lab: Lab, run: Run) -> dict[str, Answer]:
    """An answer to every question that a run waits for: a yes, or a marked text."""
    asked = run.finished["questions"] if run.status == "waiting" and run.finished is not None else []
    said = {q["id"]: Approved() if q["kind"] == "approval" else Text(lab.marker("answer")) for q in asked}
    return dict(said)
