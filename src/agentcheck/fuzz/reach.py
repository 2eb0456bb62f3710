"""What a session reached: what the world did, at whose turn, and which laws had something to bite on from then on."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from agentcheck.fuzz.answering import BROKEN_LINE, REFUSALS
from agentcheck.fuzz.deciding import OUTAGES
from agentcheck.fuzz.deeds import GOING
from agentcheck.fuzz.moves import BEGIN, Move
from agentcheck.fuzz.play import GONE, HUMAN, MODEL, TOOL

Place: TypeAlias = tuple[str, str]  # what the world did, at whose turn


def label(move: Move) -> str:
    """What the world did, without the details that are drawn."""
    return _label(move.do, move.get("how"))


def _label(do: str, how: Any) -> str:
    kind = f"{how['kind']}{how.get('status', '')}" if isinstance(how, Mapping) and "kind" in how else how
    return f"{do}: {kind}" if kind and do in ("model fails", "tool fails", "spoil") else do


_MODEL: Final = (
    *("call", "say", "finish", "keep calling", "keep failing", "fail by turns", "model fails: LengthLimit"),
    *(_label("model fails", how) for how in OUTAGES),
)
_TOOL: Final = (
    *("return", "tool fails: TimesOut", "tool fails: Hangs"),
    *dict.fromkeys(_label("tool fails", how) for how in (*BROKEN_LINE, *REFUSALS)),
)
_EVERYWHERE: Final = {**dict.fromkeys(_MODEL, (MODEL,)), **dict.fromkeys(_TOOL, (TOOL,)), "answer": (HUMAN,)}
PLACES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {  # what can be done to each kind of target, and when
    "R": {
        **_EVERYWHERE,
        **dict.fromkeys(("silence", "stray answer"), (HUMAN,)),
        **dict.fromkeys(("crash", "fork", "rebuild"), GOING),
        **{"switch": (*GOING, GONE), "late": (GONE,)},
    },
    "C": {**_EVERYWHERE, "repeat": (GONE,)},
    "H": {
        **_EVERYWHERE,
        **dict.fromkeys(("silence", "stray answer", "spoil: empty"), (HUMAN,)),
        **dict.fromkeys(("crash", "stop"), (MODEL, TOOL)),
        **dict.fromkeys(("answer again", "take up"), (HUMAN, GONE)),
        "repeat": (GONE,),
    },
}


@dataclass
class Reach:
    """Counts of many stories."""

    times: Counter[Place] = field(default_factory=Counter)
    laws: defaultdict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, moves: Sequence[Move], turns: Sequence[str], bites: Sequence[Collection[str]]) -> None:
        """A story: its moves, whose turn each was made at, and which laws had something to bite on after each."""
        since: set[str] = set()
        for move, turn, bitten in reversed(list(zip(moves, turns, bites, strict=False))):
            since |= set(bitten)
            place = label(move), "" if move.do == BEGIN else turn
            self.times[place] += 1
            self.laws[place] |= since

    @property
    def made(self) -> Counter[str]:
        """How often the world did what."""
        made: Counter[str] = Counter()
        for (what, _), times in self.times.items():
            made[what] += times
        return made

    def never(self, kind: str) -> list[str]:
        """What the world can do, and never did; with the turn, where it did so at another one."""
        made = self.made
        missed = {what: [turn for turn in turns if not self.times[what, turn]] for what, turns in PLACES[kind].items()}
        return [what if not made[what] else f"{what} ({' or '.join(turns)})" for what, turns in missed.items() if turns]
