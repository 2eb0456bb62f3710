"""The rules of judgement as tables: each row is a sentence of DESIGN.md's "Rules of judgement"."""

import hashlib
from collections import Counter

import pytest

from agentcheck.check import FACTORS, Severity
from agentcheck.finding import Finding, Outcome
from agentcheck.profile import CURRENT, PROFILE_2026_11, Level, Profile
from agentcheck.score import Scorecard, Status, combine, decided, score

LETTERS = {
    "p": Outcome.PASS,
    "f": Outcome.FAIL,
    "n": Outcome.NOT_APPLICABLE,
    "u": Outcome.UNTESTABLE,
    "e": Outcome.ERROR,
}
SEVERITIES = {"M": Severity.MUST, "S": Severity.SHOULD, "o": Severity.MAY}
LEVELS = (Level(0, "Unproven"), Level(1, "One", (1,)), Level(2, "Two", (2, 3)))


def judge(text: str, factor: int = 1) -> tuple[dict[str, Severity], list[Finding]]:
    """`Mp Sf M-`: a MUST that passed, a SHOULD that failed, a MUST that was not run."""
    checks, findings = {}, []
    for n, pair in enumerate(text.split()):
        id = f"F{factor:02}-check-{n}"
        checks[id] = SEVERITIES[pair[0]]
        if pair[1] != "-":
            findings.append(Finding(id, LETTERS[pair[1]]))
    return checks, findings


def card(**factors: str) -> Scorecard:
    checks: dict[str, Severity] = {}
    findings: list[Finding] = []
    for name, text in factors.items():
        some, found = judge(text, int(name[1:]))
        checks |= some
        findings += found
    return score(findings, Profile("test", checks, LEVELS))


@pytest.mark.parametrize(
    ("text", "status", "share"),
    [
        ("Mp Mp Sp", "verified", 1.0),
        ("Mp Mf", "violated", 0.5),
        ("Mp Mu", "unproven", 0.5),
        ("Mp M-", "unproven", 0.5),  # not run: only a part was selected
        ("Mf Mu", "violated", 0.0),  # a violation is known, whatever else is not
        ("Me Mf", "error", 0.0),
        ("Mp Se", "error", 10 / 15),
        ("Mn Sn", "not_applicable", None),
        ("Mn M-", "unproven", 0.0),  # what was not run is not known not to apply
        ("Mp Sf", "verified", 10 / 15),  # a SHOULD that fails lowers only the share
        ("Mp Su", "verified", 10 / 15),
        ("Mp Sn", "verified", 1.0),  # what does not apply weighs nothing
        ("Mp Mn", "verified", 1.0),
        ("Mp of", "verified", 10 / 12),
        ("Mn Sp", "verified", 1.0),  # no MUST applies: half of the weight decides
        ("Mn Sp Su", "verified", 0.5),
        ("Mn Sp Su Su", "unproven", 1 / 3),
        ("Sp Sf", "verified", 0.5),
        ("Sp Su of", "unproven", 5 / 12),
        ("Sf", "unproven", 0.0),  # a SHOULD never violates
        ("Su Su", "unproven", 0.0),
        ("op", "verified", 1.0),
        ("of", "unproven", 0.0),
        ("ou", "unproven", 0.0),
        ("M- S-", "unproven", 0.0),
        ("Mu", "unproven", 0.0),
    ],
)
def test_a_factor(text: str, status: str, share: float | None) -> None:
    factor = card(f1=text).factor(1)
    assert factor.status == status
    assert factor.share == (None if share is None else pytest.approx(share))


def test_a_factor_without_checks_is_not_applicable() -> None:
    assert card(f1="Mp").factor(5).status is Status.NOT_APPLICABLE


