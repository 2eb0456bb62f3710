"""What a fuzz session found and reached, in words and tables."""

from collections.abc import Iterator
from typing import Final

from tabulate import tabulate

from agentcheck.fuzz.moves import story
from agentcheck.fuzz.play import GONE, HUMAN, MODEL, TOOL
from agentcheck.fuzz.reach import PLACES
from agentcheck.fuzz.session import Failure, Fuzzed
from agentcheck.render.text import Paper

NEVER: Final = "untestable: nothing to bite on"
_TURNS: Final = {MODEL: "the model", TOOL: "a tool", HUMAN: "a human", GONE: "the end"}
_WIDEST: Final = 28  # of what the world did; longer names are wrapped


def vacuity(found: Fuzzed) -> str:
    """How often each law had something to bite on, and whether it held."""
    broken = {failure.check for failure in found.failures}
    rows = [
        (check, str(found.bitten[check]), "BROKEN" if check in broken else "held" if found.bitten[check] else NEVER)
        for check in found.laws
    ]
    return tabulate(rows, headers=["invariant", "bites", "outcome"], disable_numparse=True)


def coverage(found: Fuzzed) -> str:
    """A row for each thing that the world can do, a column for whose turn it fell on."""
    turns = [turn for turn in _TURNS if any(turn in places for places in PLACES[found.kind].values())]
    rows = [[what, *(_cell(found, what, turn) for turn in turns)] for what in _deeds(found)]
    heads = ["the world did, at the turn of", *(_TURNS[turn] for turn in turns)]
    widths = [_WIDEST, *(None for _ in turns)]
    align = ("left", *("right" for _ in turns))
    return tabulate(rows, headers=heads, maxcolwidths=widths, colalign=align, disable_numparse=True)


def _deeds(found: Fuzzed) -> list[str]:
    """What can be done, and what else was done, as a story of old may."""
    return list(dict.fromkeys([*PLACES[found.kind], *sorted(found.reach.made.keys() - {"begin"})]))


def _cell(found: Fuzzed, what: str, turn: str) -> str:
    times = found.reach.times[what, turn]
    if times:
        return f"{times} / {len(found.reach.laws[what, turn])}"
    return "never" if turn in PLACES[found.kind].get(what, ()) else ""


def legend(found: Fuzzed) -> str:
    return (
        f"Cells: how often / how many of the {len(found.laws)} invariants had something to bite on from then on. "
        "Empty cells cannot be."
    )


def never(found: Fuzzed) -> list[str]:
    """What the world can do, and never did."""
    return found.reach.never(found.kind)


def vacuous(found: Fuzzed) -> list[str]:
    """The checks whose laws never had anything to bite on."""
    return [check for check in found.laws if not found.bitten[check]]


def told(failure: Failure, where: str, paper: Paper) -> Iterator[str]:
    """A failure for people: what is broken, the story, and how to see it again."""
    yield from paper.wrap(f"{failure.check}: {failure.message}")
    for line in story(failure.moves).splitlines():
        yield from paper.wrap(line, rest="     ")
    yield f"reproduce: agentcheck replay {where}"


def document(found: Fuzzed) -> dict[str, object]:
    """A session as JSON."""
    return {
        "kind": found.kind,
        "seed": found.seed,
        "examples": found.examples,
        "moves": found.steps,
        "seconds": round(found.seconds, 1),
        "failures": [
            {"check": f.check, "message": f.message, "moves": [m.to_data() for m in f.moves]} for f in found.failures
        ],
        "invariants": {check: found.bitten[check] for check in found.laws},
        "done": {what: _done(found, what) for what in sorted(found.reach.made)},
        "never": never(found),
        "vacuous": vacuous(found),
    }


def _done(found: Fuzzed, what: str) -> dict[str, object]:
    """How often something was done, and at whose turn; after each, which invariants had something to bite on."""
    reach = found.reach
    places = sorted(turn for one, turn in reach.times if one == what)
    at = {
        _TURNS.get(turn, "the start"): {"times": reach.times[what, turn], "reached": sorted(reach.laws[what, turn])}
        for turn in places
    }
    return {"times": reach.made[what], "at": at}
