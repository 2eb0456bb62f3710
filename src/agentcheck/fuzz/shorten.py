"""A story made shorter: what it does not need to break a law is left out of its moves.

Hypothesis shrinks what it has drawn, one step after the other; a call and its result go only together.
"""

from collections.abc import Callable, Iterator

from agentcheck.fuzz.moves import Move, Moves


def shortened(moves: Moves, breaks: Callable[[Moves], Moves | None]) -> Moves:
    """Fewer and plainer moves that still break the law.

    `breaks` plays moves and returns those that were made until the law broke; None where it does not.
    """
    width = len(moves) // 2
    while width:
        for start in range(len(moves) - width, 0, -1):
            moves = breaks(moves[:start] + moves[start + width :]) or moves
        width //= 2
    return _plain(moves, breaks)


def _plain(moves: Moves, breaks: Callable[[Moves], Moves | None]) -> Moves:
    """Each move as plain as it may be."""
    nth = 0
    while nth < len(moves):
        tried = ((*moves[:nth], plainer, *moves[nth + 1 :]) for plainer in _plainer(moves[nth]))
        less = next((made for made in map(breaks, tried) if made is not None), None)
        moves, nth = (moves, nth + 1) if less is None else (less, nth)
    return moves


def _plainer(move: Move) -> Iterator[Move]:
    """Less of the same."""
    for optional in ("watch", "far", "after_effect"):
        if move.get(optional):
            yield Move(move.do, {k: v for k, v in move.details.items() if k != optional})
    if move.get("sessions", 1) > 1:
        yield Move(move.do, {**move.details, "sessions": 1})
    if move.do == "call" and len(move["calls"]) > 1:
        yield from (Move("call", {"calls": [one]}) for one in move["calls"])
