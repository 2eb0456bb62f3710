"""Explain one check: what it requires and why, how it is judged, and how to mend a failure."""

import argparse
import textwrap
from collections.abc import Iterator
from typing import Final

from agentcheck import catalog
from agentcheck.check import FACTORS, KINDS, Check, Severity
from agentcheck.cli.errors import UserError
from agentcheck.finding import HarnessError

_WIDTH: Final = 80
_MEANING: Final = {
    Severity.MUST: "a failure violates the factor",
    Severity.SHOULD: "a failure is a warning and lowers the share",
    Severity.MAY: "a failure is a hint",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="such as F09-error-is-compact")


def run(options: argparse.Namespace) -> int:
    try:
        check = catalog.find(options.id.removeprefix("agentcheck::"), catalog.load_all())
    except (catalog.UnknownCheck, HarnessError) as error:
        raise UserError(str(error)) from None
    print("\n".join(_page(check)))
    return 0


def _page(check: Check) -> Iterator[str]:
    yield check.id
    yield f"Factor {check.factor}: {FACTORS[check.factor]}"
    yield f"{check.severity}: {_MEANING[check.severity]}"
    kinds = ", ".join(name for letter, name in KINDS.items() if letter in check.kinds)
    parts = {
        "Passes when": check.title,
        "Fails when": check.failure,
        "Why": check.why,
        "How to mend it": check.remedy,
        "How it is judged": f"on {kinds}; it counts only once the run has come to this: {check.reaches}",
        "Alone": f"pytest --agentcheck-only --agentcheck-check {check.id}",
        "Source": check.source,
    }
    for name, text in parts.items():
        yield ""
        yield name
        yield from _paragraphs(text)


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ""
        indent = "    "
        yield from textwrap.wrap(
            " ".join(paragraph.split()),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
