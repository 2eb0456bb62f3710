"""The report as Markdown, for a pull request or a wiki: agentcheck.md."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from agentcheck.check import FACTORS, KINDS
from agentcheck.render.recordings import SAYS, counted_formats, failing, others
from agentcheck.render.scorecard import headline, percent, remarks, shown
from agentcheck.render.text import clean

Row = Mapping[str, Any]
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]#!|~])")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
_LINKS: Final = re.compile(r"(?i)(:(?=//)|(?<=www)\.)")  # what GitHub makes links of, without any markup
_EVIDENCE_LIMIT: Final = 1_000
_EVIDENCE_ITEMS: Final = 5
_MOST_FILES: Final = 200


def markdown(report: Row) -> str:
    """The whole report as Markdown. Text from the agent is escaped, or stands in fenced blocks."""
    judged = (_violations, _warnings, _errors, _untestable, _not_applicable, _expected, _held)
    parts = (_head, _scorecard, _recordings, *judged, _by_recording)
    return "\n\n".join(block for part in parts for block in part(report)) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line: no markup, HTML, link, mention or table cell comes of it."""
    line = " ".join(clean(text).split())
    escaped = _SPECIAL.sub(r"\\\1", line).translate(_ENTITIES)
    return _LINKS.sub(lambda match: f"&#{ord(match[0])};", escaped)


def prose(text: str) -> str:
    """The words of a check's author, who may use Markdown but no HTML, on one line."""
    return " ".join(clean(text).split()).replace("&", "&amp;").replace("<", "&lt;")


def fenced(text: str, language: str = "text") -> str:
    """Text in a fenced block that it cannot end."""
    body = clean(text).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def _head(report: Row) -> Iterator[str]:
    target = report["target"]
    about = [target["kind"], *([target["framework"]] if target.get("framework") else [])]
    yield f"# agentcheck: {escape(target['name'])}"
    yield f"**{escape(headline(report))}**"
    facts = [f"Target: {escape(', '.join(about))}", f"agentcheck {escape(report['agentcheck'])}"]
    facts += [f"{escape(str(key))}: {escape(_short(value))}" for key, value in report["environment"].items()]
    facts += [f"Started: {escape(report['started'])}"] if "started" in report else []
    facts += [f"Note: {escape(sentence)}" for sentence in report["assumptions"]]
    yield _bullets(facts)


def _scorecard(report: Row) -> Iterator[str]:
    yield "## Scorecard"
    lines = [
        "| # | Factor | Status | Share | Pass | Fail | Untestable | Not applicable |",
        "|--:|:--|:--|--:|--:|--:|--:|--:|",
    ]
    for factor in shown(report):
        error = factor["status"] == "error"
        counts = [str(factor["counts"][name]) for name in ("pass", "fail", "untestable", "not_applicable")]
        status = "?" if error else factor["status"].replace("_", " ")
        share = "?" if error else percent(factor["share"])
        cells = [str(factor["factor"]), escape(factor["title"]), status, share, *counts]
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)
    yield from (escape(sentence) for sentence in remarks(report))


def _recordings(report: Row) -> Iterator[str]:
    known = report.get("recordings")
    if known is None:
        return
    yield f"## Recordings ({len(known['files']):,} files)"
    yield _bullets(f"{number:,} {escape(SAYS[status])}" for status, number in known["counts"].items() if number)
    rows = [f"| {' | '.join(map(escape, cells))} |" for cells in counted_formats(known)]
    yield "\n".join([rows[0], "|:--|--:|--:|--:|--:|", *rows[1:]])
    yield from map(escape, others(known))
    for status in ("broken", "skipped", "other"):
        files = [f"{escape(f['file'])}: {escape(f['why'])}" for f in known["files"] if f["status"] == status]
        if files:
            yield f"### {SAYS[status].capitalize()} ({len(files)})"
            yield _bullets([*files[:_MOST_FILES], *_more(len(files) - _MOST_FILES)])


def _by_recording(report: Row) -> Iterator[str]:
    """Where each recording fails, and what; all of it is in agentcheck.json."""
    files = failing(report["recordings"]) if "recordings" in report else []
    if files:
        yield f"## By recording ({len(files):,} of them fail a check)"
    for file in files[:_MOST_FILES]:
        yield f"#### {escape(file['file'])}"
        fails = [f for f in file["findings"] if f["outcome"] in ("fail", "error")]
        yield _bullets(f"`{f['check']}`: {escape(f['message'])}{_places(f)}" for f in fails)
    yield from _more(len(files) - _MOST_FILES)


