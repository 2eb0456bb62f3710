"""Which few lines of configuration would decide the most checks."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from agentcheck.check import Severity
from agentcheck.finding import Finding, Outcome
from agentcheck.score import WEIGHT

TABLE: Final = "[tool.agentcheck]"
_WIDTH: Final = 80
_HEADER: Final = re.compile(r"\[+\s*(?P<name>[^\[\]]+?)\s*\]+")
_ONE_LINE: Final = re.compile(r"^(\[+[^\[\]]+\]+)[ \t]+(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to make untestable checks decidable; `config`: it is TOML of `[tool.agentcheck]`, else a sentence."""

    mend: str
    checks: tuple[str, ...]
    config: bool


def suggestions(findings: Iterable[Finding], severities: Mapping[str, Severity]) -> list[Suggestion]:
    """The mends of untestable findings, those first that decide the most checks."""
    decides: dict[str, set[str]] = {}
    for finding in findings:
        if finding.outcome is Outcome.UNTESTABLE and finding.mend.strip():
            decides.setdefault(finding.mend.strip(), set()).add(finding.check)

    def rank(item: tuple[str, set[str]]) -> tuple[int, int, str]:
        mend, ids = item
        return -len(ids), -sum(WEIGHT[severities.get(id, Severity.MAY)] for id in ids), mend

    return [
        Suggestion(mend, tuple(sorted(ids)), _blocks(mend) is not None)
        for mend, ids in sorted(decides.items(), key=rank)
    ]


def paste(suggested: Iterable[Suggestion], *, at_most: int = 6) -> tuple[str, tuple[str, ...]]:
    """The first suggestions that fit together as one piece of configuration, and the checks that it decides.

    A suggestion that sets a key differently from one before it is left out.
    """
    tables: dict[str, list[str]] = {}
    decided: set[str] = set()
    taken = 0
    for suggestion in suggested:
        merged = _merge(tables, _blocks(suggestion.mend)) if taken < at_most else None
        if merged is not None:
            tables, taken = merged, taken + (merged != tables)
            decided |= set(suggestion.checks)
    return _text(tables), tuple(sorted(decided))


def _merge(tables: dict[str, list[str]], blocks: list[tuple[str, str]] | None) -> dict[str, list[str]] | None:
    if blocks is None:
        return None
    merged = {header: list(lines) for header, lines in tables.items()}
    for header, lines in blocks:
        known = merged.setdefault(header, [])
        known += [lines] if lines not in known else []
    return merged if _parsed(_text(merged)) is not None else None


def _text(tables: Mapping[str, list[str]]) -> str:
    order = sorted(tables, key=lambda header: (header != TABLE, header))
    return "\n\n".join("\n".join([header, *(line for line in tables[header] if line)]) for header in order)


def _blocks(mend: str) -> list[tuple[str, str]] | None:
    """TOML as (header, lines) under [tool.agentcheck]; None where it is a sentence."""
    text = next((t for t in (mend, _ONE_LINE.sub(r"\1\n\2", mend)) if _parsed(t)), None)
    if text is None:
        return None
    blocks: list[tuple[str, list[str]]] = [(TABLE, [])]
    for line in text.strip().splitlines():
        header = _HEADER.fullmatch(line.strip())
        if header:
            blocks.append((_qualified(line.strip(), header["name"]), []))
        else:
            blocks[-1][1].append(_folded(line.rstrip()))
    return [(header, "\n".join(lines)) for header, lines in blocks if lines or header != TABLE]


def _qualified(header: str, name: str) -> str:
    inside = name == "tool.agentcheck" or name.startswith("tool.agentcheck.")
    return header if inside else header.replace(name, f"tool.agentcheck.{name}", 1)


def _folded(line: str) -> str:
    """A long line as several: its comment before it, an array with an item on each line, if it means the same."""
    if len(line) <= _WIDTH:
        return line
    said, _, comment = line.partition("  # ")
    if comment and _parsed(said) == _parsed(line):
        return f"# {comment}\n{_folded(said)}"
    if "[" not in line:
        return line
    start, _, items = line.partition("[")
    folded = f"{start}[\n    " + items.rstrip("] ").replace(", ", ",\n    ") + ",\n]"
    meant = _parsed(line)
    return folded if meant is not None and _parsed(folded) == meant else line


def _parsed(text: str) -> dict[str, object] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
