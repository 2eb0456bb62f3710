"""What every side of the world shares: its facts, the record of each crossing, and where a run is stopped."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from agentcheck import crash_words
from agentcheck.conditions import CutOff, Silence, Stop
from agentcheck.faults import (
    Faults,
)
from agentcheck.finding import Undecided
from agentcheck.meeting import Party
from agentcheck.messages import Request
from agentcheck.model import Model
from agentcheck.scenario import HumanPlan, Scenario
from agentcheck.target import Target
from agentcheck.tearing import Tearing
from agentcheck.trace import Event, Trace
from agentcheck.wire import Dialect, WireRequest


@dataclass
class Boundary:
    """The record of a run's crossings; everything is in the trace before it is answered."""

    target: Target
    scenario: Scenario
    trace: Trace
    model: Model
    faults: Faults = field(default_factory=Faults)
    returns: Mapping[str, Any] = field(default_factory=dict)
    humans: Sequence[HumanPlan] | Silence | None = None
    stop: Stop | None = None
    veto: str | None = None  # the tool of which the target's guard forbids every call
    bound: dict[str, dict[str, Any]] = field(default_factory=dict)  # tool -> what the stage said of it
    offered: dict[str, Any] = field(default_factory=dict)  # tool -> its spec on the wire
    ledger: dict[str, Any] = field(default_factory=dict)  # idempotency key -> the result given
    store: Path | None = None
    meeting: Party | None = None  # with other processes on the same store
    crossings: int = 0
    saves: int = 0  # writes to the store
    tearing: Tearing | None = None  # a write that was let through, to be torn at the next message
    stopping: bool = False  # the next answer tells the agent to stop
    problem: Undecided | None = None
    _tools_called: Counter[str] = field(default_factory=Counter)
    _called_in: Counter[tuple[str, str]] = field(default_factory=Counter)
    _model_called: Counter[str] = field(default_factory=Counter)
    _open: list[dict[str, Any]] = field(default_factory=list)  # decided calls that no tool has taken up
    _waiting: tuple[WireRequest, Dialect, Request, Event] | None = None
    _digest: str = ""

    def cross(self, what: str, when: str, *, count: bool = True) -> None:
        self.crossings += count
        stop = self.stop
        if stop is None or (stop.nth, stop.when) != (self.crossings, when):
            return
        point = crash_words.at_crossing(self.trace, what, when)
        if not stop.ask:
            self._cut(point)
        self.stop, self.stopping = stop.then, True
        self.trace.append("probe", name="asked_to_stop", value=point)

    def about_to_save(self, message: Mapping[str, Any]) -> None:
        """A write to the store is about to happen. Raises CutOff where the run is killed before it."""
        write = message["write"]
        self.saves += 1
        self._record(message, "probe", name="saving", value=write)
        stop = self.stop
        if stop is None or not stop.saves or stop.nth != self.saves:
            return
        if stop.when == "save":
            self._cut(crash_words.at_save(self.trace, write))
        assert self.store is not None, "only a host saves, and it has a store"
        self.tearing = Tearing.of(write, self.store, stop.when)

    def tear(self) -> None:
        """The write that was let through is done: leave half of it, and end the run. Raises CutOff."""
        torn, self.tearing = self.tearing, None
        if torn is not None and torn.tear():
            self._cut(crash_words.in_a_write(self.trace, torn))

    def _cut(self, point: str) -> NoReturn:
        stop, self.stop = self.stop, self.stop and self.stop.then
        assert stop is not None, "only a stop cuts a run off"
        raise CutOff(point, planned=True)

    def _record(self, message: Mapping[str, Any], type: str, /, **data: Any) -> Event:
        return self.trace.append(type, session=message.get("session", "main"), pid=message.get("pid", 0), **data)

    def answered(self, to: Event, type: str, /, **data: Any) -> Event:
        return self.trace.append(type, session=to.session, pid=to.pid, **data)

    def _note_save(self, message: Mapping[str, Any]) -> None:
        if self.store is None:
            return
        digest = folder_digest(self.store)
        if digest != self._digest:
            self._digest = digest
            self._record(message, "saved", digest=digest[:12])


def marker(name: str) -> str:
    """A short text that nothing else contains; the same for the same name."""
    return f"agentcheck-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def folder_digest(folder: Path) -> str:
    """A digest of all files of a store."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(("-shm", ".lock")):
            total.update(str(path.relative_to(folder)).encode())
            try:
                total.update(path.read_bytes())
            except OSError:  # gone between the listing and the reading
                continue
    return total.hexdigest()
