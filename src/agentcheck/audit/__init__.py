"""Recordings that people already have, judged by what their requests show: no agent, no network, no run.

Each file is read once and let go of before the next: only counts and rulings are kept.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from agentcheck.audit.files import found, resembles
from agentcheck.audit.judgement import Ruling, pooled, ruling, together
from agentcheck.audit.openings import Opening, openings
from agentcheck.audit.recording import Recording
from agentcheck.audit.traffic import Traffic, count_runs, nothing_to_judge, purpose
from agentcheck.cassette import Cassette
from agentcheck.check import Check
from agentcheck.dialects import dialect_of
from agentcheck.finding import Finding, HarnessError, Outcome
from agentcheck.recorded import Step, indistinct, sessions, step
from agentcheck.target import Limits
from agentcheck.wire import CassetteError, WireError

JUDGED: Final = "judged"
OTHER: Final = "other"  # a recording of something else than an agent, or in a format that is not judged
SKIPPED: Final = "skipped"  # no recording at all
BROKEN: Final = "broken"


@dataclass(slots=True)
class File:
    """What became of one file: `status` is judged, other, skipped or broken; `why` says so of the last three.

    `notes` are warnings on the file itself, such as a line that is torn.
    """

    label: str
    status: str
    why: str = ""
    notes: tuple[str, ...] = ()
    traffic: Traffic = field(default_factory=Traffic)
    runs: int = 0
    rulings: list[Ruling] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        return {
            "file": self.label,
            "status": self.status,
            "why": self.why,
            "notes": list(self.notes),
            "runs": self.runs,
            **self.traffic.as_data(),
            "findings": [ruling.as_data() for ruling in self.rulings],
        }


@dataclass
class Audit:
    """The checks of kind W over files and folders.

    Args:
        paths: files, and folders to search.
        checks: those that are asked for; the ones that wire traffic cannot show are left out.
        limits: the budgets.
        start: files are called by their path from here.
        progressed: hears of each file before it is read.

    All but `close` and `describe` raise HarnessError where a path does not exist, or no file may be a recording.
    """

    paths: Sequence[Path]
    checks: Sequence[Check]
    limits: Limits = field(default_factory=Limits)
    start: Path = field(default_factory=Path.cwd)
    progressed: Callable[[str], None] = lambda text: None
    _openings: list[Opening] = field(default_factory=list)

    @cached_property
    def files(self) -> list[File]:
        """What became of each file; they are read when this is first asked for."""
        self._openings.clear()
        files = [self._file(path) for path in found(self.paths)]
        self.progressed("")
        if not files:
            raise HarnessError(f"there is no recording in {', '.join(map(str, self.paths))}")
        return files

    @property
    def judged(self) -> list[File]:
        return [file for file in self.files if file.status == JUDGED]

    def findings(self) -> list[Finding]:
        """One for each check, over all recordings."""
        return [self.judge(check) for check in self.checks if "W" in check.kinds]

    def judge(self, check: Check) -> Finding:
        """The finding of one check over all recordings."""
        if not self.judged:
            return Finding(check.id, Outcome.UNTESTABLE, "no recording holds a call of a model", kinds="W")
        if check.together:
            return together(check, Recording("all recordings", limits=self.limits, openings=self._openings))
        return pooled(check, [found for file in self.judged for found in file.rulings if found.check == check.id])

    def describe(self) -> dict[str, Any]:
        """What the report says of the target."""
        name = ", ".join(map(self._label, self.paths))
        known = {"recordings": self.as_data()} if "files" in self.__dict__ else {}
        return {"name": name, "kind": "W", "framework": None, **known}

    def close(self) -> None:
        """Nothing is held open."""

    def as_data(self) -> dict[str, Any]:
        """What was read, file by file, for the report."""
        traffic = Traffic()
        for file in self.files:
            traffic.add(file.traffic)
        statuses = {s: sum(f.status == s for f in self.files) for s in (JUDGED, OTHER, SKIPPED, BROKEN)}
        return {"counts": statuses, **traffic.as_data(), "files": [file.as_data() for file in self.files]}

    # --- one file ------------------------------------------------------------------------------

    def _label(self, path: Path) -> str:
        try:
            return Path(os.path.relpath(path, self.start)).as_posix()
        except ValueError:  # on another drive
            return path.as_posix()

    def _file(self, path: Path) -> File:
        label = self._label(path)
        self.progressed(label)
        try:
            cassette = Cassette.read(path, lenient=True)
        except CassetteError as error:
            why = str(error).replace(str(path), label)
            return File(label, BROKEN if resembles(path) else SKIPPED, why)
        traffic = Traffic()
        recording = self._recording(label, list(steps(cassette, traffic)))
        traffic.formats = count_runs(recording.runs)
        notes = tuple(note.replace(str(path), label) for note in cassette.warnings)
        if not recording.runs:
            return File(label, OTHER, nothing_to_judge(traffic), notes, traffic)
        self._openings += openings(label, recording.runs)
        rulings = [ruling(check, recording) for check in self.checks if "W" in check.kinds and not check.together]
        return File(label, JUDGED, "", notes, traffic, len(recording.runs), rulings)

    def _recording(self, label: str, found: list[Step]) -> Recording:
        runs = sessions(found)
        return Recording(label, runs, not indistinct(runs), self.limits)


def steps(cassette: Cassette, traffic: Traffic) -> Iterator[Step]:
    """The calls of models in a recording; the traffic takes in what is none, and what cannot be read."""
    for number, exchange in enumerate(cassette.exchanges, 1):
        dialect = dialect_of(exchange.request)
        if dialect is None:
            name, unread = purpose(exchange.request)
            (traffic.unread if unread else traffic.side)[name] += 1
            continue
        try:
            yield step(number, dialect, exchange)
        except WireError as error:
            traffic.unreadable.append(f"interaction {number} is a model request that cannot be read: {error}")
