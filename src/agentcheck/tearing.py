"""What a write in place leaves behind where its process dies in the middle of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

EMPTIED: Final = "emptied"  # the old content is gone, nothing of the new is there
TORN: Final = "torn"  # half of the new content is there


@dataclass(frozen=True, slots=True)
class Tearing:
    """A write in place that has been let through, and is torn once it is done.

    `size` is that of the file before, in bytes; -1: there was none.
    """

    path: Path
    how: str
    size: int
    appends: bool

    @classmethod
    def of(cls, write: dict[str, Any], store: Path, how: str) -> "Tearing":
        path = store / write["what"]
        return cls(path, how, path.stat().st_size if path.is_file() else -1, write["appends"])

    def tear(self) -> bool:
        """Cut the file to what could be on the disk in the middle of the write; whether that is another state."""
        written = self.path.stat().st_size if self.path.is_file() else 0
        kept = max(0, self.size) if self.appends else 0
        length = kept if self.how == EMPTIED else kept + (written - kept) // 2
        if written <= kept or length in (written, self.size):
            return False
        with self.path.open("r+b") as file:
            file.truncate(length)
        return True


def in_place(write: dict[str, Any]) -> bool:
    """Whether a write changes a file bit by bit, so that half of it can be there."""
    return write["how"] == "open" and not write["what"].endswith((".lock", "-journal", "-wal", "-shm"))
