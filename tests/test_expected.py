"""`agentcheck-expected.toml`: what is read, what is refused, and how findings are held against it."""

from datetime import date
from pathlib import Path

import pytest

from agentcheck.expected import Classification, Expectation, Expected, ExpectedError
from agentcheck.finding import Finding, Outcome

COMPACT = "F09-error-is-compact"
TODAY = date(2026, 11, 20)


def read(folder: Path, text: str) -> Expected:
    path = folder / "agentcheck-expected.toml"
    path.write_text(text, encoding="utf-8")
    return Expected.read(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    seen = read(
        tmp_path,
        f'[expected]\n{COMPACT} = "known"\nF08-spend-is-capped = {{reason = "v2", expires = 2027-01-01}}\n',
    )
    assert seen.entries == (
        Expectation(COMPACT, "known"),
        Expectation("F08-spend-is-capped", "v2", date(2027, 1, 1)),
    )


def test_an_empty_file_expects_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "").entries == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[expected", "is not TOML"),
        (f'{COMPACT} = "known"', r"unknown key 'F09-error-is-compact'; put check ids under \[expected\]"),
        ("expected = 3", "expected must be a table"),
        ('[expected]\nF09-eror-is-compact = "known"', "did you mean F09-error-is-compact"),
        ('[expected]\nzzz = "known"', "`agentcheck list` names all checks"),
        (f"[expected]\n{COMPACT} = true", f'{COMPACT}: expected "reason", or'),
        (f"[expected]\n{COMPACT} = []", f'{COMPACT}: expected "reason", or'),
        (f'[expected]\n{COMPACT} = " "', "say in reason"),
        (f"[expected]\n{COMPACT} = {{expires = 2027-01-01}}", "say in reason"),
        (f"[expected]\n{COMPACT} = {{reason = 4}}", "say in reason"),
        (f'[expected]\n{COMPACT} = {{reason = "x", until = 2027-01-01}}', "unknown key 'until'; the keys are"),
        (f'[expected]\n{COMPACT} = {{reason = "x", expires = "2027-01-01"}}', "date without quotes"),
        (f'[expected]\n{COMPACT} = {{reason = "x", expires = 2027-01-01T00:00:00}}', "date without quotes"),
        (f'[expected]\n{COMPACT} = {{reason = "x", expires = 0}}', "date without quotes"),
    ],
)
def test_an_unusable_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ExpectedError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "agentcheck-expected.toml"))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "agentcheck-expected.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ExpectedError, match="is not TOML"):
        Expected.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExpectedError, match=r"nothing\.toml: cannot be read: No such file"):
        Expected.read(tmp_path / "nothing.toml")


def test_the_caller_may_say_which_checks_are_known() -> None:
    table = {"expected": {"F01-of-a-third-party": "known"}}
    assert Expected.parse(table, where="here", known=["F01-of-a-third-party"]).entries
    with pytest.raises(ExpectedError, match="no check is called"):
        Expected.parse(table, where="here")


def apply(*outcomes: Outcome, expires: date | None = None) -> Classification:
    entry = Expectation(COMPACT, "known", expires)
    findings = [Finding(COMPACT, outcome, kinds=str(n)) for n, outcome in enumerate(outcomes)]
    return Expected((entry,)).apply(findings, TODAY)


def test_a_known_failure_is_expected() -> None:
    seen = apply(Outcome.FAIL)
    assert [(f.check, e.reason) for f, e in seen.expected] == [(COMPACT, "known")]
    assert (seen.unexpected, seen.stale, seen.expired) == ((), (), ())


@pytest.mark.parametrize("expires", [None, date(2026, 11, 20), date(2026, 1, 1)])
def test_an_entry_that_passes_is_stale(expires: date | None) -> None:
    seen = apply(Outcome.PASS, expires=expires)
    assert [e.check for e in seen.stale] == [COMPACT]
    assert (seen.expected, seen.unexpected, seen.expired) == ((), (), ())


@pytest.mark.parametrize(("day", "holds"), [(date(2026, 11, 20), True), (date(2026, 11, 19), False)])
def test_an_entry_holds_up_to_its_last_day(day: date, holds: bool) -> None:
    seen = apply(Outcome.FAIL, expires=day)
    assert bool(seen.expected) is holds
    assert bool(seen.expired) is not holds
    assert bool(seen.unexpected) is not holds


@pytest.mark.parametrize("outcome", [Outcome.UNTESTABLE, Outcome.ERROR, Outcome.NOT_APPLICABLE])
def test_what_was_not_decided_is_neither_expected_nor_stale(outcome: Outcome) -> None:
    assert apply(outcome) == apply() == Classification()


def test_on_several_kinds_one_failure_keeps_the_entry() -> None:
    seen = apply(Outcome.PASS, Outcome.FAIL, Outcome.ERROR)
    assert [f.kinds for f, _ in seen.expected] == ["1"]
    assert not seen.stale


def test_a_pass_beside_something_undecided_is_not_stale() -> None:
    assert not apply(Outcome.PASS, Outcome.UNTESTABLE).stale


def test_other_failures_are_unexpected() -> None:
    other = Finding("F01-call-matches-schema", Outcome.FAIL)
    seen = Expected((Expectation(COMPACT, "known"),)).apply([other, Finding(COMPACT, Outcome.FAIL)], TODAY)
    assert seen.unexpected == (other,)
    assert len(seen.expected) == 1
