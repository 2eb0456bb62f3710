"""The closing section: what is in it, and that it fits and stays harmless whatever an agent said."""

import io
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcheck.check import Check
from agentcheck.expected import Expectation, Expected
from agentcheck.finding import Finding, Outcome
from agentcheck.profile import CURRENT
from agentcheck.render import terminal
from agentcheck.render.scorecard import percent
from agentcheck.render.text import Paper, clean, columns, printer
from agentcheck.report import build

COMPACT = "F09-error-is-compact"
CAPPED = "F08-spend-is-capped"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m \u202etxt.exe\u2066 \r\x08\x00 \udcff " + "x" * 5_000 + " 漢字" * 500


def judge(lab: Any) -> None:
    """An agent that floods its context
    forgets its task.

    Nobody notices until later.
    """


CHECKS = [
    Check(id, severity, "RCH", f"{id} is so", f"{id} is not so", "Do otherwise.", "a run", judge)
    for id, severity in CURRENT.checks.items()
]


def report(*findings: Finding, **more: Any) -> dict[str, Any]:
    return build(findings, checks=CHECKS, **{"target": {"name": "deploybot", "kind": "reducer"}, **more})


def text(document: dict[str, Any], **more: Any) -> str:
    return "\n".join(line.text for line in terminal.lines(document, **more))


def everything(message: str) -> dict[str, Any]:
    """A report with each outcome for each severity, and with known failures, all saying `message`."""
    outcomes = list(Outcome)
    evidence = ({"seq": 3, "text": message},) * 9
    findings = [
        Finding(c.id, outcomes[n % 5], message, evidence, mend=message, reproduce=f"pytest {message}", kinds="C")
        for n, c in enumerate(CHECKS)
    ]
    entries = tuple(Expectation(f.check, message, date(2026, 1, day)) for f in findings[:20] for day in (1, 30))
    return report(
        *findings,
        target={"name": message, "kind": message},
        assumptions=[message],
        expected=Expected(entries).apply(findings, date(2026, 1, 15)),
    )


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "no-such-encoding"])
@pytest.mark.parametrize("width", [80, 60])
def test_hostile_text_fits_and_is_harmless(verbosity: int, encoding: str, width: int) -> None:
    paper = Paper(width, encoding)
    for line in terminal.lines(everything(HOSTILE), paper=paper, verbosity=verbosity, where=HOSTILE):
        assert columns(line.text) <= width
        assert line.text.isprintable()
        line.text.encode("utf-8" if encoding == "utf-8" else "ascii" if encoding[:2] == "no" else encoding)


@settings(max_examples=25, deadline=None)
@given(st.text(), st.integers(-1, 1))
def test_any_text_fits_and_is_harmless(message: str, verbosity: int) -> None:
    for line in terminal.lines(everything(message), verbosity=verbosity):
        assert columns(line.text) <= 80
        assert line.text.isprintable()


@given(st.text())
def test_cleaning_is_done_once(message: str) -> None:
    assert clean(clean(message)) == clean(message)
    assert clean(message).replace("\n", "").isprintable()


def test_ten_thousand_violations_stay_readable() -> None:
    findings = [Finding(COMPACT, Outcome.FAIL, f"recording {n}", kinds="W") for n in range(10_000)]
    seen = terminal.lines(report(*findings))
    assert len(seen) < 1_000
    assert "and 9,940 more: all are in the report, and shown with -v" in [line.text for line in seen]


def test_a_violation_says_what_why_and_how() -> None:
    evidence = tuple({"seq": n, "text": f"Traceback {n}"} for n in range(5))
    command = "pytest --agentcheck --agentcheck-check F09-error-is-compact --agentcheck-target 'my agent:run' -k 'a b'"
    seen = text(
        report(Finding(COMPACT, Outcome.FAIL, "grew by 5,213\n  characters", evidence, None, command, kinds="C"))
    )
    assert (
        "-- Violations (1) --------------------------------------------------------------\n"
        "\n"
        "Factor 9: Compact errors into the context window\n"
        "\n"
        "✗ F09-error-is-compact (callable)\n"
        "         F09-error-is-compact is not so\n"
        "  Seen:  grew by 5,213\n"
        "           characters\n"
        "         event 0: Traceback 0\n"
        "         event 1: Traceback 1\n"
        "         event 2: Traceback 2\n"
        "         and 2 more pieces of evidence in the report\n"
        "  Why:   An agent that floods its context forgets its task.\n"
        "  Mend:  Do otherwise.\n"
        "  Alone: pytest --agentcheck --agentcheck-check F09-error-is-compact \\\n"
        "           --agentcheck-target 'my agent:run' -k 'a b'\n"
    ) in seen


