"""What an agent tried to reach outside the stage: its own telemetry, price lists, updates, or the user's services."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentcheck.trace import Trace


def attempts(at_import: Iterable[Mapping[str, Any]], runs: Iterable[Trace]) -> Iterator[str]:
    """A sentence for each place that was refused a connection, with where in the code that was tried."""
    places: dict[str, str] = {}
    for refused in at_import:
        _note(places, refused, " while it was imported")
    for run in runs:
        for event in run.of("refused"):
            _note(places, event.data, "")
    for place, where in sorted(places.items()):
        yield f"it tried to reach {place}{where}, which agentcheck refused"


def _note(places: dict[str, str], refused: Mapping[str, Any], when: str) -> None:
    if refused["what"] == "connection":
        where = f" ({refused['where']})" if refused["where"] else ""
        places.setdefault(_readable(str(refused["detail"])), f"{when}{where}")


def _readable(detail: str) -> str:
    """A host as people write it, from an address as Python does: ('1.2.3.4', 443)."""
    return detail.strip("()").replace("', ", ":").replace("'", "").partition(", ")[0]
