"""From recordings to findings: each check on each recording, and on all of them together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.audit.recording import Recording
from agentcheck.check import Check
from agentcheck.finding import Finding, Outcome, Undecided
from agentcheck.verdict import encodable, innermost, said

_POINTERS: Final = 20  # of one finding over many recordings; the report lists every recording with its own
_GROUPS: Final = 4


@dataclass(frozen=True, slots=True)
class Ruling:
    """How one check ended on one recording; `evidence` points to file, interaction and message."""

    recording: str
    check: str
    outcome: Outcome
    message: str
    evidence: tuple[Mapping[str, Any], ...] = ()

    def as_data(self) -> dict[str, Any]:
        evidence = [dict(item) for item in self.evidence]
        return {"check": self.check, "outcome": str(self.outcome), "message": self.message, "evidence": evidence}


def ruling(check: Check, recording: Recording) -> Ruling:
    """The ruling of one check on one recording. Never raises for what is in it."""
    recording.cited = []
    outcome, message = _heard(check, recording)
    cited = tuple({k: encodable(v) if isinstance(v, str) else v for k, v in item.items()} for item in recording.cited)
    return Ruling(recording.label, check.id, outcome, encodable(message), cited)


def _heard(check: Check, recording: Recording) -> tuple[Outcome, str]:
    if check.reader is None:
        return Outcome.UNTESTABLE, "it is judged on recordings only beside the agent that they are of"
    try:
        return Outcome.PASS, check.reader(recording) or check.title
    except AssertionError as failed:
        return Outcome.FAIL, said(failed)[0] or check.failure
    except Undecided as undecided:
        return undecided.outcome, undecided.message
    except Exception as error:  # our own mistake: a verdict of its own, never a pass
        what = f"{type(error).__name__}: {error} ({innermost(error)})"
        return Outcome.ERROR, f"agentcheck broke while judging this: {what}"


def together(check: Check, recording: Recording) -> Finding:
    """The finding of a check that is asked once about all recordings."""
    found = ruling(check, recording)
    return Finding(check.id, found.outcome, found.message, found.evidence, kinds="W")


def pooled(check: Check, rulings: Sequence[Ruling]) -> Finding:
    """The finding over all recordings: it holds where it held in each in which it was exercised.

    Raises:
        ValueError: there is no ruling.
    """
    outcome = _worst(rulings)
    decisive = [ruling for ruling in rulings if ruling.outcome is outcome]
    evidence = [item for ruling in decisive for item in ruling.evidence][:_POINTERS]
    return Finding(check.id, outcome, _summary(rulings, decisive), tuple(evidence), kinds="W")


def _worst(rulings: Sequence[Ruling]) -> Outcome:
    """Unlike over kinds of target, what one recording cannot show takes nothing from what another shows."""
    seen = {ruling.outcome for ruling in rulings}
    order = (Outcome.ERROR, Outcome.FAIL, Outcome.PASS, Outcome.UNTESTABLE, Outcome.NOT_APPLICABLE)
    found = next((outcome for outcome in order if outcome in seen), None)
    if found is None:
        raise ValueError("no recording was judged")
    return found


def _summary(rulings: Sequence[Ruling], decisive: Sequence[Ruling]) -> str:
    """How many recordings, of how many that show it; then the messages that are the same, each once."""
    exercised = sum(r.outcome in (Outcome.PASS, Outcome.FAIL) for r in rulings)
    of = exercised if decisive[0].outcome in (Outcome.PASS, Outcome.FAIL) else len(rulings)
    head = f"{len(decisive):,} of {_recordings(of)}{_silent(len(rulings) - exercised) if of == exercised else ''}"
    if decisive[0].outcome is Outcome.PASS:
        return head
    if len({ruling.message for ruling in decisive}) == 1:
        return f"{head}: {decisive[0].message}"
    return "\n".join([f"{head}:", *_groups(ruling.message for ruling in decisive)])


def _silent(number: int) -> str:
    return f" ({number:,} more cannot show it)" if number else ""


def _groups(messages: Iterable[str]) -> list[str]:
    counted = Counter(messages).most_common()
    lines = [f"{number:,} × {message}" for message, number in counted[:_GROUPS]]
    left = sum(number for _, number in counted[_GROUPS:])
    return [*lines, *([f"and {left:,} more, each with its own words"] if left else [])]


def _recordings(number: int) -> str:
    return f"{number:,} recording{'' if number == 1 else 's'}"