def test_verbose_cuts_nothing() -> None:
    evidence = tuple({"seq": n, "text": f"Traceback {n}"} for n in range(5))
    finding = Finding(COMPACT, Outcome.FAIL, "\n".join(f"line {n}" for n in range(50)), evidence)
    assert "more lines" in text(report(finding))
    verbose = text(report(finding), verbosity=1)
    assert "line 49" in verbose
    assert "event 4: Traceback 4" in verbose


def test_a_should_is_a_warning() -> None:
    seen = text(report(Finding(CAPPED, Outcome.FAIL, "never ends")))
    assert "Violations" not in seen
    assert "! F08-spend-is-capped (SHOULD)\n  Seen:  never ends\n" in seen


def test_quiet_is_one_line_for_each_violation_and_the_scorecard() -> None:
    findings = [
        Finding(COMPACT, Outcome.FAIL, "grew\nby 5,213 characters"),
        Finding(CAPPED, Outcome.FAIL, "never ends"),
        Finding("F01-call-matches-schema", Outcome.ERROR, "broke"),
    ]
    seen = text(report(*findings), verbosity=-1)
    assert seen.startswith(
        "FAIL F09-error-is-compact: grew by 5,213 characters\nERROR F01-call-matches-schema: broke\n\n-- Scorecard"
    )
    assert CAPPED not in seen


def test_what_is_untestable_comes_with_lines_to_paste() -> None:
    findings = [
        Finding(COMPACT, Outcome.UNTESTABLE, "no tool is bound", mend='[tool.agentcheck.tools] deploy = "ops:deploy"'),
        Finding(CAPPED, Outcome.UNTESTABLE, "bare reducer", mend="name the host that runs this reducer"),
    ]
    seen = text(report(*findings))
    assert (
        "-- Not testable (2): never counted as passed -----------------------------------\n"
        "These lines in pyproject.toml or agentcheck.toml would decide 1 check:\n"
        "\n"
        "[tool.agentcheck.tools]\n"
        'deploy = "ops:deploy"\n'
        "\n"
        "  - name the host that runs this reducer (decides 1 check)\n"
        "With -v, each is listed with its reason.\n"
    ) in seen
    assert "no tool is bound" not in seen
    assert "F09-error-is-compact\n    no tool is bound\n    To decide it: [tool.agentcheck.tools]" in text(
        report(*findings), verbosity=1
    )


def test_a_long_comment_goes_before_its_line() -> None:
    mend = f'guard = "module:function"  # {"your own " * 8}'
    assert f'# {"your own " * 7}your own\nguard = "module:function"\n' in text(
        report(Finding(COMPACT, Outcome.UNTESTABLE, mend=mend))
    )


def test_what_keeps_many_checks_from_a_verdict_is_said_once() -> None:
    broken = [Finding(c.id, Outcome.ERROR, "my_agent.run raised ValueError") for c in CHECKS[:40]]
    seen = text(report(*broken, *(Finding(c.id, Outcome.UNTESTABLE, "no model was called") for c in CHECKS[40:])))
    assert "? F01-call-matches-schema, and 39 checks more\n  Seen:  my_agent.run raised ValueError\n" in seen
    assert f"  - no model was called ({len(CHECKS) - 40} checks)\n" in seen
    assert seen.count("my_agent.run raised ValueError") == 1


def test_a_line_too_long_to_paste_is_not_cut_in_two() -> None:
    mend = f'tools.deploy = {{bind = "ops:{"d" * 80}"}}'
    seen = text(report(Finding(COMPACT, Outcome.UNTESTABLE, mend=mend)))
    assert "# (a line too long for here: see the report)" in seen
    assert "dddd" not in seen


def test_known_failures_are_told_apart() -> None:
    findings = [
        Finding(COMPACT, Outcome.FAIL),
        Finding(CAPPED, Outcome.PASS),
        Finding("F01-call-matches-schema", Outcome.FAIL),
    ]
    entries = (
        Expectation(COMPACT, "known {since} 3"),
        Expectation(CAPPED, "old"),
        Expectation("F01-call-matches-schema", "late", date(2026, 1, 1)),
    )
    seen = text(report(*findings, expected=Expected(entries).apply(findings, date(2026, 11, 20))))
    assert "F09-error-is-compact fails as expected: known {since} 3" in seen
    assert "F08-spend-is-capped is stale: it passes now; remove the entry" in seen
    assert "F01-call-matches-schema expired on 2026-01-01 and still fails: late" in seen
    assert "Violations (1)" in seen


