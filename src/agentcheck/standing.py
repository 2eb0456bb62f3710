"""How a saved run stands: its status, what it remembers, and whether two copies of it are two."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentcheck import canonical
from agentcheck.adapters.reducer import ReducerFailed, Remote, Snapshot
from agentcheck.conditions import PerSession
from agentcheck.faults import Raises, ToolFails
from agentcheck.finding import NotReached, Undecided
from agentcheck.lab import ELSEWHERE, HERE, Lab, Run, Stop
from agentcheck.pauses import finished, parked, resting, stops, taken_up
from agentcheck.reducer import Answer, Approved, Denied, Text
from agentcheck.resumptions import HELD, NOW, Places, insist_on_data
from agentcheck.scenario import HumanPlan
from agentcheck.stored import text
from agentcheck.trace import Event, Trace


@dataclass(frozen=True, slots=True)
class Standing:
    """A run's status, told by what it does next: as it was saved, and as it was loaded in a fresh process."""

    status: str  # waiting, running or finished
    saved: str
    loaded: str
    event: Event | None


def standing(lab: Lab) -> Iterator[Standing]:
    """The status of runs when they were saved, and after they were loaded in a fresh process."""
    yield from _of_reducer(lab) if lab.kind == "R" else _of_host(lab)


# --- status: of a host ------------------------------------------------------------------------------


def _of_host(lab: Lab) -> Iterator[Standing]:
    try:
        waiting = parked(lab)
    except Undecided:
        pass
    else:
        again = lab.resume(waiting, answers={})
        if again.status != "failed":  # to insist on an answer is a way to wait
            yield Standing("waiting", _does(waiting), _does(again), again.finished)
    for nth, _ in stops(lab):
        again = lab.resume(lab.run(stop=Stop(nth, ask=True), leave=True), answers={})
        if again.status != "failed":
            yield Standing("running", "goes on", _does(again), again.finished)
        break
    if lab.happy().status == "finished":
        again = lab.resume(lab.happy(), answers={})
        if again.status != "failed":
            yield Standing("finished", "is finished", f"is {again.status}", again.finished)


def _does(run: Run) -> str:
    resumed, ended = run.first("resumed"), run.finished
    if resumed is not None and run.first("tool_called", "model_request", after=resumed):
        return "goes on"
    if ended is not None and ended["status"] == "waiting" and ended["questions"]:
        return f"waits for {', '.join(sorted(q['id'] for q in ended['questions']))}"
    return f"is {run.status}"


# --- status: of a reducer ---------------------------------------------------------------------------


def _of_reducer(lab: Lab) -> Iterator[Standing]:
    """The next event, or after the end the last one again, given to the live state and to the loaded one.

    From the last state to the first, so that nothing that the fresh process sees comes from its own past.
    """
    run = lab.happy()
    insist_on_data(run)
    probes = [*run.events_fed, run.events_fed[-1]]
    with lab.reducer(HERE) as remote:
        states = [remote.order("start", trigger=run.plan.triggers[0][1])["state"]]
        for event in run.events_fed:
            states.append(remote.order("reduce", state=states[-1], event=event)["state"])
        live = [_reaction(remote, state, probe) for state, probe in zip(states, probes, strict=True)]
    saved = run.of("saved", session="main")
    with lab.reducer(ELSEWHERE) as remote:
        for at in reversed(range(len(run.snapshots))):
            snapshot = run.snapshots[at]
            loaded = _loaded_reaction(remote, snapshot, probes[at])
            yield Standing(_status(snapshot), live[at], loaded, saved[at])


def _status(snapshot: Snapshot) -> str:
    types = {command["type"] for command in snapshot.pending}
    return "waiting" if "AskHuman" in types else "running" if types - {"Finish"} else "finished"


def _loaded_reaction(remote: Remote, snapshot: Snapshot, probe: Mapping[str, Any]) -> str:
    try:
        state = remote.order("load", json=snapshot.state)["state"]
    except ReducerFailed as failed:
        return f"does not load ({failed})"
    return _reaction(remote, state, probe)


def _reaction(remote: Remote, state: int, probe: Mapping[str, Any]) -> str:
    try:
        commands = remote.order("reduce", state=state, event=probe)["commands"]
    except ReducerFailed as failed:
        return f"answers {probe['type']} with {failed.error['kind']}"
    return f"answers {probe['type']} with {', '.join(c['type'] for c in commands) or 'nothing'}"


def reloaded(lab: Lab, run: Run) -> Iterator[Any]:
    """Each state of a reducer's run, loaded in a fresh process and saved there again. Raises ReducerFailed."""
    with lab.reducer(ELSEWHERE) as remote:
        for snapshot in run.snapshots:
            yield remote.order("load", json=snapshot.state)["json"]


