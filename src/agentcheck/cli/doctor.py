"""Say what can be tested on this target, and what would make the rest testable."""

import argparse
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agentcheck import catalog, suggest
from agentcheck.check import FACTORS, KINDS, Check
from agentcheck.cli.errors import UserError
from agentcheck.finding import Finding, HarnessError, Outcome

if TYPE_CHECKING:
    from agentcheck.config import Config
    from agentcheck.lab import Lab


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", metavar="MODULE:OBJECT", help="the agent; otherwise that of the configuration")
    parser.add_argument("--factor", type=int, choices=FACTORS, metavar="N", help="only the checks of this factor")


def run(options: argparse.Namespace) -> int:
    from agentcheck.config import ConfigError, load

    root = Path.cwd()
    try:
        config = load(root, target=options.target)
        if not config.named:
            raise UserError("no agent named: give --target package.module:object, or let `agentcheck init` find it")
        checks = [c for c in catalog.load_all() if options.factor in (None, c.factor)]
        with tempfile.TemporaryDirectory(prefix="agentcheck-") as folder:
            facts, findings = _judge(make_lab(config, rootdir=root, reports=Path(folder)), checks)
    except (ConfigError, HarnessError) as error:
        raise UserError(str(error)) from None
    print("\n".join(_page(facts, findings, checks)))
    return 1 if any(f.outcome is Outcome.ERROR for f in findings) else 0


def make_lab(config: "Config", *, rootdir: Path, reports: Path) -> "Lab":
    """The one place where this verb makes its lab. Raises HarnessError."""
    from agentcheck.lab import Lab

    return Lab(config, rootdir=rootdir, reports=reports)


def _judge(lab: "Lab", checks: Sequence[Check]) -> tuple[dict[str, object], list[Finding]]:
    try:
        findings = [lab.judge(check) for check in checks]
        return dict(lab.describe()), findings
    finally:
        lab.close()


def _page(facts: dict[str, object], findings: Sequence[Finding], checks: Sequence[Check]) -> Iterator[str]:
    count = Counter(f.outcome for f in findings)
    kinds = ", ".join(KINDS[letter] for letter in str(facts.get("kind", "")) if letter in KINDS)
    yield f"{facts.get('name', 'the target')} ({kinds or 'of no kind'}), checks:"
    yield f"  {count[Outcome.PASS] + count[Outcome.FAIL]:>3} decided"
    yield f"  {count[Outcome.NOT_APPLICABLE]:>3} not applicable"
    yield f"  {count[Outcome.UNTESTABLE]:>3} not testable yet"
    if count[Outcome.ERROR]:
        yield f"  {count[Outcome.ERROR]:>3} not judged, for a fault that is not the agent's"
    for note in cast(Sequence[str], facts.get("assumptions", ())):
        yield from _wrapped(f"Note: {note}")
    yield from _mends(findings, checks)
    hopeless = [f for f in findings if f.outcome is Outcome.UNTESTABLE and not f.mend.strip()]
    yield from _section("Not testable, with no line of configuration that would change it", hopeless)
    yield from _section("Not judged", [f for f in findings if f.outcome is Outcome.ERROR])


def _mends(findings: Sequence[Finding], checks: Sequence[Check]) -> Iterator[str]:
    """Each way to make checks decidable, the one that decides most first, and what of it can be pasted."""
    suggested = suggest.suggestions(findings, {c.id: c.severity for c in checks})
    for suggestion in suggested:
        yield ""
        yield f"Would decide {len(suggestion.checks)}:"
        yield textwrap.indent(suggestion.mend, "    ")
        yield from _wrapped("for " + ", ".join(suggestion.checks))
    config, decides = suggest.paste(suggested)
    if config:
        yield ""
        yield f"To paste into pyproject.toml or agentcheck.toml (decides {len(decides)}):"
        yield textwrap.indent(config, "    ")


def _section(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    if findings:
        yield ""
        yield f"{title}:"
    alike: dict[str, list[str]] = {}
    for finding in findings:
        alike.setdefault(finding.message, []).append(finding.check)
    for message, ids in alike.items():
        yield from _wrapped(f"{ids[0]}: {message}" if len(ids) == 1 else f"{message}: {', '.join(ids)}")


def _wrapped(text: str) -> list[str]:
    indent = "  "
    return textwrap.wrap(
        text, 80, initial_indent=indent, subsequent_indent=indent * 2, break_on_hyphens=False, break_long_words=False
    )
