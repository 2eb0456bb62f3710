"""One of several processes on one store: it tells when it begins, and before each of its writes, and may be held there.

A host that reads, decides and only then writes down what it has decided loses such a race every time,
where left to chance it would lose it once in a thousand times.
"""

from agentcheck.stage.link import Link
from agentcheck.stage.writes import LOCKING, Writes


def begin(link: Link, store: str) -> None:
    """Tell that this process is up, and from now on of every write to the store before it happens."""
    link.ask("begins")
    Writes(store, lambda write: _meet(link), statements=LOCKING).begin()


def _meet(link: Link) -> None:
    link.ask("writes")
