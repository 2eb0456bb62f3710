"""Known failures: `agentcheck-expected.toml`, in which a stale entry fails the run.

[expected]
F09-error-is-compact = "the gateway trims errors; moving it here is planned"
F08-spend-is-capped = {reason = "budget comes with v2", expires = 2027-01-01}
"""

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from agentcheck.check import checks
from agentcheck.finding import Finding, Outcome
from agentcheck.profile import CURRENT
from agentcheck.score import combine


class ExpectedError(ValueError):
    """The file of known failures is not usable; the message says where and how to mend it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One known failure, and the last day on which it counts as one (None: no end)."""

    check: str
    reason: str
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """Findings against expectations.

    Args:
        expected: failures that are known, each with its reason.
        unexpected: all other failures, those of expired entries included.
        stale: entries whose check passes: to be removed, and a failure of the run until then.
        expired: entries whose check still fails after their last day.
    """

    expected: tuple[tuple[Finding, Expectation], ...] = ()
    unexpected: tuple[Finding, ...] = ()
    stale: tuple[Expectation, ...] = ()
    expired: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """The known failures of one project."""

    entries: tuple[Expectation, ...] = ()

    @classmethod
    def read(cls, path: Path, *, known: Collection[str] | None = None) -> "Expected":
        """Load `agentcheck-expected.toml`. Raises ExpectedError in one sentence.

        Args:
            known: the check ids that may be named; by default the profile's and all registered ones.
        """
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ExpectedError(f"{path}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ExpectedError(f"{path}: is not TOML: {error}") from None
        return cls.parse(data, where=str(path), known=known)

    @classmethod
    def parse(cls, data: Mapping[str, Any], *, where: str, known: Collection[str] | None = None) -> "Expected":
        """Known failures from the parsed form of their TOML. Raises ExpectedError."""
        stray = sorted(set(data) - {"expected"})
        if stray:
            raise ExpectedError(f"{where}: unknown key {stray[0]!r}; put check ids under [expected]")
        table = data.get("expected", {})
        if not isinstance(table, Mapping):
            raise ExpectedError(f'{where}: expected must be a table: [expected], then lines of check-id = "reason"')
        ids = set(known) if known is not None else set(CURRENT.checks) | {c.id for c in checks()}
        return cls(tuple(_entry(id, value, where, ids) for id, value in table.items()))

    def apply(self, findings: Iterable[Finding], today: date) -> Classification:
        """Sort failures into known and new ones, and entries into those that hold, are stale or expired."""
        seen: dict[str, list[Finding]] = {}
        for finding in findings:
            seen.setdefault(finding.check, []).append(finding)
        stale = tuple(e for e in self.entries if _outcome(seen.get(e.check, ())) is Outcome.PASS)
        failing = [e for e in self.entries if _outcome(seen.get(e.check, ())) is Outcome.FAIL]
        expired = tuple(e for e in failing if e.expires and today > e.expires)
        holding = {e.check: e for e in failing if e not in expired}
        failures = [f for found in seen.values() for f in found if f.outcome is Outcome.FAIL]
        return Classification(
            expected=tuple((f, holding[f.check]) for f in failures if f.check in holding),
            unexpected=tuple(f for f in failures if f.check not in holding),
            stale=stale,
            expired=expired,
        )


def _outcome(findings: Sequence[Finding]) -> Outcome | None:
    """The outcome that an entry is held against. A known failure stays one where another kind ended in an error."""
    outcomes = {f.outcome for f in findings}
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    return combine(outcomes) if outcomes else None


def _entry(id: str, value: Any, where: str, known: Collection[str]) -> Expectation:
    if id not in known:
        raise ExpectedError(f"{where}: no check is called {id!r}; {_nearest(id, known)}")
    if isinstance(value, str):
        value = {"reason": value}
    if not isinstance(value, Mapping):
        raise ExpectedError(f'{where}: {id}: expected "reason", or {{reason = "…", expires = 2027-01-01}}')
    stray = sorted(set(value) - {"reason", "expires"})
    if stray:
        raise ExpectedError(f"{where}: {id}: unknown key {stray[0]!r}; the keys are reason, expires")
    reason, expires = value.get("reason"), value.get("expires")
    if not isinstance(reason, str) or not reason.strip():
        raise ExpectedError(f"{where}: {id}: say in reason, as text, why this failure is accepted for now")
    if expires is not None and (not isinstance(expires, date) or isinstance(expires, datetime)):
        raise ExpectedError(f"{where}: {id}: expires must be a date without quotes, such as 2027-01-01")
    return Expectation(id, reason, expires)


def _nearest(id: str, known: Collection[str]) -> str:
    close = get_close_matches(id, sorted(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else "`agentcheck list` names all checks"
