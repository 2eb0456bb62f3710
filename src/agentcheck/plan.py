"""The conditions of a run, and the run itself: a trace from which one can go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agentcheck.adapters.reducer import Snapshot
from agentcheck.conditions import Silence, Stop
from agentcheck.faults import NO_FAULTS, Faults
from agentcheck.model import Model
from agentcheck.order import Order
from agentcheck.process import Machine
from agentcheck.scenario import HumanPlan, Turn
from agentcheck.trace import Trace

HERE: Final = Machine()
ELSEWHERE: Final = Machine(hash_seed=2, folder="b")
FAR: Final = Machine(hash_seed=2, folder="b", zone="NPT-5:45", host_name="agentcheck-far", bare=True)


@dataclass(frozen=True)
class Plan:
    """The conditions of one run. Equal plans give the same run."""

    turns: tuple[Turn, ...] | None = None
    then: Turn | None = None
    faults: Faults = NO_FAULTS
    habit: str | None = None  # of the model, see agentcheck.model_habits
    returns: tuple[tuple[str, Any], ...] = ()
    humans: tuple[HumanPlan, ...] | Silence | None = None
    triggers: tuple[tuple[str, Any], ...] = ()
    interleaved: bool = False
    order: Order | None = None  # of sessions that are in flight at once; interleaved stands for Order.MIDDLE
    threads: bool = False  # an async function's sessions, too, are in threads of their own, each with its loop
    machine: Machine = HERE
    resume_on: Machine = HERE
    stop: Stop | None = None
    veto: str | None = None
    saves: bool = False  # a host tells of each write to its store
    leave: bool = False
    context: bool = False
    watch: bool = False
    again: int = 0  # the same once more: what is left to chance falls out anew

    @property
    def sessions(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.triggers)

    @property
    def at_once(self) -> dict[str, Any]:
        """How the sessions go on, as the stage is told."""
        order = self.order or (Order.MIDDLE if self.interleaved else None)
        return {"order": order, "threads": self.threads}


class Run(Trace):
    """A trace, and what is needed to go on from where it stands."""

    plan: Plan
    model: Model
    stores: dict[str, Path]  # of a host: session -> its store as the run left it
    snapshots: list[Snapshot]  # of a reducer: after every step
    events_fed: list[Mapping[str, Any]]  # of a reducer: all events, in order
    files: tuple[str, ...] = ()  # that the agent read: of its project any, elsewhere data
    ledger: dict[str, Any]

    def __init__(self, path: Path | None, name: str, plan: Plan):
        super().__init__(path, run=name)
        self.plan = plan
        self.stores, self.snapshots, self.events_fed, self.ledger = {}, [], [], {}
