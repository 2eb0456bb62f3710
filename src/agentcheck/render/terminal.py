"""The closing section of a session, for people: from the report document to the lines of a terminal."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from agentcheck.check import FACTORS, KINDS
from agentcheck.render.recordings import placed, recordings
from agentcheck.render.scorecard import scorecard
from agentcheck.render.text import Emit, Line, Paper, columns

Row = Mapping[str, Any]
MOST_VIOLATIONS: Final = 60
MOST_WARNINGS: Final = 30
_MESSAGE_LINES: Final = 12
_EVIDENCE_ITEMS: Final = 3
_EVIDENCE_LINES: Final = 4
_HINTS: Final = 3
_PAPER: Final = Paper()


def lines(report: Row, *, paper: Paper = _PAPER, verbosity: int = 0, where: str = "") -> list[Line]:
    """The closing section, each line at most as wide as the paper.

    Args:
        verbosity: below 0: one line for each violation, and the scorecard; above 0: also each check
            that passed, was untestable or not applicable, and nothing cut short.
        where: the folder that the report was written to.
    """
    body = [line for section in _sections(verbosity) for line in section(report, paper, verbosity)]
    body += _heading("Scorecard", paper)
    body += scorecard(report, paper)
    if where:
        body += [Line(text) for text in paper.wrap(f"Report: {where}")]
    return [Line(paper.trim(paper.clean(line.text), paper.width), line.markup) for line in body]


def write(report: Row, emit: Emit, *, paper: Paper = _PAPER, verbosity: int = 0, where: str = "") -> None:
    """Emit the closing section line by line: `emit(text, bold=True, red=True)`, as pytest's `write_line` takes it."""
    for line in lines(report, paper=paper, verbosity=verbosity, where=where):
        emit(line.text, **dict.fromkeys(line.markup, True))


Section = Callable[[Row, Paper, int], Iterator[Line]]


def _sections(verbosity: int) -> Sequence[Section]:
    if verbosity < 0:
        return (_one_liners,)
    return (_verified, _recordings, _violations, _warnings, _errors, _untestable, _not_applicable, _expected)


def _heading(text: str, paper: Paper) -> list[Line]:
    return [Line(), Line(f"-- {text} ".ljust(paper.width, "-"), ("bold",))]


def _new_failures(report: Row, *severities: str) -> list[Row]:
    return [
        f
        for f in report["findings"]
        if f["outcome"] == "fail" and f["severity"] in severities and f["expected"] is None
    ]


def _with(report: Row, outcome: str) -> list[Row]:
    return [f for f in report["findings"] if f["outcome"] == outcome]


