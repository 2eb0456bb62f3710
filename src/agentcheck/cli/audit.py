"""Judge recordings that are there already, with no agent: what their requests show, file by file."""

import argparse
import json
import os
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agentcheck import catalog
from agentcheck.check import Check
from agentcheck.cli.errors import UserError
from agentcheck.finding import Finding, HarnessError

if TYPE_CHECKING:
    from agentcheck.target import Limits

VIOLATED: Final = 1
UNDECIDED: Final = 12  # as in pytest: the checks decided nothing


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a recording, or a folder to search")
    parser.add_argument("--check", metavar="ID", action="append", default=[], help="only this check; may be repeated")
    parser.add_argument("--factor", metavar="N", action="append", default=[], type=int, help="only the checks of N")
    parser.add_argument("--strict", action="store_true", help="exit 1 on SHOULD and MAY too")
    parser.add_argument("--report", metavar="DIR", type=Path, help="write agentcheck.json and agentcheck.md into DIR")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="list all, and cut nothing short")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="only violations and the scorecard")


def run(options: argparse.Namespace) -> int:
    """0: no MUST is violated; 1: one is, or a file is broken; 12: nothing was decided."""
    from agentcheck.report import ReportError, write

    try:
        document = _document(options)
        if options.report:
            write(document, options.report)
    except (HarnessError, catalog.UnknownCheck, ReportError) as error:
        raise UserError(str(error)) from None
    _show(document, options)
    return _status(document, strict=options.strict)


def _document(options: argparse.Namespace) -> dict[str, Any]:
    from agentcheck import report
    from agentcheck.audit import Audit

    started = datetime.now(UTC)
    checks = _checks(options)
    audit = Audit(options.paths, checks, limits=_limits())
    return report.build(
        [_complete(finding, options.paths) for finding in audit.findings()],
        target={k: v for k, v in audit.describe().items() if k != "recordings"},
        selected=[check.id for check in checks],
        started=started,
        seconds=(datetime.now(UTC) - started).total_seconds(),
        recordings=audit.as_data(),
    )


def _checks(options: argparse.Namespace) -> list[Check]:
    known = [check for check in catalog.load_all() if "W" in check.kinds]
    if not options.check and not options.factor:
        return known
    chosen = catalog.select(known, ids=options.check, factors=options.factor)
    if not chosen:
        factors = sorted({check.factor for check in known})
        raise UserError(f"no check of that factor is judged on recordings; those are of {', '.join(map(str, factors))}")
    return chosen


def _limits() -> "Limits":
    """The budgets of the project in whose folder this runs."""
    from agentcheck.config import ConfigError, load

    try:
        return load(Path.cwd()).budgets()
    except ConfigError as error:
        raise UserError(str(error)) from None


def _complete(finding: Finding, paths: list[Path]) -> Finding:
    command = shlex.join(["agentcheck", "audit", *map(str, paths), "--check", finding.check])
    return replace(finding, reproduce=command)


def _show(document: dict[str, Any], options: argparse.Namespace) -> None:
    from agentcheck.render import terminal
    from agentcheck.render.text import Paper, printer

    if options.json:
        print(json.dumps(document, indent=2))
        return
    where = str(options.report) if options.report else ""
    paper, emit = Paper.of(sys.stdout), printer(sys.stdout, os.environ)
    terminal.write(document, emit, paper=paper, verbosity=options.verbose - options.quiet, where=where)


def _status(document: dict[str, Any], *, strict: bool) -> int:
    broken = document["recordings"]["counts"]["broken"]
    bad = [f for f in document["findings"] if f["outcome"] == "error" or _counts(f, strict=strict)]
    return VIOLATED if bad or broken else 0 if document["decided"] else UNDECIDED


def _counts(finding: dict[str, Any], *, strict: bool) -> bool:
    return finding["outcome"] == "fail" and (strict or finding["severity"] == "MUST")
