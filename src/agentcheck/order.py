"""How several sessions of one process go on."""

from enum import StrEnum


class Order(StrEnum):
    """The order in which sessions go on; the text reads as in "two sessions, …".

    Those of an async function are tasks of one loop. Of any other, the first is in the main thread, and
    each further one in a thread of its own.
    """

    MIDDLE = "one in the middle of the other"  # the first waits before its second request until the others are over
    LOCK_STEP = "turn and turn about"  # each goes on at every crossing of the other
    IN_TOOL = "one while the other waits for a tool"  # the first waits in its first tool until the others are over
    APART = "each in a thread of its own"  # one after the other: what running in a thread does by itself