def test_counts_name_every_outcome() -> None:
    assert card(f1="Mp Mp Mf Sn Su oe M-").factor(1).counts == {
        "pass": 2, "fail": 1, "not_applicable": 1, "untestable": 1, "error": 1, "not_run": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("factors", "level", "blocking"),
    [
        ({"f1": "Mp", "f2": "Mp", "f3": "Mp"}, 2, ()),
        ({"f1": "Mp", "f2": "Mp", "f3": "Mf"}, 1, (3,)),
        ({"f1": "Mp", "f2": "Mu", "f3": "Mf"}, 1, (2, 3)),
        ({"f1": "Mf", "f2": "Mp", "f3": "Mp"}, 0, (1,)),  # levels are climbed in order
        ({"f1": "Me", "f2": "Mp", "f3": "Mp"}, 0, (1,)),  # an error blocks
        ({"f1": "Mn", "f2": "Mp", "f3": "Mn"}, 2, ()),  # what does not apply blocks nothing
        ({"f1": "Mn", "f2": "Mn", "f3": "Mn"}, 0, ()),  # but proves nothing either
        ({"f1": "Mp", "f2": "Mp", "f3": "Mp", "f13": "of"}, 2, ()),  # factor 13 is in no level
        ({"f1": "M-", "f2": "M-", "f3": "M-"}, 0, (1,)),
    ],
)
def test_the_level(factors: dict[str, str], level: int, blocking: tuple[int, ...]) -> None:
    seen = card(**factors)
    assert (seen.level.number, seen.blocking) == (level, blocking)
    assert (seen.next is None) == (level == 2)


@pytest.mark.parametrize(
    ("outcomes", "worst"), [("enpuf", "e"), ("npuf", "f"), ("npu", "u"), ("np", "p"), ("n", "n"), ("pp", "p")]
)
def test_a_check_on_several_kinds_has_its_worst_outcome(outcomes: str, worst: str) -> None:
    seen = [LETTERS[o] for o in outcomes]
    assert combine(seen) is combine(reversed(seen)) is LETTERS[worst]
    findings = [Finding("F01-a-b", outcome, kinds=str(n)) for n, outcome in enumerate(seen)]
    counts = score(findings, Profile("test", {"F01-a-b": Severity.MUST}, LEVELS)).factor(1).counts
    assert counts[LETTERS[worst]] == sum(counts.values()) == 1


def test_nothing_cannot_be_combined() -> None:
    with pytest.raises(ValueError, match="was not run"):
        combine([])


def test_decided_counts_verdicts_only() -> None:
    assert decided(Finding("F01-a-b", outcome) for outcome in Outcome) == 2
    assert decided([]) == 0


def test_a_check_that_the_profile_does_not_hold_weighs_nothing() -> None:
    later = Finding("F01-added-next-year", Outcome.FAIL)
    checks, findings = judge("Mp")
    profile = Profile("test", checks, LEVELS)
    assert score([*findings, later], profile) == score(findings, profile)


def test_no_findings_verify_nothing() -> None:
    seen = score([])
    assert seen.level.number == 0
    assert {f.status for f in seen.factors} == {Status.UNPROVEN}
    assert seen.share == 0


def test_all_passed_is_the_highest_level() -> None:
    seen = score(Finding(id, Outcome.PASS) for id in CURRENT.checks)
    assert (seen.level.number, seen.level.name, seen.share, seen.next) == (4, "Stateless", 1.0, None)


@pytest.mark.parametrize("factor", range(1, 13))
def test_each_of_the_twelve_factors_is_in_a_level(factor: int) -> None:
    findings = [Finding(id, Outcome.PASS) for id in CURRENT.checks if not id.startswith(f"F{factor:02}")]
    seen = score(findings)
    assert seen.blocking == (factor,)
    assert seen.next is not None
    assert factor in seen.next.factors


def test_the_profile_is_frozen() -> None:
    """A released profile never changes: whoever changes it must add a new one instead."""
    table = "\n".join(f"{severity} {id}" for id, severity in PROFILE_2026_11.checks.items())
    levels = ";".join(f"{level.number} {level.name} {level.factors}" for level in PROFILE_2026_11.levels)
    assert hashlib.sha256(f"{table}\n{levels}".encode()).hexdigest()[:16] == "2a6cd8b707d8192c"


def test_the_profile_holds_72_checks_of_13_factors() -> None:
    assert Counter(CURRENT.checks.values()) == {"MUST": 52, "SHOULD": 19, "MAY": 1}
    assert {int(id[1:3]) for id in CURRENT.checks} == set(FACTORS)
