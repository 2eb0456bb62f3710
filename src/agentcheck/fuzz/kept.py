"""Stories that broke a law, kept as files: played first the next time, and gone when they break nothing any more.

The format is JSON: `agentcheck/story/1` with the target, its kind, the check, and the moves.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.session import Failure

FOLDER: Final = Path(".agentcheck") / "failures"
FORMAT: Final = "agentcheck/story/1"


class StoryError(ValueError):
    """A story that cannot be read; one sentence: which, why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A story in a file. `target` is what --agentcheck-target takes; None: that of the configuration."""

    path: Path
    target: str | None
    failure: Failure


def keep(folder: Path, failure: Failure, *, label: str, target: str | None) -> Path:
    """Write a story; it is there whole or not at all. A story of the same moves is the same file."""
    moves = [move.to_data() for move in failure.moves]
    digest = hashlib.sha256(json.dumps(moves, sort_keys=True).encode()).hexdigest()[:8]
    path = folder / f"{label}-{failure.kind}-{failure.check}-{digest}.json"
    document: dict[str, Any] = {
        "format": FORMAT,
        "target": target,
        "kind": failure.kind,
        "check": failure.check,
        "message": failure.message,
        "found": date.today().isoformat(),
        "moves": moves,
    }
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
    return path


def read(path: Path) -> Kept:
    """Raises StoryError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoryError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise StoryError(f"{path} is not JSON: remove it, and let --agentcheck-fuzz find the story again") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise StoryError(f"{path} is not of the format {FORMAT}, which --agentcheck-fuzz writes")
    try:
        moves = _moves(data["moves"])
        failure = Failure(str(data["kind"]), str(data["check"]), str(data["message"]), moves)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoryError(f"{path} is not a whole story: {error}") from None
    if failure.kind not in "RCH":
        raise StoryError(f"{path}: no kind of target is called {failure.kind!r}; the kinds are R, C and H")
    return Kept(path, data.get("target"), failure)


def _moves(data: Sequence[Any]) -> tuple[Move, ...]:
    return tuple(Move.from_data(one) for one in data)


def known(folder: Path, label: str, kind: str) -> list[Kept]:
    """The kept stories of this target, judged as this kind. Raises StoryError."""
    return [read(path) for path in sorted(folder.glob(f"{label}-{kind}-*.json"))]
