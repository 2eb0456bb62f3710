"""`pytest --agentcheck` in real sessions: what is collected, how outcomes show, which options hold."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Project = Callable[..., pytest.Pytester]
ALL = {
    "F01-holds-well": "pass",
    "F01-should-hold": "fail",
    "F09-must-hold": "fail",
    "F09-not-seen": "untestable",
    "F10-no-concern": "not_applicable",
}
GOOD = {"F01-holds-well": "pass", "F09-also-holds": "pass"}


def written(project: pytest.Pytester, folder: str = "reports/my_agent") -> dict[str, Any]:
    return json.loads((project.path / folder / "agentcheck.json").read_text())  # type: ignore[no-any-return]


def test_outcomes_become_those_of_pytest_and_a_report(project: Project) -> None:
    session = project(ALL)
    result = session.runpytest_subprocess("--agentcheck", "-ra")
    result.assert_outcomes(passed=3, failed=1, skipped=2, warnings=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "test_own.py .",
            " 1 Natural language to tool calls ...* .w",
            " 9 Compact errors into the context window ...* Fs",
            "10 Small, focused agents ...* s*",
            "*F09-must-hold (callable)",
            "  Seen:  saw a traceback of 5,012 characters",
            "*F01-should-hold (SHOULD)",
            "*Scorecard*",
            "SKIPPED * agentcheck::F09-not-seen:1: Not testable: the tool is not bound",
            "FAILED agentcheck::F09-must-hold - saw a traceback of 5,012 characters",
        ]
    )
    assert {f["check"]: f["outcome"] for f in written(session)["findings"]} == ALL
    for once in ("*collect.py*", "*= FAILURES =*", "*= warnings summary =*"):
        result.stdout.no_fnmatch_line(once)


def test_xdist_judges_the_same_and_the_controller_reports(project: Project) -> None:
    session = project(ALL)
    result = session.runpytest_subprocess("--agentcheck-only", "-n2", "-v")
    result.assert_outcomes(passed=2, failed=1, skipped=2, warnings=1)
    result.stdout.fnmatch_lines_random(
        ["*WARNED agentcheck::F01-should-hold*", "FAILED agentcheck::F09-must-hold - saw*"]
    )
    report = written(session)
    assert {f["check"]: f["outcome"] for f in report["findings"]} == ALL
    assert report["target"]["name"] == "fake"  # told by a worker


def test_hooks_of_the_user_may_take_checks_for_functions(project: Project) -> None:
    session = project(GOOD)
    session.makepyfile(
        hooks="""
        import inspect
        def pytest_collection_modifyitems(items):
            for item in items:
                assert "database" not in item.fixturenames
                assert not inspect.iscoroutinefunction(item.function)
                assert item.module.__name__ and item.cls is None
        def pytest_runtest_setup(item):
            assert "browser" not in item.funcargs
        """
    )
    session.runpytest_subprocess("--agentcheck", "-p", "hooks").assert_outcomes(passed=3)


def test_the_users_rootdir_and_a_hostile_ini_are_kept(project: Project) -> None:
    session = project(ALL)
    session.makeini(
        "[pytest]\naddopts = -q --strict-markers --import-mode=importlib\nfilterwarnings = error\n"
        "xfail_strict = true\npython_files = check_*.py\n"
    )
    session.path.joinpath("check_mine.py").write_text("def test_mine(): pass\n")
    result = session.runpytest_subprocess("--agentcheck", "-p", "no:cacheprovider", "-W", "error", "-vv")
    result.assert_outcomes(passed=3, failed=1, skipped=2, warnings=1)
    result.stdout.fnmatch_lines([f"rootdir: {session.path}", "configfile: tox.ini", "check_mine.py::test_mine PASSED*"])


@pytest.mark.parametrize(
    ("options", "judged"),
    [
        (["--agentcheck-factor", "9"], {"F09-must-hold", "F09-not-seen"}),
        (["--agentcheck-factor", "10", "--agentcheck-check", "F01-holds-well"], {"F01-holds-well", "F10-no-concern"}),
        (["--agentcheck", "-k", "must-hold"], {"F09-must-hold"}),
        (["--agentcheck", "-m", "factor(number=1) or agentcheck and not factor"], set()),
        (["--agentcheck-only", "-x"], {"F01-holds-well", "F01-should-hold", "F09-must-hold"}),
        (["agentcheck::F09-must-hold"], {"F09-must-hold"}),
    ],
)
def test_options_select_checks(project: Project, options: list[str], judged: set[str]) -> None:
    session = project(ALL)
    session.runpytest_subprocess(*options)
    path = session.path / "reports/my_agent/agentcheck.json"
    assert {f["check"] for f in written(session)["findings"]} == judged if judged else not path.exists()


def test_lf_runs_only_what_failed_before(project: Project) -> None:
    session = project(ALL)
    session.runpytest_subprocess("--agentcheck")
    result = session.runpytest_subprocess("--agentcheck", "--lf")
    result.assert_outcomes(failed=1)


def test_collect_only_judges_nothing_and_writes_nothing(project: Project) -> None:
    session = project(ALL)
    result = session.runpytest_subprocess("--agentcheck", "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["test_own.py::test_of_the_user", "agentcheck::F01-holds-well", "agentcheck::F10-no-concern"]
    )
    assert not (session.path / "reports").exists()


def test_strict_fails_what_is_a_warning_or_not_testable(project: Project) -> None:
    result = project(ALL).runpytest_subprocess("--agentcheck-only", "--agentcheck-strict", "-ra")
    result.assert_outcomes(passed=1, failed=3, skipped=1)
    result.stdout.fnmatch_lines_random(["FAILED agentcheck::F09-not-seen - Not testable: *"])


def test_quiet_is_quiet(project: Project) -> None:
    result = project(GOOD).runpytest_subprocess("--agentcheck-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*Natural language to tool calls ...*")


def test_report_goes_straight_into_the_named_folder(project: Project) -> None:
    session = project(GOOD)
    session.runpytest_subprocess("--agentcheck-only", "--agentcheck-report", "here/it/is")
    assert written(session, "here/it/is")["decided"] == 2
    assert not (session.path / "reports").exists()


@pytest.mark.parametrize("jobs", [[], ["-n2"]])
def test_a_session_that_decides_nothing_is_not_green(project: Project, jobs: list[str]) -> None:
    session = project({"F01-not-seen": "untestable", "F02-no-concern": "not_applicable"})
    result = session.runpytest_subprocess("--agentcheck", *jobs)
    result.assert_outcomes(passed=1, skipped=2)
    assert result.ret == 12


def test_expected_failures_are_known_until_they_pass_or_expire(project: Project) -> None:
    session = project({**GOOD, "F09-must-hold": "fail", "F10-must-hold": "fail"})
    session.path.joinpath("agentcheck-expected.toml").write_text(
        '[expected]\nF01-holds-well = "stale by now"\nF09-must-hold = "comes with v2"\n'
        'F10-must-hold = {reason = "was due", expires = 2001-01-01}\n'
    )
    result = session.runpytest_subprocess("--agentcheck-only", "-ra")
    result.assert_outcomes(passed=1, xfailed=1, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "XFAIL agentcheck::F09-must-hold - comes with v2",
            "F01-holds-well is stale: it passes now; remove the entry",
            "F10-must-hold expired on 2001-01-01 and still fails: was due",
        ]
    )


def test_a_bug_of_ours_is_an_error_and_no_verdict(project: Project) -> None:
    session = project({"F01-crashes-here": "crash", **GOOD})
    result = session.runpytest_subprocess("--agentcheck-only")
    result.assert_outcomes(passed=2, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*agentcheck broke: ZeroDivisionError('a bug of ours')", "*conftest.py:* in judge: *"])
    assert [f["check"] for f in written(session)["findings"] if f["outcome"] == "error"] == ["F01-crashes-here"]


def test_without_the_option_pytest_loads_one_small_module_of_ours(tmp_path: Path) -> None:
    code = (
        "import sys, pytest; pytest.main(['-q', '--co', '-p', '_agentcheck_plugin']);"
        "print(sorted({m for m in sys.modules if m.startswith(('agentcheck', '_agentcheck'))}"
        " | {'hypothesis', 'pydantic', 'vcr', 'httpx', 'yaml'} & sys.modules.keys()))"
    )
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "['_agentcheck_plugin']", done.stderr


def test_traces_of_earlier_sessions_are_gone_and_nothing_else(project: Project) -> None:
    session = project(ALL)
    traces = session.path / "reports" / "my_agent" / "traces"
    traces.mkdir(parents=True)
    for name in ("C001.jsonl", "gw0H012.jsonl", "mine.jsonl", "notes.txt"):
        (traces / name).write_text("")
    session.runpytest_subprocess("--agentcheck-only")
    assert sorted(path.name for path in traces.iterdir()) == ["mine.jsonl", "notes.txt"]
