"""Bad input to `pytest --agentcheck`: one clear sentence, a non-zero exit, nothing half-written."""

from collections.abc import Callable

import pytest

Project = Callable[..., pytest.Pytester]
GOOD = {"F01-holds-well": "pass", "F09-also-holds": "pass"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--agentcheck-check", "F09-also-hold"], "no check 'F09-also-hold' (did you mean 'F09-also-holds'?)*"),
        (["--agentcheck-factor", "3"], "no check is of factor 3; the factors are 1 to 13"),
        (["--agentcheck-target", "my_agent"], 'the command line: target must be text like "package.module:object"*'),
        (["--agentcheck-report", "agentcheck.toml/x"], "the report cannot be written to *--agentcheck-report=DIR"),
        (["agentcheck::F01-hold-well"], "no check 'F01-hold-well' (did you mean 'F01-holds-well'?)*"),
    ],
)
def test_options_that_cannot_be_met(project: Project, options: list[str], sentence: str) -> None:
    result = project(GOOD).runpytest_subprocess("--agentcheck", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    assert len([line for line in result.stderr.lines if line]) == 1


def test_a_folder_of_reports_that_pytest_takes_for_tests_moves_no_rootdir(project: Project) -> None:
    session = project(GOOD)
    (session.path / "there").mkdir()
    (session.path / "there/pytest.ini").write_text("[pytest]\n")
    result = session.runpytest_subprocess("--agentcheck", "--agentcheck-report", "there")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *moved rootdir from */there: write --agentcheck-report=there, with an *"])
    session.runpytest_subprocess("--agentcheck-only", "--agentcheck-report=there").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "agentcheck.toml",
            "tagret = 'a:b'",
            "agentcheck.toml: unknown key 'tagret' (did you mean 'target'?); the keys are*",
        ),
        ("agentcheck.toml", "", "no agent named: give --agentcheck-target package.module:object, or*"),
        ("agentcheck-expected.toml", "expected = 3", "*agentcheck-expected.toml: expected must be a table*"),
        (
            "pyproject.toml",
            "[tool.agentcheck]",
            "both agentcheck.toml and *tool.agentcheck* of pyproject.toml configure*",
        ),
    ],
)
def test_files_that_cannot_be_used(project: Project, file: str, text: str, sentence: str) -> None:
    session = project(GOOD)
    session.path.joinpath(file).write_text(text)
    result = session.runpytest_subprocess("--agentcheck")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])


@pytest.mark.parametrize("jobs", [[], ["-n2"]])
def test_a_target_that_cannot_be_set_up_stops_the_session(project: Project, jobs: list[str]) -> None:
    session = project(GOOD, broken="my_agent:run cannot be imported: No module named 'openai'")
    result = session.runpytest_subprocess("--agentcheck", *jobs)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["!* agentcheck: my_agent:run cannot be imported: No module named 'openai' !*"])
    assert not (session.path / "reports/my_agent").exists()


def test_a_broken_test_of_the_users_own_is_named_with_the_way_around(project: Project) -> None:
    session = project(GOOD)
    session.makepyfile(test_broken="import nothing_of_this_name")
    result = session.runpytest_subprocess("--agentcheck")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["agentcheck: collection was interrupted by test_broken.py, so no check ran*--agentcheck-only"]
    )
    session.runpytest_subprocess("--agentcheck-only").assert_outcomes(passed=2)


def test_deselecting_every_check_is_not_green(project: Project) -> None:
    result = project(GOOD).runpytest_subprocess("--agentcheck", "-k", "user")
    result.assert_outcomes(passed=1, deselected=2)
    assert result.ret == 12
    result.stdout.fnmatch_lines(["agentcheck: no check ran, so nothing is proved about the agent"])


def test_a_foreign_distribution_that_owns_the_name_is_named(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = pytester.mkdir("site") / "agentcheck_ai-0.5.14.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: agentcheck-ai\nVersion: 0.5.14\n")
    info.joinpath("top_level.txt").write_text("agentcheck\n")
    monkeypatch.setenv("PYTHONPATH", str(info.parent))
    result = pytester.runpytest_subprocess("--agentcheck")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: the distribution 'agentcheck-ai' also owns the import package 'agentcheck'*"])


def test_a_folder_that_shadows_the_package_is_named(pytester: pytest.Pytester) -> None:
    pytester.mkpydir("agentcheck")
    result = pytester.runpytest_subprocess("--agentcheck")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: 'agentcheck' is imported from {pytester.path}/agentcheck/__init__.py, which shadows*"]
    )
