"""Which of several sessions in one process goes on: they take turns, and hand the turn on at their crossings.

A session that holds the turn goes on until it hands it over or ends; all others stand at a crossing. So
two sessions are surely in flight at once, in an order that is the same every time. Where the one whose
turn it is waits for another (for a lock that the other holds, say), nobody waits any more: all go on freely.
"""

import contextlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from agentcheck.order import Order
from agentcheck.stage.link import running

SLICE: Final = 0.05  # seconds between two looks at whether anything moves
IDLE: Final = 10  # slices without a move after which the one whose turn it is is taken to wait for another
BUSY: Final = 0.02  # of a slice; a process that computes less than this does not move
REQUEST, REPLY, RESULT = "request", "reply", "result"  # before the model is asked; before what was said is heard

Hands: TypeAlias = Callable[[str, int, bool], bool]  # place, how often there, whether the first session -> hand over?

_HANDS: Final[dict[Order, Hands]] = {
    Order.MIDDLE: lambda place, nth, first: first and (place, nth) == (REQUEST, 2),
    Order.LOCK_STEP: lambda place, nth, first: place != REQUEST,
    Order.IN_TOOL: lambda place, nth, first: first and (place, nth) == (RESULT, 1),
    Order.APART: lambda place, nth, first: False,
}


class Turns:
    """The turns of these sessions, the first of which begins.

    Args:
        start: begins a further session, when its first turn has come.
        patience: seconds after which a session no longer waits for its turn, whatever moves.
    """

    def __init__(self, sessions: Sequence[str], order: Order, *, start: Callable[[str], None], patience: float):
        self._sessions = tuple(sessions)
        self._hands = _HANDS[order]
        self._start = start
        self._longest = patience / SLICE
        self._begun = {self._sessions[0]}
        self._crossed: set[str] = set()
        self._over: set[str] = set()
        self._places: Counter[tuple[str, str]] = Counter()
        self._lines: defaultdict[str, list[object]] = defaultdict(list)  # crossings of a session that stand, in order
        self._changed = threading.Condition()
        self.whose = self._sessions[0]
        self._asking = 0  # questions that the lab has not answered yet: whoever waits for one is not idle
        self.met = False  # whether two sessions have been in flight at once
        self.free = False  # whether the turns were given up

    def cross(self, who: str, place: str) -> None:
        """Return when this session, which is at a crossing, may go on."""
        with self._changed:
            self._crossed.add(who)
            self._places[who, place] += 1
            self.met = self.met or len(self._crossed - self._over) > 1
            hands = self._hands(place, self._places[who, place], who == self._sessions[0])
            if who == self.whose and hands and not self.free:
                self._hand_over()
            self._stand(who, self._lines[who])

    def end(self, who: str) -> None:
        """A session is over; where it was its turn, it is the next one's."""
        with self._changed:
            self._over.add(who)
            if who == self.whose:
                self._hand_over()
            self._changed.notify_all()

    def wait_for_all(self) -> None:
        """Return when all sessions are over."""
        with self._changed:
            self._changed.wait_for(lambda: self._over.issuperset(self._sessions))

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """In this block the lab is asked, which may take its time."""
        with self._changed:
            self._asking += 1
        try:
            yield
        finally:
            with self._changed:
                self._asking -= 1

    def _hand_over(self) -> None:
        at = self._sessions.index(self.whose)
        ring = self._sessions[at + 1 :] + self._sessions[: at + 1]
        self.whose = next((name for name in ring if name not in self._over), self.whose)
        running[:] = [self.whose]
        self._changed.notify_all()
        if self.whose not in self._begun:
            self._begun.add(self.whose)
            self._start(self.whose)

    def _stand(self, who: str, line: list[object]) -> None:
        """Wait for the session's turn; if several of its threads stand, they go on in the order in which they came."""
        place = object()
        line.append(place)
        try:
            self._wait(lambda: self.free or (self.whose == who and line[0] is place))
        finally:
            line.remove(place)
            self._changed.notify_all()

    def _wait(self, may_go_on: Callable[[], bool]) -> None:
        idle = waited = 0
        while not may_go_on():
            before = time.process_time()
            self._changed.wait(SLICE)
            moves = self._asking or time.process_time() - before > BUSY * SLICE
            idle, waited = (0 if moves else idle + 1), waited + (not self._asking)
            if idle > IDLE or waited > self._longest:
                self.free = True
                self._changed.notify_all()