def doings_after_the_end(lab: Lab) -> tuple[list[str], Event | None]:
    """What a finished run does when it is taken up again in a fresh process, and where that is seen."""
    run = finished(lab)
    if lab.kind == "H":
        again = lab.resume(run, answers={})
        if again.status not in ("finished", "waiting"):
            taken_up(lab, resting(lab))  # a refusal says something only of a host that resumes at all
        done = again.of("model_request", "tool_called", "asked")
        return [str(e.get("tool") or e.type) for e in done], done[0] if done else again.finished
    insist_on_data(run)
    late = [*(e for e in run.events_fed if e["type"] == "HumanAnswered"), run.events_fed[-1]]
    late += [{"type": "TimePassed", "seconds": 86_400.0}, {"type": "Interrupted"}]
    with lab.reducer(ELSEWHERE) as remote:
        state = remote.order("load", json=run.snapshots[-1].state)["state"]
        orders = [order for event in late for order in _orders(remote, state, event)]
    return orders, run.finished


def _orders(remote: Remote, state: int, event: Mapping[str, Any]) -> list[str]:
    """The commands, other than the end, with which a state answers an event; an error is none."""
    try:
        commands = remote.order("reduce", state=state, event=event)["commands"]
    except ReducerFailed:
        return []
    return [f"{c['type']} after {event['type']}" for c in commands if c["type"] != "Finish"]


# --- forks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forked:
    """One of two resumptions of a snapshot in one process, and how it differs from what it is alone."""

    order: str  # first or second
    difference: str | None
    event: Event | None


def forks(lab: Lab) -> Iterator[Forked]:
    """A snapshot resumed twice in one process, each time with something else to learn.

    What differs is tried again with the clock held, since each resumption has a time of its own.
    """
    first = list(_forks(lab, NOW))
    yield from first if all(fork.difference is None for fork in first) else _forks(lab, HELD)


def _forks(lab: Lab, places: Places) -> Iterator[Forked]:
    alone, together = _reducer_forks(lab, places) if lab.kind == "R" else _host_forks(lab, places)
    for order, session, single in zip(("first", "second"), ("main", "fork"), alone, strict=True):
        one = canonical.story(_first_leg(single, "main"), lab.volatile)
        other = canonical.story(_first_leg(together, session), lab.volatile)
        yield Forked(order, canonical.difference(one, other), together.first("model_request", session=session))


def _reducer_forks(lab: Lab, places: Places) -> tuple[tuple[Run, Run], Run]:
    run, on = lab.run(machine=places.start, resume_on=places.start), places.elsewhere
    insist_on_data(run)
    calls = [(at, c) for at, s in enumerate(run.snapshots) for c in s.pending if c["type"] == "CallTool"]
    if not calls:
        raise NotReached("no tool was called, so two resumptions cannot be told apart", trace=run)
    at, tool = calls[0][0], calls[0][1]["call"]["name"]
    one, other = lab.marker("first fork"), lab.marker("second fork")
    both = PerSession((("main", one), ("fork", other)))
    alone = (lab.resume(run, at=at, on=on, returns={tool: one}), lab.resume(run, at=at, on=on, returns={tool: other}))
    return alone, lab.fork(run, at=at, on=on, returns={tool: both})


def _host_forks(lab: Lab, places: Places) -> tuple[tuple[Run, Run], Run]:
    run, on = resting(lab, places.start), places.elsewhere
    taken_up(lab, run)
    questions = run.finished["questions"] if run.finished is not None else []
    returns = {e["tool"]: e["value"] for e in lab.happy().of("tool_returned")}
    one, other = ({q["id"]: _answer(lab, q["kind"], order) for q in questions} for order in (1, 2))
    first, second = (lab.resume(run, answers=given, on=on, returns=returns) for given in (one, other))
    return (first, second), lab.fork(run, one, other, on=on, returns=returns)


def _answer(lab: Lab, kind: str, order: int) -> Answer:
    if kind == "approval":
        return Approved() if order == 1 else Denied(lab.marker("denied"))
    return Text(lab.marker(f"answer {order}"))


def _first_leg(run: Run, session: str) -> Trace:
    """What one process did in a session."""
    ended = run.first("finished", session=session)
    last = ended.seq if ended is not None else len(run)
    return Trace(events=[e for e in run if e.session == session and e.seq <= last])


# --- memory -----------------------------------------------------------------------------------------


def eventful(lab: Lab) -> tuple[Run, dict[str, str]]:
    """A run with a result, an error and, where a human can be asked, an answer; and the marker of each."""
    tool, markers = lab.tool, {what: lab.marker(f"history {what}") for what in ("result", "error", "answer")}
    turns, humans = [lab.call(tool), lab.call(tool)], []
    try:
        humans.append(HumanPlan(lab.human_tool(), Text(markers["answer"])))
        turns.append(lab.call(lab.human_tool()))
    except Undecided:
        del markers["answer"]
    broken = ToolFails(tool, Raises(markers["error"]), after=1)
    return lab.run(*turns, faults=broken, returns={tool: markers["result"]}, humans=humans), markers


def remembered(lab: Lab, run: Run) -> str:
    """All that can be read in the snapshot or store of a run, as it was left."""
    if lab.kind == "H":
        return text(run.stores["main"])
    insist_on_data(run)
    return json.dumps(run.snapshots[-1].state, ensure_ascii=False)
