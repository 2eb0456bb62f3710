"""Each check is proven by its twin: a broken agent that fails exactly what it declares."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from agentcheck import catalog, verdict
from agentcheck.finding import Outcome
from agentcheck.profile import CURRENT
from agentcheck.target import Target
from kill_matrix import GOOD, ROOT, failing, judged, mistakes, rows

CHECKS = catalog.load_all()
ROWS = rows()
IDS = [row.reference.partition(":")[2] for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_twin_fails_exactly_what_it_declares(row):
    assert not mistakes(row, judged(row.reference, row.checks(CHECKS, whole=False)))


@pytest.mark.parametrize("reference", GOOD)
def test_the_good_agent_fails_nothing(reference):
    findings = judged(reference, CHECKS)
    wrong = {f.check: f.message for f in findings if f.outcome in (Outcome.FAIL, Outcome.ERROR)}
    assert not wrong
    assert sum(f.outcome is Outcome.PASS for f in findings) > len(CHECKS) / 2


def test_every_check_of_the_profile_exists_and_no_other():
    assert {c.id for c in CHECKS} == set(CURRENT.checks)


def test_every_check_has_a_twin_of_each_kind():
    had = {(row.twin.check, row.kind) for row in ROWS}
    live = {(c.id, kind) for c in CHECKS for kind in (c.kinds.replace("W", "") or c.kinds)}
    assert live - had == set()


def test_no_two_rows_are_equal():
    counts = Counter((row.kind, frozenset(row.expected)) for row in ROWS)
    assert [key for key, count in counts.items() if count > 1] == []


def _passes(lab):
    """A hollow check."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.id)
def test_a_hollow_check_turns_the_matrix_red(check):
    own = [row for row in ROWS if row.twin.check == check.id]
    assert own
    hollow = replace(check, judge=_passes)
    for row in own:
        cited = SimpleNamespace(events=[], trace=None)
        lab = SimpleNamespace(kinds=row.kind, begin=lambda kind: None, cited=cited, target=Target())
        assert failing([verdict.judge(lab, hollow)]) != row.expected & {check.id}


def test_the_committed_table_names_every_row():
    text = (ROOT / "reports" / "kill-matrix.md").read_text(encoding="utf-8")
    missing = [row.reference for row in ROWS if row.cells not in text]
    assert missing == []
    assert "**" not in text
