"""The report document: its contract, its schema, and that it is written whole or not at all."""

import json
import random
import stat
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agentcheck.check import Check
from agentcheck.expected import Expectation, Expected
from agentcheck.finding import Finding, Outcome
from agentcheck.profile import CURRENT
from agentcheck.render.markdown import escape, fenced, markdown
from agentcheck.report import ReportError, build, schema, write
from agentcheck.suggest import paste, suggestions

COMPACT = "F09-error-is-compact"
HOSTILE = "\x1b[31m<script>alert(1)</script> ```\n# heading | cell [x](http://evil.test) @team \udc80 \u202e \x00"


def judge(lab: Any) -> None:
    """An agent that floods its context forgets its task.

    Nobody notices until later.
    """


CHECKS = [
    Check(id, severity, "RCH", f"{id} is so", f"{id} is not so", "Do otherwise.", "a run", judge)
    for id, severity in CURRENT.checks.items()
]
TARGET = {"name": "deploybot_loop", "kind": "callable", "framework": "openai"}


def report(*findings: Finding, **more: Any) -> dict[str, Any]:
    return build(findings, target=TARGET, checks=CHECKS, **more)


def valid(document: dict[str, Any]) -> dict[str, Any]:
    jsonschema.Draft202012Validator(schema()).validate(document)
    return document


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_contract() -> None:
    evidence = {"trace": "traces/a.jsonl", "seq": 7, "text": "Traceback"}
    finding = Finding(
        COMPACT, Outcome.FAIL, "grew by 5,213 characters", (evidence,), "traces/a.jsonl", "pytest -k it", 1.23456, "C"
    )
    document = valid(report(finding, started=datetime(2026, 11, 20, 12, tzinfo=UTC), seconds=3.0))
    assert document["schema"] == "agentcheck/report/1"
    assert document["target"] == TARGET
    assert document["level"] == {"number": 0, "name": "Unproven"}
    assert document["factors"][8] == {
        "factor": 9,
        "title": "Compact errors into the context window",
        "status": "violated",
        "share": 0.0,
        "counts": {"pass": 0, "fail": 1, "not_applicable": 0, "untestable": 0, "error": 0, "not_run": 8},
    }
    assert document["findings"] == [
        {
            "check": COMPACT,
            "factor": 9,
            "severity": "MUST",
            "kinds": "C",
            "outcome": "fail",
            "statement": f"{COMPACT} is not so",
            "message": "grew by 5,213 characters",
            "evidence": [evidence],
            "trace": "traces/a.jsonl",
            "reproduce": "pytest -k it",
            "seconds": 1.235,
            "mend": "",
            "why": judge.__doc__ and judge.__doc__.strip(),
            "remedy": "Do otherwise.",
            "source": "https://github.com/humanlayer/12-factor-agents/blob/main/content/factor-09-compact-errors.md",
            "expected": None,
        }
    ]
    assert document["started"] == "2026-11-20T12:00:00+00:00"
    assert json.dumps(document).count("2026-11-20") == 1


def test_nothing_found_is_a_valid_report() -> None:
    document = valid(report())
    assert document["decided"] == 0
    assert document["share"] == 0


def test_findings_are_sorted_whatever_their_order() -> None:
    findings = [Finding(c.id, Outcome.PASS, kinds=kind) for c in CHECKS for kind in "RC"]
    shuffled = random.Random(1).sample(findings, len(findings))
    assert report(*findings) == report(*shuffled)
    assert [f["factor"] for f in report(*shuffled)["findings"]] == sorted(int(f.check[1:3]) for f in findings)


def test_ten_thousand_findings() -> None:
    findings = [Finding(CHECKS[n % 72].id, list(Outcome)[n % 5], HOSTILE, kinds="W") for n in range(10_000)]
    document = valid(report(*findings))
    assert len(document["findings"]) == 10_000
    assert document["decided"] == 4_000
    assert json.loads(json.dumps(document)) == document


