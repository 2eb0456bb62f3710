"""List all checks by factor, with severity and the kinds of target that each can judge."""

import argparse
import json
from itertools import groupby
from typing import Any

from agentcheck import catalog
from agentcheck.check import FACTORS, KINDS, Check
from agentcheck.cli.errors import UserError
from agentcheck.finding import HarnessError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--factor", type=int, choices=FACTORS, metavar="N", help="only this factor, 1 to 13")
    parser.add_argument("--json", action="store_true", help="as JSON, for other tools")


def run(options: argparse.Namespace) -> int:
    try:
        known = catalog.load_all()
    except HarnessError as error:
        raise UserError(error.message) from None
    checks = [c for c in known if options.factor in (None, c.factor)]
    print(json.dumps([as_data(c) for c in checks], indent=2) if options.json else "\n".join(_lines(checks)))
    return 0


def as_data(check: Check) -> dict[str, Any]:
    """What is public about a check, as JSON has it."""
    return {
        "id": check.id,
        "factor": check.factor,
        "severity": str(check.severity),
        "kinds": check.kinds,
        "title": check.title,
        "source": check.source,
    }


def _lines(checks: list[Check]) -> list[str]:
    lines = []
    for factor, group in groupby(checks, key=lambda c: c.factor):
        members = list(group)
        lines += [f"{factor:>2}  {FACTORS[factor]}", f"    {members[0].source}"]
        lines += [f"    {c.severity:<6} {_kinds(c)}  {c.id}" for c in members] + [""]
    legend = ", ".join(f"{letter} {name}" for letter, name in KINDS.items())
    return [*lines, f"{len(checks)} checks, judged on: {legend}.", "`agentcheck explain ID` says more."]


def _kinds(check: Check) -> str:
    return "".join(letter if letter in check.kinds else "-" for letter in KINDS)
