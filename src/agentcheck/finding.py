"""Outcomes, findings, and the three ways in which a check ends without a verdict of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a check ended; only pass and fail are verdicts."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    UNTESTABLE = "untestable"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found about one target.

    `evidence` points into the trace: each item is {"trace": path, "seq": int, "text": str}.
    """

    check: str
    outcome: Outcome
    message: str = ""
    evidence: tuple[Mapping[str, Any], ...] = ()
    trace: str | None = None
    reproduce: str = ""
    seconds: float = 0.0
    kinds: str = ""  # the kinds of target on which it was judged
    mend: str = ""  # of an untestable check: the line of config or code that would decide it


class Undecided(Exception):
    """A check ended without pass or fail. `message` is for the user, `mend` the line that would decide it."""

    outcome: Outcome

    def __init__(self, message: str, *, mend: str = "", trace: Any = None):
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.trace = trace


class NotApplicable(Undecided):
    """The requirement does not concern this target, which declared so."""

    outcome = Outcome.NOT_APPLICABLE


class Untestable(Undecided):
    """agentcheck could not see or reach what it needs. `mend` names what would make it decidable."""

    outcome = Outcome.UNTESTABLE


class NotReached(Untestable):
    """The run did not come to the point that the check is about."""


class HarnessError(Undecided):
    """agentcheck itself, or the way that it was set up, is at fault: no verdict on the agent."""

    outcome = Outcome.ERROR
