"""What a host does with a snapshot that was spoiled."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agentcheck.canonical import story
from agentcheck.damage import DAMAGES, Damage
from agentcheck.hearsay import speaks_of_failure
from agentcheck.lab import Lab, Run
from agentcheck.pauses import answers, finished, resting, taken_up
from agentcheck.stored import files
from agentcheck.wording import leaves

MOST_FILES: Final = 4


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A resumption from a spoiled copy of a store."""

    what: str
    run: Run
    unharmed: bool  # it went on just as from a sound copy: what was spoiled is not needed

    @property
    def refused(self) -> bool:
        """Whether the host said that something is wrong, before it did anything."""
        if self.run.first("model_request", "tool_called") is not None:
            return False
        ended = self.run.finished
        if ended is not None and ended["status"] == "finished":
            return speaks_of_failure(" ".join(leaves(ended["result"])))
        if ended is not None and ended["status"] == "exited":
            return bool(ended["code"]) and bool(ended["said"])
        return ended is not None and ended["status"] == "failed"


def spoiled(lab: Lab) -> Iterator[Spoiled]:
    """An unfinished run resumed from copies of its store, each of which is spoiled in one way."""
    run, later = resting(lab), finished(lab).stores["main"]
    sound = taken_up(lab, run)
    kept = sorted(files(run.stores["main"]), key=lambda p: -p.stat().st_size)[:MOST_FILES]
    for name in (p.relative_to(run.stores["main"]) for p in kept):
        for damage in DAMAGES:
            again = _resumed(lab, run, name, damage, later)
            if again is not None:
                same = story(again, lab.volatile) == story(sound, lab.volatile)
                yield Spoiled(f"{name} {damage.name}", again, same and again.status == sound.status)


def _resumed(lab: Lab, run: Run, name: Path, damage: Damage, later: Path) -> Run | None:
    store = lab.copied_store(run)
    for side in ("-wal", "-shm", "-journal"):
        if damage.name in ("truncated", "empty", "unparsable"):
            (store / f"{name}{side}").unlink(missing_ok=True)
    if not damage.apply(store / name, later / name):
        shutil.rmtree(store)
        return None
    return lab.resume(run, answers=answers(lab, run), store=store)