def test_a_finding_of_an_unregistered_check_is_refused() -> None:
    with pytest.raises(ReportError, match="'F01-no-such-check', which is not registered"):
        report(Finding("F01-no-such-check", Outcome.PASS))


def test_only_a_part_was_selected() -> None:
    document = valid(report(Finding(COMPACT, Outcome.PASS), selected=[COMPACT]))
    assert document["selected"] == [COMPACT]
    assert document["factors"][8]["counts"]["not_run"] == 8
    assert "selected" not in report(selected=[c.id for c in CHECKS])


def test_known_failures_are_marked() -> None:
    findings = [Finding(COMPACT, Outcome.FAIL, kinds="R"), Finding("F01-call-matches-schema", Outcome.PASS)]
    entries = (Expectation(COMPACT, "known", date(2027, 1, 1)), Expectation("F01-call-matches-schema", "old"))
    document = valid(report(*findings, expected=Expected(entries).apply(findings, date(2026, 11, 20))))
    assert document["expected"] == {
        "failures": [{"check": COMPACT, "reason": "known", "expires": "2027-01-01"}],
        "stale": [{"check": "F01-call-matches-schema", "reason": "old", "expires": None}],
        "expired": [],
    }
    assert [f["expected"] for f in document["findings"]] == [None, "known"]
    assert document["factors"][8]["status"] == "violated"  # known is not mended


def test_long_texts_are_cut_and_say_so() -> None:
    found = report(Finding(COMPACT, Outcome.FAIL, "m" * 30_000, ({"seq": 1, "text": "e" * 5_000},)))["findings"][0]
    assert found["message"].endswith("m… (10,000 more characters)")
    assert found["evidence"][0]["text"].endswith("e… (1,000 more characters)")


def test_what_is_not_json_becomes_text() -> None:
    document = valid(report(Finding(COMPACT, Outcome.FAIL, evidence=({"text": b"\xff", "at": Path("x")},))))
    assert document["findings"][0]["evidence"] == [{"text": "b'\\xff'", "at": "x"}]


# --- writing ------------------------------------------------------------------------------------


def test_both_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    document = report(Finding(COMPACT, Outcome.FAIL, HOSTILE, ({"seq": 1, "text": HOSTILE},)))
    folder = tmp_path / "reports" / "deploybot"
    paths = write(document, folder)
    write(document, folder)
    assert sorted(folder.iterdir()) == sorted(paths) == [folder / "agentcheck.json", folder / "agentcheck.md"]
    assert json.loads(paths[0].read_text(encoding="utf-8")) == document
    assert paths[1].read_text(encoding="utf-8") == markdown(document)


def test_a_file_in_the_way_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(
        ReportError, match=r"cannot be written to .*; name a folder .* --agentcheck-report=DIR"
    ) as caught:
        write(report(), tmp_path / "reports")
    assert "\n" not in str(caught.value)
    assert (tmp_path / "reports").read_text() == "in the way"


def test_a_failure_on_the_way_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(report(), tmp_path)
    old = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agentcheck.report.os.fsync", full)
    with pytest.raises(ReportError, match="No space left on device"):
        write(report(Finding(COMPACT, Outcome.FAIL)), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_no_permission_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: Any, **more: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)  # a real read-only folder does not stop root
    with pytest.raises(ReportError, match="Permission denied; name a folder"):
        write(report(), tmp_path / "reports")


