"""The report document: the product of a session, of which everything else is a rendering."""

import json
import os
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import agentcheck
from agentcheck.check import Check
from agentcheck.check import checks as registered
from agentcheck.expected import Classification, Expectation
from agentcheck.finding import Finding, Outcome
from agentcheck.profile import CURRENT, Profile
from agentcheck.render.markdown import markdown
from agentcheck.score import Scorecard, decided, score
from agentcheck.suggest import paste, suggestions

SCHEMA: Final = "agentcheck/report/1"
MESSAGE_LIMIT: Final = 20_000  # characters; the trace holds the rest
EVIDENCE_LIMIT: Final = 4_000
_NOTHING_EXPECTED: Final = Classification()


class ReportError(Exception):
    """A report cannot be built or written; the message says why and how to mend it, in one sentence."""


def build(
    findings: Sequence[Finding],
    *,
    target: Mapping[str, Any],
    checks: Iterable[Check] | None = None,
    profile: Profile = CURRENT,
    expected: Classification = _NOTHING_EXPECTED,
    selected: Collection[str] | None = None,
    environment: Mapping[str, Any] | None = None,
    assumptions: Sequence[str] = (),
    started: datetime | None = None,
    seconds: float | None = None,
    recordings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The report of one session on one target, as plain JSON data (schema "agentcheck/report/1").

    Args:
        findings: one for each check and kind that was judged.
        target: name, kind, and framework where there is one.
        checks: where the metadata of the findings' checks is found; by default all registered ones.
        expected: the findings held against `agentcheck-expected.toml`.
        selected: ids of the checks that were asked for; kept where the profile has others.
        environment: what it ran on; by default the Python and the system.
        assumptions: sentences on what agentcheck assumed, such as the default task.
        started: the only date in the document.
        seconds: wall time of the session.
        recordings: of an audit: what each recording holds, and its findings.

    Raises:
        ReportError: a finding is of a check that nobody registered.
    """
    known = {c.id: c for c in (registered() if checks is None else checks)}
    _all_known(findings, known)
    suggested = suggestions(findings, {id: c.severity for id, c in known.items()})
    config, decides = paste(suggested)
    reasons = {(f.check, f.kinds): e.reason for f, e in expected.expected}
    card = score(findings, profile)
    document = {
        "schema": SCHEMA,
        "agentcheck": agentcheck.__version__,
        "target": dict(target),
        "profile": card.profile,
        **_scores(card),
        "decided": decided(findings),
        "findings": [_finding(f, known[f.check], reasons) for f in _in_order(findings, profile)],
        "expected": _expected(expected),
        "suggestions": [{"mend": s.mend, "decides": s.checks, "config": s.config} for s in suggested],
        "config": {"text": config, "decides": decides},
        "assumptions": list(assumptions),
        "environment": dict(_environment() if environment is None else environment),
        **({} if selected is None or set(profile.checks) <= set(selected) else {"selected": sorted(selected)}),
        **({} if started is None else {"started": started.isoformat(timespec="seconds")}),
        **({} if seconds is None else {"seconds": round(seconds, 3)}),
        **({} if recordings is None else {"recordings": dict(recordings)}),
    }
    return json.loads(json.dumps(document, default=str), parse_constant=str)  # type: ignore[no-any-return]


def write(report: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write agentcheck.json and agentcheck.md into `folder`, made where it is missing; each whole or not at all.

    Raises:
        ReportError: the folder cannot be made or written.
    """
    texts = {
        folder / "agentcheck.json": json.dumps(report, indent=2, ensure_ascii=False) + "\n",
        folder / "agentcheck.md": markdown(report),
    }
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in texts}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            _sync(drafts[path], text)
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:
        for draft in drafts.values():
            _discard(draft)
        raise ReportError(
            f"the report cannot be written to {folder}: {error.strerror or error}; "
            "name a folder that can be written with --agentcheck-report=DIR"
        ) from None
    json_path, markdown_path = texts
    return json_path, markdown_path


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the report document."""
    return json.loads((files(agentcheck) / "report.schema.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _sync(path: Path, text: str) -> None:
    # A lone surrogate, as in undecodable output of the agent, is written as its JSON escape.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _discard(draft: Path) -> None:
    # The folder may itself be what cannot be reached; the first error is the one to report.
    try:
        draft.unlink(missing_ok=True)
    except OSError:
        return


def _all_known(findings: Iterable[Finding], known: Mapping[str, Check]) -> None:
    stray = next((f.check for f in findings if f.check not in known), None)
    if stray is not None:
        raise ReportError(
            f"a finding is of check {stray!r}, which is not registered: import the module that defines it"
        )


def _scores(card: Scorecard) -> dict[str, Any]:
    return {
        "level": {"number": card.level.number, "name": card.level.name},
        "next": None
        if card.next is None
        else {"number": card.next.number, "name": card.next.name, "blocking": card.blocking},
        "share": _rounded(card.share),
        "factors": [
            {
                "factor": f.factor,
                "title": f.title,
                "status": f.status,
                "share": _rounded(f.share),
                "counts": dict(f.counts),
            }
            for f in card.factors
        ],
    }


def _finding(finding: Finding, check: Check, reasons: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "check": check.id,
        "factor": check.factor,
        "severity": check.severity,
        "kinds": finding.kinds or check.kinds,
        "outcome": finding.outcome,
        "statement": check.failure if finding.outcome is Outcome.FAIL else check.title,
        "message": _trimmed(finding.message, MESSAGE_LIMIT),
        "evidence": [_evidence(item) for item in finding.evidence],
        "trace": finding.trace,
        "reproduce": finding.reproduce or f"pytest --agentcheck --agentcheck-only --agentcheck-check {check.id}",
        "seconds": round(finding.seconds, 3),
        "mend": finding.mend,
        "why": check.why,
        "remedy": check.remedy,
        "source": check.source,
        "expected": reasons.get((finding.check, finding.kinds)) if finding.outcome is Outcome.FAIL else None,
    }


def _evidence(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "text": _trimmed(str(item.get("text", "")), EVIDENCE_LIMIT)}


def _expected(seen: Classification) -> dict[str, Any]:
    held = {e.check: e for _, e in seen.expected}
    groups = {"failures": held.values(), "stale": seen.stale, "expired": seen.expired}
    return {name: [_expectation(e) for e in entries] for name, entries in groups.items()}


def _expectation(entry: Expectation) -> dict[str, Any]:
    return {"check": entry.check, "reason": entry.reason, "expires": entry.expires and entry.expires.isoformat()}


def _in_order(findings: Iterable[Finding], profile: Profile) -> list[Finding]:
    place = {id: n for n, id in enumerate(profile.checks)}
    return sorted(
        findings,
        key=lambda f: (
            f.check[:3],
            place.get(f.check, len(place)),
            f.check,
            f.kinds,
            f.outcome,
            f.message,
            str(f.trace),
        ),
    )


def _environment() -> dict[str, str]:
    return {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _trimmed(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"
