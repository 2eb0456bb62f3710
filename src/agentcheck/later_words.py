"""Text of others that the model gets only later: after an error, a call of no tool, a rejection, or at the limit."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agentcheck.faults import Raises, ToolFails
from agentcheck.finding import Undecided
from agentcheck.habits import quiet
from agentcheck.instructions import facts
from agentcheck.lab import Lab
from agentcheck.passages import SHINGLE, Passage
from agentcheck.plan import Run
from agentcheck.provenance import attribute, foreign_words, short
from agentcheck.reducer import Denied
from agentcheck.scenario import HumanPlan, call

_AT_LIMIT: Final = "at the limit of steps"
_INSTRUCTING: Final = ("system", "user")
LONGEST: Final = 20_000  # characters of a message that may be somebody's words
_NO_TOOL: Final = "agentcheck_no_such_tool"
_FAILURE: Final = Raises("connection to registry-7 refused")
_REFUSAL: Final = (HumanPlan("*", Denied("not during the freeze")),)


@dataclass(frozen=True, slots=True)
class Later:
    """Words that a file of somebody else adds: when, where they stand, how many characters, and what they are."""

    when: str
    path: Path
    line: int  # 0: not found as they are
    characters: int
    excerpt: str

    def told(self, lab: Lab) -> str:
        place = f"{short(self.path, lab)}:{self.line}" if self.line else short(self.path, lab)
        return f"{self.when} {self.characters} characters of {place}: “{self.excerpt}”"


def later_words(lab: Lab) -> list[Later]:
    """What files of others add to requests in runs in which something goes wrong."""
    runs = list(_runs(lab))
    fresh = {when: [Passage(text) for text in _fresh(lab, when, run)] for when, run in runs}
    known = dict.fromkeys(fact for _, run in runs for fact in facts(run))
    attribute(lab, [passage for several in fresh.values() for passage in several], known, mostly_data=True)
    found = [
        Later(when, *words) for when, passages in fresh.items() for words in foreign_words(lab, passages, least=SHINGLE)
    ]
    return list({(one.path, one.excerpt): one for one in reversed(found)}.values())[::-1]


def _fresh(lab: Lab, when: str, run: Run) -> list[str]:
    """Texts of a run's messages that the undisturbed run has not; results are many at the limit, and no news."""
    usual = {m.text for asked in lab.happy().requests() for m in asked.request.messages}
    roles = _INSTRUCTING if when == _AT_LIMIT else (*_INSTRUCTING, "tool")
    said = {m.text for asked in run.requests() for m in asked.request.messages if m.role in roles}
    return [text for text in sorted(said - usual) if len(text) < LONGEST]


def _runs(lab: Lab) -> Iterator[tuple[str, Run]]:
    """Runs in which something goes wrong, as far as they can be had."""
    with suppress(Undecided):
        yield "after an error", lab.run(lab.call(), faults=ToolFails(lab.tool, _FAILURE))
    with suppress(Undecided):
        yield "after a call of no tool", lab.run(call(_NO_TOOL, {}))
    with suppress(Undecided):
        always = lab.call()  # as F08-loop-is-bounded does: it is one run
        yield _AT_LIMIT, lab.run(always, then=always, humans=quiet(lab))
    with suppress(Undecided):
        yield "after a rejection", lab.run(lab.call(lab.high_stakes()), humans=_REFUSAL)
