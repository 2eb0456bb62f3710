"""What follows where a target has no such ability: one failure on the root check of a factor, and nothing of the rest.

A target says itself what it lacks (`has = {resume = false}`), or its adapter does and cites the framework's own
documentation (`Target.cites`). Without either, a missing ability is undecided, never a failure.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from agentcheck.adapter import Ability
from agentcheck.check import Check
from agentcheck.finding import Untestable
from agentcheck.target import Target

if TYPE_CHECKING:
    from agentcheck.lab import Lab

ROOTS: Final[Mapping[Ability, str]] = {
    Ability.SNAPSHOT: "F05-state-is-single",
    Ability.RESUME: "F06-resume-continues",
    Ability.CONTACT: "F07-human-is-a-tool",
}
KEPT: Final[Mapping[Ability, tuple[str, ...]]] = {  # ability → the checks that hold where it is kept
    Ability.SNAPSHOT: ("F05-state-is-single", "F06-snapshot-is-data"),
    Ability.RESUME: ("F06-resume-continues",),
    Ability.STEP: ("F06-pause-before-effect",),
    Ability.APPROVALS: ("F07-approval-gates-effect", "F07-rejection-is-honoured"),
    Ability.CONTACT: ("F07-human-is-a-tool", "F07-contact-pauses", "F07-answer-reaches-model"),
    Ability.CONTEXT: ("F03-context-is-printable",),
    Ability.BOUNDS: ("F08-loop-is-bounded",),
}
_HANG_ON: Final[Mapping[str, Ability]] = {  # checks of other factors that need a run to be taken up again
    "F07-contact-pauses": Ability.CONTACT,
    "F07-answer-reaches-model": Ability.CONTACT,
    "F07-silence-is-not-consent": Ability.RESUME,
    "F08-run-can-be-interrupted": Ability.RESUME,
    "F11-duplicate-delivery-is-once": Ability.SNAPSHOT,
}
_CONSUMED: Final = "F06-resume-is-consumed-once"
_OF_FACTORS: Final = {5: Ability.SNAPSHOT, 6: Ability.RESUME}


def insist(lab: "Lab", check: Check) -> None:
    """Raises AssertionError, with the citation, or Untestable, where the check needs what the target cannot do."""
    ability = _needed(check)
    if ability is None or not _lacks(lab.target, ability):
        return
    if check.id != ROOTS[ability]:
        raise Untestable(f"follows from {ROOTS[ability]}")
    raise AssertionError(lab.target.cites.get(ability) or f"declared: it cannot do that (has = {{{ability} = false}})")


def promised(target: Target, check: Check) -> str:
    """What is to be added to a failure that refutes what the target's adapter declares; else nothing."""
    broken = [a for a, checks in KEPT.items() if check.id in checks and target.has.get(a) is True and target.framework]
    return f"; its adapter declares the ability {broken[0]}, and does not keep it" if broken else ""


def excuse(target: Target, check: Check) -> str | None:
    """Why a failure of this check is nobody's that could be seen; None where there is no such reason."""
    if check.id != _CONSUMED or target.has.get(Ability.STORE) is not False:
        return None
    return "the framework hands its state out as data and keeps none: who takes an answer once is up to what keeps it"


def _lacks(target: Target, ability: Ability) -> bool:
    """Whether the target says so, and its adapter can show for it; an agent without humans contacts none."""
    if ability is Ability.CONTACT and target.human == []:
        return False
    return target.has.get(ability) is False and (not target.framework or ability in target.cites)


def _needed(check: Check) -> Ability | None:
    rooted = next((ability for ability, root in ROOTS.items() if root == check.id), None)
    return rooted or _HANG_ON.get(check.id) or _OF_FACTORS.get(check.factor)
