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
    """At the nth crossing of a boundary: kill the process, or ask it to stop.

    `when` is "before" (nothing has happened yet) or "after" (it has, but the agent does not know).
    Asked to stop (`ask`), the agent hears of it with the answer to that crossing. `then` is a
    further stop: crossings are counted on through every resumption.
    """

    nth: int
    when: str = "before"
    ask: bool = False  # the host's own `interrupt`, or SIGTERM, instead of SIGKILL
    then: "Stop | None" = None


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
