"""Processes that do the same thing at the same moment, so that what can go wrong between them does."""

import threading
from typing import Final

PATIENCE: Final = 0.4  # seconds without a sign after which a process is taken to wait for a lock


class Meeting:
    """Holds a process before its nth write to a store, while others come and go, one after another.

    So it writes what it decided before any of them did anything; and those who come late meet what those
    before them left behind, while the first is still at work. `met` says whether all others came to their
    ends meanwhile: one that waits for a lock of the first does not.
    """

    def __init__(self, *, at: int):
        self.at = at
        self.met = False
        self.first, self.other = First(self), Other(self)
        self.over = False  # nobody is held any more
        self.held = self.up = self.gone = False  # the first stands; one of the others is up; all of them are gone
        self.signs = 0  # of life, of the others
        self.changed = threading.Condition()

    def until_held(self) -> None:
        """Return when the first stands at its write, or will never stand there."""
        with self.changed:
            self.changed.wait_for(lambda: self.held or self.over)

    def all_gone(self) -> None:
        """Nobody else will come."""
        self.tell(gone=True)

    def tell(self, **facts: bool) -> None:
        """Something has happened."""
        with self.changed:
            vars(self).update(facts)
            self.signs += 1
            self.changed.notify_all()

    def hold(self, patience: float, longest: float) -> None:
        """Return when all others are gone, or one of them is up and gives no sign."""
        with self.changed:
            self.held = True
            self.changed.notify_all()
            while not self.gone:
                before = self.signs
                if not self.changed.wait_for(lambda: self.signs != before, patience if self.up else longest):  # noqa: B023
                    break
            self.met, self.over = self.gone, True


class Party:
    """What one process does at a meeting."""

    def __init__(self, meeting: Meeting):
        self.meeting = meeting

    @property
    def over(self) -> bool:
        return self.meeting.over

    def begin(self, patience: float) -> None:
        """The process is up; `patience` is the seconds that it may take."""

    def before_write(self, patience: float = PATIENCE) -> None:
        """Return when this process may write."""

    def leave(self) -> None:
        """The process is over."""


class First(Party):
    """The one that is held."""

    writes = 0
    longest = 1.0

    def begin(self, patience: float) -> None:
        self.longest = patience / 2

    def before_write(self, patience: float = PATIENCE) -> None:
        self.writes += 1
        if self.writes == self.meeting.at and not self.meeting.over:
            self.meeting.hold(patience, self.longest)

    def leave(self) -> None:
        self.meeting.tell(over=True)


class Other(Party):
    """One that comes meanwhile."""

    def begin(self, patience: float) -> None:
        self.meeting.tell(up=True)

    def before_write(self, patience: float = PATIENCE) -> None:
        self.meeting.tell(up=True)

    def leave(self) -> None:
        self.meeting.tell(up=False)
