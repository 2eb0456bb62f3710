"""One of two processes on one store: before it begins, and before each of its writes, it waits for the other.

A host that reads, decides and only then writes down what it has decided loses such a race every time,
where left to chance it would lose it once in a thousand times.
"""

from agentcheck.stage.link import Link
from agentcheck.stage.writes import LOCKING, Writes


def begin(link: Link, store: str) -> None:
    """Wait for the other process, and from now on before every write to the store."""
    link.ask("begins")
    Writes(store, lambda write: _meet(link), statements=LOCKING).begin()


def _meet(link: Link) -> None:
    link.ask("writes")
