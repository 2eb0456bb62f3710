"""`agentcheck.lock`: the prompts and tool schemas that somebody has reviewed, by their hashes.

The file is JSON, sorted, one target after the other, so that a code review shows what has changed.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from agentcheck.canonical import Canon
from agentcheck.finding import HarnessError
from agentcheck.first_request import HELD, masked
from agentcheck.instructions import Instruction, facts, instructions, spoken
from agentcheck.lab import Lab, Run
from agentcheck.passages import Passage, rows, words

FILE: Final = "agentcheck.lock"
FORMAT: Final = "agentcheck/lock/1"
_BEGINNING: Final = 60  # characters that show which prompt it is
_TRIGGER: Final = 8  # shorter texts of a trigger are words like any other


class LockError(ValueError):
    """A lock that cannot be read or written; one sentence: which, why, and how to mend it."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One reviewed text: a prompt (`name` is its role) or a tool (`name` is its name)."""

    what: str
    name: str
    begins: str
    characters: int
    sha256: str

    def __str__(self) -> str:
        shown = f"the tool {self.name}" if self.what == "tool" else f"the {self.name} prompt “{self.begins}”"
        return f"{shown} ({self.characters:,} characters)"


Locked = Mapping[str, Mapping[str, frozenset[Entry]]]  # target → kind → what was reviewed


# --- what is sent now --------------------------------------------------------------------------


def entries(lab: Lab) -> frozenset[Entry]:
    """The prompts and tools that the target now sends, judged as `lab.kind`, on a held clock.

    Raises Untestable where no model request can be seen.
    """
    run = lab.run(machine=HELD)
    plain = Canon(lab.target.volatile)
    mask, given = masked(lab), _triggers(run)
    prompts = []
    for one in _prompts(run):
        text = mask(one.text)
        for said in given:
            text = text.replace(said, "‹trigger›")
        prompts.append(_entry("prompt", one.role, plain(text), show=True))
    tools = {spec.name: spec for asked in run.requests() for spec in asked.request.tools}
    return frozenset([*prompts, *(_entry("tool", name, _written(asdict(spec))) for name, spec in tools.items())])


def _prompts(run: Run) -> list[Instruction]:
    """System prompts of any request, and of the first one whatever else is not merely the trigger."""
    known = rows((words(text) for text in facts(run)), whole=1)
    first = run.requests()[0]
    return [i for i in instructions(run) if i.role == "system" or (i.sent is first and _says_more(i.text, known))]


def _says_more(text: str, known: Any) -> bool:
    passage = Passage(text)
    passage.claim("data", known)
    return None in passage.owners


def _triggers(run: Run) -> list[str]:
    """The texts of the trigger, the longest first."""
    said = spoken(dict(run.plan.triggers))
    return sorted({t for t in said if len(t) >= _TRIGGER}, key=len, reverse=True)


def _entry(what: str, name: str, text: str, *, show: bool = False) -> Entry:
    line = " ".join(text.split())
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return Entry(what, name, line[:_BEGINNING] if show else "", len(text), digest)


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=dict)


# --- the file ----------------------------------------------------------------------------------


def read(path: Path) -> dict[str, dict[str, frozenset[Entry]]]:
    """What a lock holds. Raises LockError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LockError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise LockError(f"{path} is not JSON ({error}); delete it and run `agentcheck lock`") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise LockError(f"{path} is not of the format {FORMAT}; delete it and run `agentcheck lock`")
    try:
        return {name: _by_kind(items) for name, items in data["targets"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise LockError(f"{path} has an entry that is none ({error}); delete it and run `agentcheck lock`") from None


def _by_kind(items: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[Entry]]:
    found: dict[str, set[Entry]] = {}
    for item in items:
        entry = Entry(**{k: v for k, v in item.items() if k != "kinds"})
        for kind in item["kinds"]:
            found.setdefault(kind, set()).add(entry)
    return {kind: frozenset(held) for kind, held in found.items()}


def write(path: Path, locked: Locked) -> None:
    """Write a lock, whole or not at all. Raises LockError."""
    document = {"format": FORMAT, "targets": {name: _items(locked[name]) for name in sorted(locked)}}
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except OSError as error:
        raise LockError(f"{path} cannot be written: {error.strerror}; name another file with --file") from None


def _items(by_kind: Mapping[str, Iterable[Entry]]) -> list[dict[str, Any]]:
    kinds: dict[Entry, str] = {}
    for kind in sorted(by_kind):
        for entry in by_kind[kind]:
            kinds[entry] = kinds.get(entry, "") + kind
    return [{**asdict(entry), "kinds": kinds[entry]} for entry in sorted(kinds)]


# --- the two compared --------------------------------------------------------------------------


def reviewed(lab: Lab) -> tuple[Path, Mapping[str, frozenset[Entry]] | None] | None:
    """The lock that speaks of the target: the project's, else the one beside its module. None where there is none.

    With the path comes what it holds of the target, None where that is nothing. Raises HarnessError.
    """
    places = [lab.root / FILE, Path(lab.described["module"]).parent / FILE]
    found = None
    for path in (place for place in places if place.is_file()):
        try:
            held = read(path).get(lab.target.name)
        except LockError as error:
            raise HarnessError(str(error)) from None
        if held is not None:
            return path, held
        found = found or (path, None)
    return found


def changes(before: frozenset[Entry], now: frozenset[Entry]) -> list[str]:
    """What differs, in sentences: changed, new and gone."""
    gone, new = sorted(before - now), sorted(now - before)
    lines = []
    for entry in new:
        old = next((g for g in gone if (g.what, g.name) == (entry.what, entry.name)), None)
        if old is not None:
            gone.remove(old)
        lines.append(f"{entry} is new" if old is None else f"{entry} is not the reviewed one: {old}")
    return [*lines, *(f"{entry} is gone" for entry in gone)]


def summary(held: Sequence[frozenset[Entry]]) -> str:
    """How much is locked, for people."""
    everything = frozenset().union(*held)
    prompts = sum(e.what == "prompt" for e in everything)
    tools = len(everything) - prompts
    return f"{prompts} prompt{'' if prompts == 1 else 's'} and {tools} tool{'' if tools == 1 else 's'}"
