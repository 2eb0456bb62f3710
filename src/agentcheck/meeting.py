"""Two processes that do the same thing at the same moment, so that what can go wrong between them does."""

import threading
from typing import Final

PATIENCE: Final = 0.4  # seconds after which a process that does not come is taken to wait for a lock
PARTIES: Final = 2


class Meeting:
    """Holds two processes before their nth write to a store that they share; then one goes on to its end first.

    So the second writes what it decided before the first one did anything. `met` says whether both came
    to that point: a process that waits for a lock, or has ended, does not.
    """

    def __init__(self, *, at: int):
        self.at = at
        self.met = False
        self._over = False
        self._begun = 0
        self._here = 0
        self._writes: dict[int, int] = {}
        self._changed = threading.Condition()

    def begin(self, patience: float) -> None:
        """Return when both processes are up, or after so many seconds."""
        with self._changed:
            self._begun += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over or self._begun == PARTIES, timeout=patience)

    def before_write(self, who: int, patience: float = PATIENCE) -> None:
        """Return when this process may write."""
        with self._changed:
            self._writes[who] = self._writes.get(who, 0) + 1
            if self._over or self._writes[who] != self.at:
                return
            self._here += 1
            self.met = self._here == PARTIES
            self._changed.notify_all()
            if self.met:
                self._changed.wait_for(lambda: self._over, timeout=patience)
            elif not self._changed.wait_for(lambda: self._over or self.met, timeout=patience):
                self._over = True

    def leave(self) -> None:
        """One of them has ended: nobody waits for it any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    @property
    def over(self) -> bool:
        return self._over