def test_the_scorecard_of_all_passed() -> None:
    seen = text(report(*(Finding(c.id, Outcome.PASS) for c in CHECKS)), verbosity=-1, where="reports/deploybot")
    assert seen.startswith(
        "\n"
        "-- Scorecard -------------------------------------------------------------------\n"
        "Level 4, Stateless (100 % of the applicable weight passed; profile 2026-11)\n"
        "\n"
        " # Factor                                 Status   Share Pass Fail Untest. N/A\n"
        " 1 Natural language to tool calls         verified 100 %    5    -       -   -\n"
    )
    assert seen.endswith(
        "\n13 Pre-fetch the context you might need   verified 100 %    1    -       -   -\n\nReport: reports/deploybot"
    )


def test_the_scorecard_says_what_blocks_the_next_level() -> None:
    findings = [Finding(c.id, Outcome.PASS if c.factor != 3 else Outcome.ERROR) for c in CHECKS]
    seen = text(report(*findings))
    assert "Level 0, Unproven (" in seen
    assert "What blocks level 1, Inspectable: factor 3 (error)." in seen
    assert "\n 3 Own your context window                ?            ?    -    -       -   -\n" in seen


@pytest.mark.parametrize("selected", [[COMPACT], None])  # None: the session was cut short, as by -x
def test_a_part_of_the_checks_gives_no_level(selected: list[str] | None) -> None:
    seen = text(report(Finding(COMPACT, Outcome.PASS), selected=selected))
    assert "No level: only a part of the checks was run" in seen
    assert "Checks run: 1 of the profile's 72. Only all of them give a level." in seen
    assert "\n9 Compact errors" in seen
    assert "8 Own your control flow" not in seen


def test_nothing_decided_is_said() -> None:
    seen = text(report(*(Finding(c.id, Outcome.NOT_APPLICABLE) for c in CHECKS)))
    assert "No check was decided: this run proves nothing about the agent." in seen
    assert "nothing: but no factor is verified" in seen


@pytest.mark.parametrize(
    ("share", "shown"), [(None, "-"), (0.0, "0 %"), (0.9999, "99 %"), (1.0, "100 %"), (0.29, "29 %")]
)
def test_a_percentage_never_flatters(share: float | None, shown: str) -> None:
    assert percent(share) == shown


# --- onto a stream -------------------------------------------------------------------------------


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Tty(), {}, True),
        (Tty(), {"NO_COLOR": ""}, True),  # no-color.org: only when not empty
        (Tty(), {"NO_COLOR": "1"}, False),
        (Tty(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_only_where_it_is_wanted(stream: io.StringIO, environ: dict[str, str], coloured: bool) -> None:
    terminal.write(report(Finding(COMPACT, Outcome.FAIL, HOSTILE)), printer(stream, environ))
    assert ("\x1b[31;1m" in stream.getvalue()) is coloured
    assert "\x1b[2J" not in stream.getvalue()


def test_markup_is_given_as_pytest_takes_it() -> None:
    seen: list[tuple[str, dict[str, bool]]] = []
    terminal.write(report(Finding(COMPACT, Outcome.FAIL)), lambda text, **markup: seen.append((text, markup)))
    assert ("✗ F09-error-is-compact (reducer, callable, host)", {"red": True, "bold": True}) in seen


def test_paper_takes_the_encoding_of_its_stream() -> None:
    assert Paper.of(io.TextIOWrapper(io.BytesIO(), encoding="ascii")).encoding == "ascii"
    assert Paper.of(io.StringIO()).encoding == "ascii"
    assert "x F09-error-is-compact" in text(report(Finding(COMPACT, Outcome.FAIL)), paper=Paper(encoding="ascii"))


@pytest.mark.parametrize(
    ("character", "fitting"),
    [("x", 79), ("漢", 39), ("🚀", 39), ("é", 79)],  # one column is the ellipsis
)
def test_wide_characters_take_two_columns(character: str, fitting: int) -> None:
    assert Paper().line(character * 200) == character * fitting + "…"
