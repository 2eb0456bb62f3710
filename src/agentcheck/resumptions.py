"""Every way to take a run up again, and whether its rest is that of the uninterrupted run."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agentcheck.canonical import difference, story
from agentcheck.finding import Undecided, Untestable
from agentcheck.lab import CLOCK, ELSEWHERE, HERE, Lab, Machine, Run
from agentcheck.pauses import stops
from agentcheck.recall import how_ended, is_within
from agentcheck.scenario import Turn
from agentcheck.trace import Event, Trace


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run starts, and where it is taken up again."""

    start: Machine
    elsewhere: Machine


NOW: Final = Places(HERE, ELSEWHERE)
HELD: Final = Places(Machine(clock=CLOCK), Machine(hash_seed=2, clock=CLOCK))  # one instant, one folder


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run taken up again in a fresh process.

    `references` are what the model would have been asked had nobody stopped, or what it was asked
    last; `requests` what it is asked after the resumption.
    """

    where: str
    run: Run
    references: Sequence[Event]
    requests: Sequence[Event]
    step: int = 0  # of a reducer


def insist_on_annotation(run: Run) -> None:
    """Raises Untestable where the reducer's states are dataclasses or models, and nothing says which."""
    lacking = next((e for e in run.of("saved") if e["lacks"]), None)
    if lacking is not None:
        kind = lacking["lacks"]
        mend = f"Annotate it: def reduce(self, state: {kind}, event: Event) -> Step[{kind}]"
        raise Untestable(f"the state is of the type {kind}, and reduce does not say so", mend=mend, trace=run)


def insist_on_data(run: Run) -> None:
    """Raises Untestable where the reducer's states are not data, so that none can be taken elsewhere."""
    insist_on_annotation(run)
    opaque = next((e for e in run.of("saved") if e["opaque"]), None)
    if opaque is not None:
        raise Untestable(f"follows from F06-snapshot-is-data: {opaque['opaque']}", trace=run)


def resumptions(lab: Lab, places: Places = NOW) -> Iterator[Resumption]:
    """Every way to take the happy run up again that this target has."""
    if lab.kind == "R":
        yield from _of_steps(lab, places)
    else:
        yield from _of_pauses(lab, places)
        yield from _of_stops(lab, places)


def uninterrupted(lab: Lab, machine: Machine = HERE) -> Run:
    """The run that is taken up: the happy one; for a reducer, at least two results long.

    A reducer's pending request is part of its snapshot and was rendered before; only the one after
    it shows what the loaded state knows.
    """
    return lab.run(*_turns(lab), machine=machine, resume_on=machine)


def _turns(lab: Lab) -> tuple[Turn, ...]:
    if lab.kind == "R" and len(lab.happy().of("tool_returned")) < 2:
        with contextlib.suppress(Undecided):
            return (lab.call(), lab.call())
    return ()


def _of_steps(lab: Lab, places: Places) -> Iterator[Resumption]:
    run = uninterrupted(lab, places.start)
    insist_on_data(run)
    for at, saved in enumerate(run.of("saved", session="main")):
        again = lab.resume(run, at=at, on=places.elsewhere)
        yield Resumption(f"after step {at}", again, run.of("model_request", after=saved), again.requests(), at)


def _of_pauses(lab: Lab, places: Places) -> Iterator[Resumption]:
    run = lab.run(machine=places.start, resume_on=places.elsewhere)
    for resumed in run.of("resumed"):
        following = run.of("model_request", after=resumed)
        yield Resumption("after the pause", run, run.of("model_request", before=resumed)[-1:], following[:1])


def _of_stops(lab: Lab, places: Places) -> Iterator[Resumption]:
    asked = uninterrupted(lab, places.start).requests()
    for nth, run in stops(lab, places.start):
        resumed = run.reach("resumed", after=run.first("probe", name="asked_to_stop"))
        references = asked[len(run.of("model_request", before=resumed)) :]
        yield Resumption(f"after a stop at crossing {nth}", run, references, run.of("model_request", after=resumed))


# --- differences ------------------------------------------------------------------------------------


def differences(lab: Lab) -> Iterator[tuple[Resumption, str | None]]:
    """Every resumption, and how the run from there on differs from one that nobody interrupted.

    What only differs because time passed, or because another process has another hash seed and
    folder, is no matter of resuming: what differs is tried again with all of these held.
    Raises Untestable where undisturbed runs differ among themselves even then.
    """
    first = list(_differences(lab, NOW))
    if all(said is None for _, said in first):
        yield from first
        return
    held = list(_differences(lab, HELD))
    if any(said is not None for _, said in held):
        _insist_on_determinism(lab)
    yield from held


def _differences(lab: Lab, places: Places) -> Iterator[tuple[Resumption, str | None]]:
    machines = (places.start,) if places is NOW else (places.start, places.elsewhere)
    references = [uninterrupted(lab, machine) for machine in machines]
    if lab.kind == "H":
        yield from ((pause, _pause_shows(pause)) for pause in _of_pauses(lab, Places(places.start, places.start)))
    for taken_up in resumptions(lab, places):
        yield taken_up, _broke(taken_up.run) or _differs(lab, references, taken_up)


def _insist_on_determinism(lab: Lab) -> None:
    one = uninterrupted(lab, HELD.start)
    said = lab.difference(one, uninterrupted(lab, replace(HELD.start, folder="again")))
    if said is not None:
        raise Untestable(f"follows from F12-run-is-deterministic: two undisturbed runs differ: {said}", trace=one)


def _differs(lab: Lab, references: Sequence[Run], taken_up: Resumption) -> str | None:
    """Whether each part of the rest is that of a reference; what was saved as text may be of either machine."""
    rest = [_rest(lab, reference, taken_up) for reference in references]
    found = story(taken_up.run, lab.volatile)
    same = all(len(r) == len(found) for r in rest) and all(
        part in parts for part, *parts in zip(found, *rest, strict=True)
    )
    return None if same else difference(rest[0], found)


def _rest(lab: Lab, reference: Run, taken_up: Resumption) -> list[str]:
    if lab.kind == "H":
        return story(reference, lab.volatile)
    saved = reference.of("saved", session="main")
    events = reference.of(after=saved[taken_up.step]) if taken_up.step < len(saved) else []
    return story(Trace(events=events), lab.volatile)


def _broke(run: Run) -> str | None:
    return f"the resumed run ended {how_ended(run)}" if run.status in ("failed", "exited", "timeout") else None


def _done_again(run: Run) -> Event | None:
    """A call that carries out no decision, equal to one before a pause that did; None where there is none."""
    decided: list[Event] = []
    for called in run.of("tool_called"):
        if called["decision"] is not None:
            decided.append(called)
            continue
        before = [e for e in decided if (e["tool"], e["arguments"]) == (called["tool"], called["arguments"])]
        if any(run.of("resumed", after=earlier, before=called) for earlier in before):
            return called
    return None


def _pause_shows(pause: Resumption) -> str | None:
    """What a pause did to what was done, to the messages, where they only ever grew before it, or to the run itself."""
    again = _done_again(pause.run)
    if again is not None:
        return f"{again['tool']} ran again, though the model decided on it once and it had run before the pause"
    if not pause.references or not pause.requests:
        return _broke(pause.run)
    before, after = pause.references[0], pause.requests[0]
    earlier = pause.run.of("model_request", before=before)
    grew = bool(earlier) and is_within(earlier[-1].request, before.request)
    if grew and not is_within(before.request, after.request):
        return "the next request no longer begins with the messages of the one before the pause, as all did before"
    return _broke(pause.run)
