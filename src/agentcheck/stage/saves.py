"""A process that tells the lab of each write to its store, so that it can be killed in the midst of saving."""

from dataclasses import asdict

from agentcheck.stage.link import Link
from agentcheck.stage.writes import CHANGING, Write, Writes


def begin(link: Link, store: str) -> None:
    """From now on, ask the lab before every write to the store."""

    def tell(write: Write) -> None:
        link.ask("saving", write=asdict(write))

    Writes(store, tell, statements=CHANGING).begin()
