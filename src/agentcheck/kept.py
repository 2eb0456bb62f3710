"""Snapshots kept of the agent as it is now, for the code of later versions to go on from.

`snapshots/<agent>/<name>/`: `kept.json` says what is in it and of when; a reducer's states are files
in `R/`, a host's stores folders in `H/`, each named after the point at which the run was left.
"""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from agentcheck import stored
from agentcheck.finding import HarnessError, Undecided
from agentcheck.lab import Lab, Run, Stop
from agentcheck.pauses import crossings, parked
from agentcheck.resumptions import insist_on_data

FOLDER: Final = "snapshots"
FORMAT: Final = "agentcheck/snapshots/1"
INDEX: Final = "kept.json"


class KeepingError(ValueError):
    """Snapshots that cannot be kept or read; one sentence: which, why, and how to mend it."""


def home(lab: Lab) -> Path:
    """Where the snapshots of this agent are kept."""
    return lab.root / FOLDER / (re.sub(r"[^\w.-]+", "-", lab.target.name) or "agent")


def keep(lab: Lab, name: str) -> tuple[Path, list[str]]:
    """Keep snapshots of every kind under this name, whole or not at all; where, and the points that are kept.

    Raises:
        KeepingError: there are some of this name already, they cannot be written, or nothing can be kept.
    """
    place = home(lab) / name
    if place.exists():
        raise KeepingError(f"{place} is there already: give these another name with --name, or remove it")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".keeping-") as unfinished:
            points = _written(lab, Path(unfinished) / name)
            os.replace(Path(unfinished) / name, place)
    except OSError as error:
        raise KeepingError(f"{place} cannot be written: {error.strerror}") from None
    return place, points


def _written(lab: Lab, folder: Path) -> list[str]:
    points = []
    for kind in lab.kinds:
        if kind in "RH":
            lab.begin(kind)
            (folder / kind).mkdir(parents=True)
            points += [f"{kind}/{path.name}" for path in (_states if kind == "R" else _stores)(lab, folder / kind)]
    if not points:
        raise KeepingError(f"{lab.target.name} keeps no state: only a reducer or a host has snapshots")
    index = {"format": FORMAT, "agent": lab.target.name, "kept": date.today().isoformat(), "points": points}
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return points


def _states(lab: Lab, folder: Path) -> Iterator[Path]:
    """The state after each step of the happy run."""
    run = lab.happy()
    insist_on_data(run)
    for at, snapshot in enumerate(run.snapshots):
        path = folder / f"step-{at:02}.json"
        path.write_text(json.dumps(snapshot.state, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        yield path


def _stores(lab: Lab, folder: Path) -> Iterator[Path]:
    """The store of a run that waits for a human, and of one that was killed at each crossing."""
    runs: dict[str, Run] = {}
    with contextlib.suppress(Undecided):
        runs["parked"] = parked(lab)
    for nth, crossing in enumerate(crossings(lab, lab.happy()), 1):
        what = crossing.get("tool") or f"model-request-{crossing.get('n')}"
        runs[f"{nth:02}-before-{what}"] = lab.run(stop=Stop(nth), leave=True)
    for name, run in runs.items():
        if any(run.stores["main"].iterdir()):
            yield _copied(run.stores["main"], folder / name)


def _copied(store: Path, to: Path) -> Path:
    try:
        to.mkdir(parents=True)
        stored.copy(store, to)
    except stored.Uncopied as held:
        raise KeepingError(f"a store holds {held}, so it cannot be kept; let the agent put that elsewhere") from None
    return to


def kept(lab: Lab) -> list[Path]:
    """The kept snapshots of this kind of target. Raises HarnessError where what is kept cannot be read."""
    return [
        index.parent / point for index in sorted(home(lab).glob(f"*/{INDEX}")) for point in _points(index, lab.kind)
    ]


def _points(index: Path, kind: str) -> list[str]:
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        points = [str(p) for p in found["points"] if str(p).startswith(f"{kind}/")]
        gone = next((p for p in points if not (index.parent / p).exists()), None)
    except (OSError, ValueError, KeyError, TypeError):
        raise HarnessError(
            f"{index} is not what `agentcheck snapshots keep` writes: restore it, or keep anew"
        ) from None
    if gone is not None:
        raise HarnessError(f"{index.parent / gone} is gone, and {INDEX} beside it names it: restore it, or keep anew")
    return points
