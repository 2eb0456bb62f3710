"""The scorecard: a table per factor, and the level. A percentage never stands alone."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabulate import DataRow, TableFormat, tabulate

from agentcheck.render.text import Line, Paper

Row = Mapping[str, Any]
COLOURS: Final = {"verified": "green", "violated": "red", "unproven": "yellow", "error": "red"}
_SHORT: Final = {"not_applicable": "n/a", "error": "?"}
_HEADERS: Final = ("#", "Factor", "Status", "Share", "Pass", "Fail", "Untest.", "N/A")
_SIDES: Final = ("right", "left", "left", "right", "right", "right", "right", "right")
# One space between the columns: with tabulate's own formats the longest factor title breaks 80 columns.
TABLE: Final = TableFormat(
    lineabove=None,
    linebelowheader=None,
    linebetweenrows=None,
    linebelow=None,
    headerrow=DataRow("", " ", ""),
    datarow=DataRow("", " ", ""),
    padding=0,
    with_header_hide=None,
)


def scorecard(report: Row, paper: Paper) -> Iterator[Line]:
    """Level, table, what keeps the target from the next level, and what was left out."""
    yield from (Line(text, ("bold",)) for text in paper.wrap(headline(report)))
    yield Line()
    rows = shown(report)
    # The headings go in as a row: tabulate pads real ones by two columns each.
    cells = [_HEADERS, *(_cells(factor, paper) for factor in rows)]
    table = tabulate(cells, tablefmt=TABLE, colalign=_SIDES, disable_numparse=True).split("\n")
    yield Line(table[0], ("bold",))
    for factor, text in zip(rows, table[1:], strict=True):
        yield Line(text, (COLOURS[factor["status"]],) if factor["status"] in COLOURS else ())
    yield Line()
    for sentence in remarks(report):
        yield from (Line(text) for text in paper.wrap(sentence))


def headline(report: Row) -> str:
    """The level, by name; then the share; then what it was measured with."""
    level = report["level"]
    share = percent(report["share"])
    measured = f"{share} of the applicable weight passed; profile {report['profile']}"
    if _not_run(report):
        return f"No level: only a part of the checks was run ({measured})"
    return f"Level {level['number']}, {level['name']} ({measured})"


def remarks(report: Row) -> Iterator[str]:
    """What blocks the next level; and what makes this scorecard say less than it seems to."""
    following = report["next"]
    if _not_run(report):
        total = sum(sum(f["counts"].values()) for f in report["factors"])
        yield f"Checks run: {total - _not_run(report)} of the profile's {total}. Only all of them give a level."
    elif following is not None:
        status = {f["factor"]: f["status"] for f in report["factors"]}
        blocking = [f"factor {n} ({status[n].replace('_', ' ')})" for n in following["blocking"]]
        blocked = ", ".join(blocking) or "nothing: but no factor is verified"
        yield f"What blocks level {following['number']}, {following['name']}: {blocked}."
    if not report["decided"]:
        yield "No check was decided: this run proves nothing about the agent."


def shown(report: Row) -> list[Row]:
    """The factors to show: all, or those that a part of the checks touched."""
    touched = {f["factor"] for f in report["findings"]} if _not_run(report) else None
    return [f for f in report["factors"] if touched is None or f["factor"] in touched]


def percent(share: float | None) -> str:
    """A share for people; rounded down, so that 100 % means all."""
    return "-" if share is None else f"{int(share * 100 + 1e-9)} %"


def _cells(factor: Row, paper: Paper) -> list[str]:
    counts = factor["counts"]
    error = factor["status"] == "error"
    return [
        str(factor["factor"]),
        paper.line(factor["title"], 38),
        _SHORT.get(factor["status"], str(factor["status"])),
        "?" if error else percent(factor["share"]),
        *(str(counts[name] or "-") for name in ("pass", "fail", "untestable", "not_applicable")),
    ]


def _not_run(report: Row) -> int:
    """How many checks of the profile were left out, or not come to."""
    return sum(int(f["counts"]["not_run"]) for f in report["factors"])