def test_written_files_have_the_usual_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    json_path, _ = write(report(), tmp_path)
    assert stat.S_IMODE(json_path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


# --- Markdown ------------------------------------------------------------------------------------


def test_text_from_the_agent_is_no_markup() -> None:
    text = markdown(
        build(
            [
                Finding(COMPACT, Outcome.FAIL, HOSTILE, ({"seq": 1, "text": HOSTILE},)),
                Finding("F01-call-matches-schema", Outcome.UNTESTABLE, HOSTILE, mend=HOSTILE),
                Finding("F01-prose-acts-on-nothing", Outcome.NOT_APPLICABLE, HOSTILE),
                Finding("F02-prompt-is-owned", Outcome.ERROR, HOSTILE),
            ],
            target={"name": HOSTILE, "kind": HOSTILE, "framework": HOSTILE},
            checks=CHECKS,
            assumptions=[HOSTILE],
            environment={"python": HOSTILE},
        )
    )
    assert not set(text) & set("\x1b\x00\u202e\udc80")
    outside = "".join(part for n, part in enumerate(text.split("````")) if n % 2 == 0)
    assert text.count("````") == 6  # three blocks, each fenced by one more than the text holds
    for markup in ("<script", "](http://evil", "@team", "\n# heading", "http://evil"):
        assert markup not in outside


@pytest.mark.parametrize("ticks", [0, 1, 3, 7])
def test_a_fence_is_longer_than_any_in_its_text(ticks: int) -> None:
    first, *_, last = fenced(f"a\n{'`' * ticks}\nb").split("\n")
    assert first == last + "text"
    assert len(last) == max(3, ticks + 1)


def test_escaped_text_is_one_line() -> None:
    assert escape("a\nb|c <d> www.evil.test") == r"a b\|c &lt;d&gt; www&#46;evil.test"


def test_the_level_comes_before_any_percentage() -> None:
    text = markdown(report(*(Finding(c.id, Outcome.UNTESTABLE) for c in CHECKS)))
    assert text.index("Level 0, Unproven") < text.index("%")


# --- what would decide the most ---------------------------------------------------------------


def untestable(*mends: str) -> list[Finding]:
    return [Finding(CHECKS[n].id, Outcome.UNTESTABLE, mend=mend) for n, mend in enumerate(mends)]


def test_the_mend_that_decides_most_comes_first() -> None:
    seen = suggestions(untestable("human = []", "name the host", "name the host", ""), CURRENT.checks)
    assert [(s.mend, len(s.checks), s.config) for s in seen] == [("name the host", 2, False), ("human = []", 1, True)]


def test_only_untestable_findings_suggest() -> None:
    assert suggestions([Finding(COMPACT, Outcome.PASS, mend="human = []")], CURRENT.checks) == []


@pytest.mark.parametrize(
    ("mends", "pasted", "decided"),
    [
        (["human = []"], {"human": []}, 1),
        (["human = []", "human = ['ask']"], {"human": ["ask"]}, 1),  # they contradict: the first in order
        (["[tool.agentcheck]\nhuman = []", "high_stakes = []"], {"human": [], "high_stakes": []}, 2),
        (
            ['[tool.agentcheck.tools] deploy = "ops:deploy"', '[tools]\nlist = "ops:list"', "human = []"],
            {"human": [], "tools": {"deploy": "ops:deploy", "list": "ops:list"}},
            3,
        ),
        (["# say who asks\nhuman = ['ask']"], {"human": ["ask"]}, 1),
        (["limits.tools = 3", "[limits]\nsteps = 4"], {"limits": {"steps": 4}}, 1),
        ([f"owned = [{', '.join(repr('p' * 30) for _ in range(9))}]"], {"owned": ["p" * 30] * 9}, 1),
    ],
)
def test_config_lines_are_ready_to_paste(mends: list[str], pasted: dict[str, Any], decided: int) -> None:
    # Same weight and number: the order is that of the text.
    text, ids = paste(suggestions(untestable(*mends), CURRENT.checks))
    assert tomllib.loads(text) == {"tool": {"agentcheck": pasted}}
    assert len(ids) == decided
    assert max(map(len, text.split("\n"))) <= 80


def test_a_sentence_is_not_pasted() -> None:
    assert paste(suggestions(untestable("name the host that runs this reducer"), CURRENT.checks)) == ("", ())


def test_only_a_few_lines_are_pasted() -> None:
    text, ids = paste(suggestions(untestable(*(f"k{n} = {n}" for n in range(20))), CURRENT.checks), at_most=4)
    assert len(tomllib.loads(text)["tool"]["agentcheck"]) == len(ids) == 4
