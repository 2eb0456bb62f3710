"""Runs of a reducer: the lab is its host, step by step, in a process of the reducer's own."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentcheck.adapters.reducer import Driver, ReducerFailed, Remote, Snapshot
from agentcheck.conditions import CutOff
from agentcheck.finding import Untestable
from agentcheck.framing import Closed
from agentcheck.plan import Plan, Run
from agentcheck.process import Machine
from agentcheck.reducer import Answer, to_data
from agentcheck.stages import Stages
from agentcheck.trace import Trace
from agentcheck.world import World


def perform(stages: Stages, run: Run, world: World, plan: Plan) -> None:
    """Drive every session of the plan, one after another or in turn step by step."""
    if plan.stop is not None:
        raise Untestable(
            "agentcheck itself is the host of a bare reducer",
            mend='[tool.agentcheck]\nhost = "module:object"  # with launch and resume',
        )
    drivers: list[Driver] = []
    with opened(stages, plan.machine, world) as remote, ends_in(run):
        drivers += [Driver(remote, world, session=name, watch=plan.watch) for name, _ in plan.triggers]
        triggers = [trigger for _, trigger in plan.triggers]
        (_in_turns if plan.interleaved else _one_by_one)(drivers, triggers)
        if plan.context and world.target.context:
            run.append("probe", name="context", value=remote.order("view", state=drivers[0].state))
        remote.done()
    run.snapshots = [s for d in drivers[:1] for s in d.snapshots]
    run.events_fed = [e for d in drivers[:1] for e in d.events]


def resume(
    stages: Stages, run: Run, world: World, snapshot: Snapshot, answers: Mapping[str, Answer], machine: Machine
) -> None:
    """Load a snapshot in a fresh process, give it the answers, and go on."""
    with opened(stages, machine, world) as remote, ends_in(run):
        driver = Driver(remote, world)
        run.append("resumed", machine=machine)
        driver.load(snapshot)
        for id, answer in answers.items():
            run.append("answered", id=id, answer=to_data(answer))
            driver.pending = [c for c in driver.pending if c.get("id") != id]
            driver.feed(driver.answered(id, answer))
        driver.run()
        remote.done()
        run.snapshots, run.events_fed = driver.snapshots, driver.events


def resume_all(
    stages: Stages, run: Run, world: World, snapshot: Snapshot, sessions: Sequence[str], machine: Machine
) -> None:
    """Load a snapshot several times in one fresh process, and drive each to its end, one after another."""
    with opened(stages, machine, world) as remote, ends_in(run):
        drivers = [Driver(remote, world, session=name) for name in sessions]
        for driver in drivers:
            run.append("resumed", session=driver.session, machine=machine)
            driver.load(snapshot)
        for driver in drivers:
            driver.run()
        remote.done()


@contextlib.contextmanager
def opened(stages: Stages, machine: Machine, world: World) -> Iterator[Remote]:
    """The reducer in a fresh process, ready to be called."""
    with stages.on(machine).process({"kind": "R", "sessions": []}, machine, world) as fork:
        yield Remote(fork, world.target.limits.seconds, world.handle)


@contextlib.contextmanager
def ends_in(trace: Trace) -> Iterator[None]:
    """Whatever ends the reducer early is an event of the trace."""
    try:
        yield
    except ReducerFailed as failed:
        trace.append("finished", status="failed", error=failed.error)
    except CutOff as cut:
        trace.append("killed", point=cut.point)
    except TimeoutError:
        trace.append("finished", status="timeout")
    except Closed:
        trace.append("finished", status="exited")


def _one_by_one(drivers: Sequence[Driver], triggers: Sequence[Any]) -> None:
    for driver, trigger in zip(drivers, triggers, strict=True):
        driver.start(trigger)
        driver.run()


def _in_turns(drivers: Sequence[Driver], triggers: Sequence[Any]) -> None:
    for driver, trigger in zip(drivers, triggers, strict=True):
        driver.start(trigger)
    while any(d.pending and not d.over for d in drivers):
        for driver in drivers:
            if driver.pending and not driver.over:
                driver.step()
    for driver in drivers:
        driver.run()