def _one_liners(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    for row in _new_failures(report, "MUST"):
        yield Line(paper.line(f"FAIL {row['check']}: {row['message'] or row['statement']}"), ("red",))
    for row in _with(report, "error"):
        yield Line(paper.line(f"ERROR {row['check']}: {row['message']}"), ("red",))
    for entry in report["expected"]["stale"]:
        yield Line(paper.line(f"STALE {entry['check']}: passes; remove it from agentcheck-expected.toml"), ("red",))


def _verified(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    passed = _with(report, "pass")
    target = paper.line(f"{report['target']['name']} ({report['target']['kind']})", paper.width // 2)
    yield from _heading(f"agentcheck: {target}", paper)
    for sentence in report["assumptions"]:
        yield from _text(paper.wrap(f"Note: {sentence}", rest="  "))
    if not passed:
        return
    yield from _heading(f"Held ({len(passed)})", paper)
    for factor, group in _by_factor(passed):
        rows = list(group)
        status = report["factors"][factor - 1]["status"]
        mark = _mark(paper, "✓", "+") if status == "verified" else " "
        held = f"{len(rows)} {'check' if len(rows) == 1 else 'checks'} held"
        colour = ("green",) if status == "verified" else ()
        yield Line(f"{mark} {factor:>2}  {FACTORS[factor]}: {held}", colour)
        if verbosity > 0:
            for row in rows:
                yield from _text(paper.wrap(f"{row['check']}: {row['statement']}", first="       ", rest="         "))


def _recordings(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    if "recordings" in report:
        yield from _heading(f"Recordings ({len(report['recordings']['files']):,} files)", paper)
        yield from recordings(report["recordings"], paper, verbosity)


def _violations(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    rows = _new_failures(report, "MUST")
    if not rows:
        return
    yield from _heading(f"Violations ({len(rows)})", paper)
    most = len(rows) if verbosity > 0 else MOST_VIOLATIONS
    for factor, group in _by_factor(rows[:most]):
        yield Line()
        yield Line(f"Factor {factor}: {FACTORS[factor]}", ("bold",))
        for row in group:
            yield Line()
            yield from _violation(row, paper, verbosity)
    yield from _left_out(len(rows) - most)


def _violation(row: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    judged = ", ".join(KINDS[k] for k in row["kinds"] if k in KINDS)
    yield Line(paper.line(f"{_mark(paper, '✗', 'x')} {row['check']} ({judged})"), ("red", "bold"))
    everything = verbosity > 0
    yield from _field("", row["statement"], paper)
    yield from _field("Seen", row["message"], paper, None if everything else _MESSAGE_LINES)
    pointers = [item for item in row["evidence"] if "seq" in item]
    items = row["evidence"] if everything else (pointers or row["evidence"])[:_EVIDENCE_ITEMS]
    for item in items:
        yield from _field("", _pointed(item), paper, None if everything else _EVIDENCE_LINES)
    left = 0 if everything else len(pointers or row["evidence"]) - len(items)
    if left:
        yield from _field("", f"and {left} more {'piece' if left == 1 else 'pieces'} of evidence in the report", paper)
    yield from _field("Why", _paragraph(row["why"]), paper)
    yield from _field("Mend", row["remedy"], paper)
    yield from _command("Alone", row["reproduce"], paper)


def _warnings(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    rows = _new_failures(report, "SHOULD", "MAY")
    if not rows:
        return
    yield from _heading(f"Warnings ({len(rows)})", paper)
    most = len(rows) if verbosity > 0 else MOST_WARNINGS
    for row in rows[:most]:
        yield Line(paper.line(f"! {row['check']} ({row['severity']})"), ("yellow",))
        places = [item for item in row["evidence"] if "recording" in item]
        most = _MESSAGE_LINES if verbosity > 0 else 4 if places else 2
        yield from _field("Seen", row["message"] or row["statement"], paper, most)
        for item in places if verbosity > 0 else places[:1]:
            yield from _field("", _pointed(item), paper, most)
        yield from _field("Mend", row["remedy"], paper)
    yield from _left_out(len(rows) - most)


def _errors(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    rows = _with(report, "error")
    if not rows:
        return
    yield from _heading(f"Not judged ({len(rows)}): no verdict on the agent", paper)
    alike: dict[str, list[Row]] = {}
    for row in rows:
        alike.setdefault(row["message"], []).append(row)
    most = len(alike) if verbosity > 0 else MOST_WARNINGS
    for message, group in list(alike.items())[:most]:
        more = f", and {_checks(len(group) - 1)} more" if len(group) > 1 else ""
        yield Line(paper.line(f"? {group[0]['check']}{more}"), ("red",))
        yield from _field("Seen", message, paper, None if verbosity > 0 else 8)
        if verbosity > 0 and more:
            yield from _field("Also", ", ".join(row["check"] for row in group[1:]), paper)
        yield from _command("Alone", group[0]["reproduce"], paper)
    yield from _left_out(len(alike) - most)


def _untestable(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    rows = _with(report, "untestable")
    if not rows:
        return
    yield from _heading(f"Not testable ({len(rows)}): never counted as passed", paper)
    if verbosity <= 0:
        yield from _shared(rows, paper)
    yield from _to_paste(report["config"], paper)
    hints = [s for s in report["suggestions"] if not s["config"]]
    for hint in hints if verbosity > 0 else hints[:_HINTS]:
        counted = f"{hint['mend']} (decides {_checks(len(hint['decides']))})"
        yield from _text(paper.wrap(counted, first="  - ", most=4))
    if verbosity > 0:
        yield from _reasons(rows, paper)
    else:
        yield Line("With -v, each is listed with its reason.")


def _shared(rows: Iterable[Row], paper: Paper) -> Iterator[Line]:
    """The reasons that several checks have in common and that no line of configuration would change."""
    counted = Counter(row["message"] for row in rows if not row["mend"])
    for message, number in counted.most_common(_HINTS):
        if number > 1:
            yield from _text(paper.wrap(f"{message} ({_checks(number)})", first="  - ", most=4))


def _to_paste(config: Row, paper: Paper) -> Iterator[Line]:
    if not config["text"]:
        return
    yield Line(f"These lines in pyproject.toml or agentcheck.toml would decide {_checks(len(config['decides']))}:")
    yield Line()
    for text in paper.clean(config["text"]).split("\n"):
        yield Line(text if columns(text) <= paper.width else "# (a line too long for here: see the report)", ("cyan",))
    yield Line()


def _not_applicable(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    rows = _with(report, "not_applicable")
    if rows and verbosity > 0:
        yield from _heading(f"Not applicable ({len(rows)})", paper)
        yield from _reasons(rows, paper)


def _reasons(rows: Iterable[Row], paper: Paper) -> Iterator[Line]:
    for row in rows:
        yield Line(paper.line(row["check"], paper.width))
        yield from _text(paper.wrap(row["message"] or "no reason given", first="    ", most=_MESSAGE_LINES))
        if row["mend"]:
            yield from _text(paper.wrap(row["mend"], first="    To decide it: ", rest="      ", most=_MESSAGE_LINES))


def _expected(report: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    known = report["expected"]
    total = sum(map(len, known.values()))
    if not total:
        return
    yield from _heading(f"agentcheck-expected.toml ({total})", paper)
    says = {
        "failures": ("fails as expected: {reason}", ()),
        "stale": ("is stale: it passes now; remove the entry", ("red",)),
        "expired": ("expired on {expires} and still fails: {reason}", ("red",)),
    }
    for name, (sentence, markup) in says.items():
        for entry in known[name]:
            text = f"{entry['check']} {sentence.format(**entry)}"
            yield from (Line(line, markup) for line in paper.wrap(text, rest="    ", most=4))


def _by_factor(rows: Iterable[Row]) -> Iterator[tuple[int, Iterator[Row]]]:
    return groupby(rows, key=lambda row: int(row["factor"]))


def _field(label: str, text: str, paper: Paper, most: int | None = None) -> Iterator[Line]:
    if text.strip():
        first = f"  {label + ':' if label else '':<7}"
        yield from _text(paper.wrap(text.strip("\n"), first=first, most=most))


def _command(label: str, command: str, paper: Paper) -> Iterator[Line]:
    """A command, continued over lines as a shell takes it."""
    words = _words(paper.clean(command))
    texts, rest = [f"  {label + ':':<7}{words[0]}"], " " * 11
    for word in words[1:]:
        if columns(texts[-1]) + columns(word) + 3 <= paper.width:
            texts[-1] += f" {word}"
        else:
            texts[-1] += " \\"
            texts.append(rest + word)
    yield from _text(texts)


def _words(command: str) -> list[str]:
    try:
        return [shlex.quote(word) for word in shlex.split(command)] or [""]
    except ValueError:
        return command.split() or [""]


def _pointed(item: Row) -> str:
    if "recording" in item:
        return placed(item)
    return f"event {item['seq']}: {item['text']}" if "seq" in item else str(item["text"])


def _paragraph(text: str) -> str:
    """The first paragraph of a docstring, without its line ends."""
    return " ".join(text.strip().split("\n\n")[0].split())


def _left_out(number: int) -> Iterator[Line]:
    if number > 0:
        yield Line(f"and {number:,} more: all are in the report, and shown with -v")


def _checks(number: int) -> str:
    return "1 check" if number == 1 else f"{number} checks"


def _mark(paper: Paper, symbol: str, plain: str) -> str:
    return symbol if paper.shows(symbol) else plain


def _text(texts: Iterable[str]) -> Iterator[Line]:
    return map(Line, texts)
