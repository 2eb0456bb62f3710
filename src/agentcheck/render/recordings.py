"""What an audit read: how many exchanges of which format, and which files were not judged, and why."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tabulate import tabulate

from agentcheck.render.scorecard import TABLE
from agentcheck.render.text import Line, Paper

Row = Mapping[str, Any]
SAYS: Final = {
    "judged": "judged",
    "other": "without a call of a model that can be judged",
    "skipped": "left out: no recordings",
    "broken": "broken",
}
_HEADERS: Final = ("Format", "Exchanges", "Decisions", "Tool results", "Errors")
_SIDES: Final = ("left", "right", "right", "right", "right")
_MOST: Final = 5  # files named of each status


def recordings(known: Row, paper: Paper, verbosity: int) -> Iterator[Line]:
    """Counts of files and of exchanges, then the files that were not judged, those first that are broken."""
    counts = [f"{number:,} {SAYS[status]}" for status, number in known["counts"].items() if number]
    yield from map(Line, paper.wrap("; ".join(counts), rest="  "))
    yield Line()
    table = tabulate(counted_formats(known), tablefmt=TABLE, colalign=_SIDES, disable_numparse=True).split("\n")
    yield Line(table[0], ("bold",))
    yield from (Line(paper.trim(text, paper.width)) for text in table[1:])
    for sentence in others(known):
        yield from map(Line, paper.wrap(sentence, rest="  "))
    for status, markup in (("broken", ("red",)), ("skipped", ()), ("other", ())):
        yield from _files(known, status, paper, markup, len(known["files"]) if verbosity > 0 else _MOST)
    yield from _notes(known, paper, len(known["files"]) if verbosity > 0 else _MOST)


def counted_formats(known: Row) -> list[tuple[str, ...]]:
    """The rows of the table of formats, the headings first."""
    names = ("exchanges", "decisions", "results", "errors")
    rows = [
        (name, *(f"{counts[n]:,}" if counts[n] else "-" for n in names)) for name, counts in known["formats"].items()
    ]
    return [_HEADERS, *rows]


def others(known: Row) -> Iterator[str]:
    """What else was in the recordings, a sentence each."""
    if known["unread"]:
        yield f"In formats that are not judged: {_counted(known['unread'])}."
    if known["side"]:
        yield f"Beside the calls of models: {_counted(known['side'])}."
    if known["unreadable"]:
        yield f"Requests of a known format that cannot be read: {known['unreadable']:,}."


def failing(known: Row) -> list[Row]:
    """The recordings that fail a check, or could not be judged by one."""
    return [f for f in known["files"] if any(found["outcome"] in ("fail", "error") for found in f["findings"])]


def _counted(numbers: Row) -> str:
    return ", ".join(f"{number:,} × {name}" for name, number in numbers.items())


def _files(known: Row, status: str, paper: Paper, markup: tuple[str, ...], most: int) -> Iterator[Line]:
    """The files of one status; those about which the same is to be said, together."""
    groups: dict[str, list[str]] = {}
    for file in known["files"]:
        if file["status"] == status:
            groups.setdefault(str(file["why"]).replace(file["file"], "it"), []).append(file["file"])
    if groups:
        yield Line(f"{SAYS[status].capitalize()}:")
    for why, files in list(groups.items())[:most]:
        more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
        named = f"{tail(files[0], paper.width - 5 - len(more))}{more}:"
        yield from (Line(text, markup) for text in paper.wrap(f"{named}\n{why}", first="  - ", most=4))
    if len(groups) > most:
        yield Line(f"  and {sum(map(len, list(groups.values())[most:])):,} more")


def tail(path: str, width: int = 60) -> str:
    """The end of a path that is too long, which tells more than its beginning."""
    return path if len(path) <= width else f"…{path[1 - width :]}"


def placed(item: Row) -> str:
    """A place in a recording, in a line that fits: the report has the whole path."""
    return str(item["text"]).replace(item["recording"], tail(item["recording"], 48), 1)


def _notes(known: Row, paper: Paper, most: int) -> Iterator[Line]:
    notes = [note for file in known["files"] for note in file["notes"]]
    if notes:
        yield Line("Of the files themselves:")
    for note in notes[:most]:
        yield from (Line(text, ("yellow",)) for text in paper.wrap(note, first="  - ", most=3))
    if len(notes) > most:
        yield Line(f"  and {len(notes) - most:,} more")
