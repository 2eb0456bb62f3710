"""Conditions of a run that are no faults: where it is stopped, who is silent, what tools return."""

from dataclasses import dataclass
from typing import Any


class CutOff(Exception):
    """The lab ends the run here; `point` says where, for people. `planned`: a Stop asked for it."""

    def __init__(self, point: str, *, planned: bool = False):
        super().__init__(point)
        self.point = point
        self.planned = planned


@dataclass(frozen=True, slots=True)
class Stop:
    """At the nth crossing of a boundary, or the nth write to the store: kill the process, or ask it to stop.

    `when` is "before" (nothing has happened yet) or "after" (it has, but the agent does not know).
    Of a write: "save" (it does not happen), "emptied" and "torn" (it happens in part, see `agentcheck.tearing`).
    Asked to stop (`ask`), the agent hears of it with the answer to that crossing. `then` is a
    further stop: crossings are counted on through every resumption.
    """

    nth: int
    when: str = "before"
    ask: bool = False  # the host's own `interrupt`, or SIGTERM, instead of SIGKILL
    then: "Stop | None" = None

    @property
    def saves(self) -> bool:
        """Whether this, or a further stop, is at a write."""
        return self.when in ("save", "emptied", "torn") or (self.then is not None and self.then.saves)


@dataclass(frozen=True, slots=True)
class Silence:
    """The human plan of somebody who never answers."""


@dataclass(frozen=True, slots=True)
class InTurn:
    """What a tool returns call after call of a session; the last of them for ever."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PerSession:
    """What a tool returns in each session: pairs of session and value."""

    values: tuple[tuple[str, Any], ...]