def _places(finding: Row) -> str:
    """Where in the file: interaction and message."""
    places = [item["text"].removeprefix(f"{item['recording']}, ") for item in finding["evidence"]]
    return f" ({escape('; '.join(places))})" if places else ""


def _more(number: int) -> list[str]:
    return [f"and {number:,} more: all are in agentcheck.json"] if number > 0 else []


def _violations(report: Row) -> Iterator[str]:
    rows = [f for f in _with(report, "fail") if f["severity"] == "MUST" and f["expected"] is None]
    if rows:
        yield f"## Violations ({len(rows)})"
    for factor, group in groupby(rows, key=lambda row: int(row["factor"])):
        yield f"### Factor {factor}: {FACTORS[factor]}"
        for row in group:
            yield from _failure(row)


def _warnings(report: Row) -> Iterator[str]:
    rows = [f for f in _with(report, "fail") if f["severity"] != "MUST" and f["expected"] is None]
    if rows:
        yield f"## Warnings ({len(rows)})"
    for row in rows:
        yield from _failure(row)


def _failure(row: Row) -> Iterator[str]:
    judged = ", ".join(KINDS[k] for k in row["kinds"] if k in KINDS)
    yield f"#### `{row['check']}` ({row['severity']}, {judged})"
    yield prose(row["statement"])
    if row["message"]:
        yield fenced(row["message"])
    for item in row["evidence"][:_EVIDENCE_ITEMS]:
        yield f"Event {item['seq']}:" if isinstance(item.get("seq"), int) else "Evidence:"
        yield fenced(item["text"][:_EVIDENCE_LIMIT] + ("…" if len(item["text"]) > _EVIDENCE_LIMIT else ""))
    yield f"**Why it matters.** {prose(row['why'])}"
    yield f"**How to mend it.** {prose(row['remedy'])} ([source]({row['source']}))"
    yield fenced(row["reproduce"], "sh")


def _errors(report: Row) -> Iterator[str]:
    rows = _with(report, "error")
    if rows:
        yield f"## Not judged ({len(rows)})"
        yield "No verdict on the agent comes of these."
    for row in rows:
        yield f"#### `{row['check']}`"
        yield fenced(row["message"] or "no message")


def _untestable(report: Row) -> Iterator[str]:
    rows = _with(report, "untestable")
    if not rows:
        return
    yield f"## Not testable ({len(rows)})"
    yield "These are never counted as passed."
    config = report["config"]
    if config["text"]:
        number = len(config["decides"])
        yield f"These lines in `pyproject.toml` or `agentcheck.toml` would decide {number} of the checks:"
        yield fenced(config["text"], "toml")
    hints = [s for s in report["suggestions"] if not s["config"]]
    if hints:
        yield _bullets(f"{escape(s['mend'])} (decides {len(s['decides'])})" for s in hints)
    yield _bullets(f"`{row['check']}`: {escape(row['message'])}" for row in rows)


def _not_applicable(report: Row) -> Iterator[str]:
    rows = _with(report, "not_applicable")
    if rows:
        yield f"## Not applicable ({len(rows)})"
        yield _bullets(f"`{row['check']}`: {escape(row['message'])}" for row in rows)


def _expected(report: Row) -> Iterator[str]:
    says = {
        "failures": "fails as expected: {reason}",
        "stale": "is stale, it passes now: remove the entry",
        "expired": "expired on {expires} and still fails: {reason}",
    }
    entries = [
        f"`{entry['check']}` {escape(sentence.format(**entry))}"
        for name, sentence in says.items()
        for entry in report["expected"][name]
    ]
    if entries:
        yield f"## Known failures ({len(entries)})"
        yield _bullets(entries)


def _held(report: Row) -> Iterator[str]:
    rows = _with(report, "pass")
    if rows:
        yield f"## Held ({len(rows)})"
        yield _bullets(f"`{row['check']}`: {prose(row['statement'])}" for row in rows)


def _with(report: Row, outcome: str) -> list[Row]:
    return [f for f in report["findings"] if f["outcome"] == outcome]


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value)
