"""What is in a recording, counted: calls of models by format, and requests that are none."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final

from agentcheck import dialects
from agentcheck.messages import Request
from agentcheck.recorded import Session
from agentcheck.wire import WireRequest

_BEDROCK: Final = re.compile(r"/model/[^/]*embed[^/]*/invoke$")


@dataclass(slots=True)
class Counts:
    """Of one format: exchanges, decisions of models, results of tools that were new, and errors."""

    exchanges: int = 0
    decisions: int = 0
    results: int = 0
    errors: int = 0

    def add(self, other: "Counts") -> None:
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))


@dataclass(slots=True)
class Traffic:
    """What was recorded. `unread` is format → exchanges that no dialect reads; `side` purpose → other requests;
    `unreadable` is what is wrong with requests of a known format, a sentence each."""

    formats: dict[str, Counts] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    side: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def add(self, other: "Traffic") -> None:
        for name, counts in other.formats.items():
            self.formats.setdefault(name, Counts()).add(counts)
        self.unread += other.unread
        self.side += other.side
        self.unreadable += other.unreadable

    def as_data(self) -> dict[str, Any]:
        """Plain data for the report."""
        counts = {n: {f.name: getattr(c, f.name) for f in fields(c)} for n, c in sorted(self.formats.items())}
        unread, side = dict(sorted(self.unread.items())), dict(sorted(self.side.items()))
        return {"formats": counts, "unread": unread, "side": side, "unreadable": len(self.unreadable)}


def count_runs(runs: Iterable[Session]) -> dict[str, Counts]:
    """Format → what the runs hold of it."""
    found: dict[str, Counts] = {}
    for run in runs:
        before: Request | None = None
        for step in run:
            counts = found.setdefault(step.request.dialect, Counts())
            counts.exchanges += 1
            counts.decisions += step.decision is not None
            counts.errors += step.decision is None
            counts.results += _new_results(before, step.request)
            before = step.request
    return found


def _new_results(before: Request | None, now: Request) -> int:
    old = Counter(_results(before)) if before is not None else Counter()
    return (Counter(_results(now)) - old).total()


def _results(request: Request) -> list[tuple[str | None, str]]:
    return [(message.call_id, message.text) for message in request.messages if message.role == "tool"]


def purpose(request: WireRequest) -> tuple[str, bool]:
    """What a request is that no dialect reads as a call of a model: (the name of a format, True), or
    (what it asks for, False)."""
    if _BEDROCK.search(request.path):
        return "embeddings", False
    unread = dialects.unread(request.url) if request.method.upper() == "POST" else None
    if unread is not None:
        return unread, True
    return dialects.side_request(request) or f"something else ({request.method} {_brief(request.path)})", False


def _brief(path: str) -> str:
    return path if len(path) <= 40 else f"{path[:39]}…"


def nothing_to_judge(traffic: Traffic) -> str:
    """Why a recording without a readable call of a model cannot be judged, in words."""
    parts = [
        f"{number} in the format of {name}, which is not judged" for name, number in sorted(traffic.unread.items())
    ]
    parts += [f"{number} × {name}" for name, number in traffic.side.most_common()]
    parts += traffic.unreadable[:1]
    return "it holds " + ("; ".join(parts) or "no exchange at all")
