"""Where a run can be left and taken up again: pauses for a human, stops that were asked for, steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agentcheck.canonical import difference, story
from agentcheck.finding import NotApplicable, NotReached, Undecided, Untestable
from agentcheck.lab import ELSEWHERE, Lab, Run, Silence, Stop
from agentcheck.recall import how_ended, is_within
from agentcheck.reducer import Answer, Approved, Text
from agentcheck.scenario import Turn
from agentcheck.trace import Event, Trace

CAN_PAUSE: Final = (
    "Return Paused from launch: where a human is needed (name the tools: human = […], high_stakes = […]), "
    "or when the host's interrupt() is called or SIGTERM arrives."
)


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run taken up again in a fresh process.

    `reference` is what the model would have been asked had nobody stopped, or was asked last;
    `request` what it is asked after the resumption.
    """

    where: str
    run: Run
    reference: Event | None
    request: Event | None
    step: int = 0  # of a reducer


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


def parked(lab: Lab) -> Run:
    """A host's run that waits for a human who is silent. Raises Undecided where there is none."""
    for turns in _ways_to_a_human(lab):
        run = lab.run(*turns, humans=Silence())
        if run.status == "waiting" and run.finished is not None and run.finished["questions"]:
            return run
    declared = (lab.target.human, lab.target.high_stakes)
    if None not in declared and not any(declared):
        raise NotApplicable("declared: no tool reaches a human, and none needs approval")
    raise NotReached("no run paused for a human", mend=CAN_PAUSE)


def _ways_to_a_human(lab: Lab) -> list[tuple[Turn, ...]]:
    ways: list[tuple[Turn, ...]] = [()]
    for tool in (*(lab.target.high_stakes or ()), *(lab.target.human or ())):
        if tool in lab.tools and lab.can_call(tool):
            ways.append((lab.call(tool),))
    return ways


def resting(lab: Lab) -> Run:
    """A host's unfinished run that no process works on: parked, or stopped between two steps."""
    try:
        return parked(lab)
    except Undecided as undecided:
        for nth in range(1, len(crossings(lab, lab.happy())) + 1):
            run = lab.run(stop=Stop(nth, ask=True), leave=True)
            if run.status == "waiting":
                return run
        raise undecided


def stops(lab: Lab) -> Iterator[tuple[int, Run]]:
    """The host's runs that were asked to stop at a crossing, did so, and were resumed; with that crossing's number."""
    for nth in range(1, len(crossings(lab, lab.happy())) + 1):
        run = lab.run(stop=Stop(nth, ask=True))
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


def of_steps(lab: Lab) -> Iterator[tuple[int, Run]]:
    """The reducer's happy run, taken up in a fresh process after every step (from 0)."""
    run = lab.happy()
    insist_on_data(run)
    for at in range(len(run.snapshots)):
        yield at, lab.resume(run, at=at)


def insist_on_data(run: Run) -> None:
    """Raises Untestable where the reducer's states are not data, so that none can be taken elsewhere."""
    opaque = next((e for e in run.of("saved") if e["opaque"]), None)
    if opaque is not None:
        raise Untestable(f"follows from F06-snapshot-is-data: {opaque['opaque']}", trace=run)


def resumptions(lab: Lab) -> Iterator[Resumption]:
    """Every way to take the happy run up again that this target has."""
    if lab.kind == "R":
        yield from _of_reducer(lab)
    else:
        yield from _of_pauses(lab)
        yield from _of_stops(lab)


def _of_reducer(lab: Lab) -> Iterator[Resumption]:
    run = lab.happy()
    saved = run.of("saved", session="main")
    for at, again in of_steps(lab):
        yield Resumption(f"after step {at}", again, run.next_request(saved[at]), again.first("model_request"), at)


def _of_pauses(lab: Lab) -> Iterator[Resumption]:
    run = lab.run(resume_on=ELSEWHERE)
    for resumed in run.of("resumed"):
        earlier = run.of("model_request", before=resumed)
        yield Resumption("after the pause", run, earlier[-1] if earlier else None, run.next_request(resumed))


def _of_stops(lab: Lab) -> Iterator[Resumption]:
    asked = lab.happy().requests()
    for nth, run in stops(lab):
        resumed = run.reach("resumed", after=run.first("probe", name="asked_to_stop"))
        place = len(run.of("model_request", before=resumed))
        reference = asked[place] if place < len(asked) else None
        yield Resumption(f"after a stop at crossing {nth}", run, reference, run.next_request(resumed))


def differences(lab: Lab) -> Iterator[tuple[Resumption, str | None]]:
    """Every resumption, and how the run from there on differs from one that nobody interrupted."""
    happy = lab.happy()
    for taken_up in resumptions(lab):
        run = taken_up.run
        if lab.kind == "R":
            yield taken_up, _rest_differs(lab, happy, taken_up)
        elif run.first("probe", name="asked_to_stop"):
            yield taken_up, lab.difference(happy, run)
        else:
            yield taken_up, _pause_shows(taken_up) or lab.difference(happy, run)


def _rest_differs(lab: Lab, happy: Run, taken_up: Resumption) -> str | None:
    at = taken_up.step
    rest = Trace(events=happy.of(after=happy.of("saved", session="main")[at]))
    return difference(story(rest, lab.target.volatile), story(taken_up.run, lab.target.volatile))


def _pause_shows(taken_up: Resumption) -> str | None:
    """What a pause did to the messages, where they only ever grew before it; or to the run itself."""
    run, before, after = taken_up.run, taken_up.reference, taken_up.request
    if run.status in ("failed", "exited", "timeout"):
        return f"the resumed run ended {how_ended(run)}"
    if before is None or after is None:
        return None
    earlier = run.of("model_request", before=before)
    grew = bool(earlier) and is_within(earlier[-1].request, before.request)
    if grew and not is_within(before.request, after.request):
        return "the next request no longer begins with the messages of the one before the pause, as all did before"
    return None
