"""What a fuzz session found and reached, in words and tables."""

from collections.abc import Iterator
from typing import Any, Final

from tabulate import tabulate

from agentcheck.fuzz.answering import BROKEN_LINE, REFUSALS
from agentcheck.fuzz.deciding import OUTAGES
from agentcheck.fuzz.moves import story
from agentcheck.fuzz.session import Failure, Fuzzed
from agentcheck.render.text import Paper


def _label(where: str, how: Any) -> str:
    return f"{where}: {how['kind']}{how.get('status', '')}"


_EVERYWHERE: Final = (
    *("call", "say", "finish", "keep calling", "keep failing", "fail by turns", "return", "answer"),
    *("model fails: LengthLimit", *(_label("model fails", how) for how in OUTAGES)),
    *("tool fails: TimesOut", "tool fails: Hangs", *(_label("tool fails", how) for how in (*BROKEN_LINE, *REFUSALS))),
)
DEEDS: Final = {  # what the world can do to each kind of target
    "R": (*_EVERYWHERE, "silence", "stray answer", "crash", "switch", "fork", "rebuild", "late"),
    "C": (*_EVERYWHERE, "repeat"),
    "H": (
        *_EVERYWHERE,
        *("silence", "answer again", "stray answer", "take up", "crash", "stop", "spoil: empty", "repeat"),
    ),
}
NEVER: Final = "untestable: nothing to bite on"


def vacuity(found: Fuzzed) -> str:
    """How often each law had something to bite on, and whether it held."""
    broken = {failure.check for failure in found.failures}
    rows = [
        (check, str(found.bitten[check]), "BROKEN" if check in broken else "held" if found.bitten[check] else NEVER)
        for check in found.laws
    ]
    return tabulate(rows, headers=["invariant", "bites", "outcome"], disable_numparse=True)


def coverage(found: Fuzzed) -> str:
    """What the world did, how often, and how many invariants had something to bite on in those stories."""
    rows = [
        (what, str(times), f"{len(found.reached[what])} of {len(found.laws)}")
        for what, times in sorted(found.made.items())
    ]
    return tabulate(rows, headers=["the world did", "times", "invariants reached"], disable_numparse=True)


def never(found: Fuzzed) -> list[str]:
    """What the world can do, and never did."""
    return [deed for deed in DEEDS[found.kind] if deed not in found.made]


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
        "examples": found.examples,
        "moves": found.steps,
        "seconds": round(found.seconds, 1),
        "failures": [
            {"check": f.check, "message": f.message, "moves": [m.to_data() for m in f.moves]} for f in found.failures
        ],
        "invariants": {check: found.bitten[check] for check in found.laws},
        "done": {
            what: {"times": times, "reached": sorted(found.reached[what])} for what, times in sorted(found.made.items())
        },
        "never": never(found),
    }
