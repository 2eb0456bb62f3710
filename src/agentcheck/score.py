"""The rules of judgement, in one place: findings in, scorecard out. Pure.

Green is never the default: what could not be seen, or was not run, counts in the denominator and
never as passed; only what does not concern the target weighs nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agentcheck.check import FACTORS, Severity
from agentcheck.finding import Finding, Outcome
from agentcheck.profile import CURRENT, Level, Profile

WEIGHT: Final = {Severity.MUST: 10, Severity.SHOULD: 5, Severity.MAY: 2}
NOT_RUN: Final = "not_run"
_WORST_FIRST: Final = (Outcome.ERROR, Outcome.FAIL, Outcome.UNTESTABLE, Outcome.PASS, Outcome.NOT_APPLICABLE)


class Status(StrEnum):
    VERIFIED = "verified"
    VIOLATED = "violated"
    UNPROVEN = "unproven"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FactorScore:
    """One factor. `share` is passed weight over applicable weight, 0 to 1; None where nothing applies.

    `counts` says how many of the profile's checks had each outcome, and how many were `not_run`.
    """

    factor: int
    status: Status
    share: float | None
    counts: Mapping[str, int]

    @property
    def title(self) -> str:
        return FACTORS[self.factor]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All factors, the level that they reach, and what keeps the target from the next one."""

    profile: str
    level: Level
    next: Level | None
    blocking: tuple[int, ...]
    share: float | None
    factors: tuple[FactorScore, ...]

    def factor(self, number: int) -> FactorScore:
        return next(f for f in self.factors if f.factor == number)


def score(findings: Iterable[Finding], profile: Profile = CURRENT) -> Scorecard:
    """Judge findings by a profile. Findings of checks that the profile does not hold carry no weight."""
    outcomes = _by_check(findings)
    factors = tuple(_factor(number, profile, outcomes) for number in FACTORS)
    level, following, blocking = _level(factors, profile.levels)
    return Scorecard(profile.id, level, following, blocking, _share(profile.checks, outcomes), factors)


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """The one outcome of a check that was judged several times: the worst. Raises ValueError on none at all."""
    seen = set(outcomes)
    if not seen:
        raise ValueError("no outcome to combine: a check without a finding was not run")
    return next(outcome for outcome in _WORST_FIRST if outcome in seen)


def decided(findings: Iterable[Finding]) -> int:
    """How many findings are a verdict: pass or fail."""
    return sum(f.outcome in (Outcome.PASS, Outcome.FAIL) for f in findings)


def _by_check(findings: Iterable[Finding]) -> dict[str, Outcome]:
    grouped: dict[str, list[Outcome]] = {}
    for finding in findings:
        grouped.setdefault(finding.check, []).append(finding.outcome)
    return {id: combine(outcomes) for id, outcomes in grouped.items()}


def _factor(number: int, profile: Profile, outcomes: Mapping[str, Outcome]) -> FactorScore:
    checks = {id: severity for id, severity in profile.checks.items() if int(id[1:3]) == number}
    share = _share(checks, outcomes)
    counts = Counter(str(outcomes.get(id, NOT_RUN)) for id in checks)
    return FactorScore(
        factor=number,
        status=_status(checks, outcomes, share),
        share=share,
        counts={name: counts[name] for name in (*Outcome, NOT_RUN)},
    )


def _status(checks: Mapping[str, Severity], outcomes: Mapping[str, Outcome], share: float | None) -> Status:
    if any(outcomes.get(id) is Outcome.ERROR for id in checks):
        return Status.ERROR
    if share is None:
        return Status.NOT_APPLICABLE
    musts = {outcomes.get(id) for id, severity in checks.items() if severity is Severity.MUST}
    musts.discard(Outcome.NOT_APPLICABLE)
    if Outcome.FAIL in musts:
        return Status.VIOLATED
    if musts:
        return Status.VERIFIED if musts == {Outcome.PASS} else Status.UNPROVEN
    return Status.VERIFIED if share >= 0.5 else Status.UNPROVEN


def _share(checks: Mapping[str, Severity], outcomes: Mapping[str, Outcome]) -> float | None:
    applicable = {id: WEIGHT[s] for id, s in checks.items() if outcomes.get(id) is not Outcome.NOT_APPLICABLE}
    if not applicable:
        return None
    return sum(w for id, w in applicable.items() if outcomes.get(id) is Outcome.PASS) / sum(applicable.values())


def _level(factors: Sequence[FactorScore], levels: Sequence[Level]) -> tuple[Level, Level | None, tuple[int, ...]]:
    status = {f.factor: f.status for f in factors}
    reached = levels[0]
    for level in levels[1:]:
        blocking = tuple(n for n in level.factors if status[n] not in (Status.VERIFIED, Status.NOT_APPLICABLE))
        if blocking:
            return reached, level, blocking
        reached = level
    # A target that nothing applies to has proved nothing.
    if Status.VERIFIED not in {status[n] for level in levels for n in level.factors}:
        return levels[0], levels[1], ()
    return reached, None, ()
