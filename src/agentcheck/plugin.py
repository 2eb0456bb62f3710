"""The pytest session with `--agentcheck`: collects the checks, judges each, reports what was found."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from _agentcheck_plugin import NODES, is_pasted
from agentcheck import collect, progress
from agentcheck.catalog import UnknownCheck
from agentcheck.config import ConfigError
from agentcheck.expected import ExpectedError
from agentcheck.finding import HarnessError, Outcome
from agentcheck.judging import JUDGING, Judging, prepare
from agentcheck.render import terminal
from agentcheck.render.text import Paper
from agentcheck.report import ReportError

if TYPE_CHECKING:
    from agentcheck.audit import Audit
    from agentcheck.lab import Lab

UNDECIDED: Final = 12  # the exit status of a session whose checks decided nothing
_FACTS: Final = "agentcheck"  # the name under which a worker hands over what its lab knows
_TRACE: Final = re.compile(r"(gw\d+)?[RCHW]\d+\.jsonl")
_GREEN: Final = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def make_lab(judging: Judging) -> "Lab | Audit":
    """The one place where the lab is made. Raises HarnessError where the target cannot be set up."""
    if judging.audit:
        from agentcheck.audit import Audit

        return Audit(judging.audit, judging.checks, limits=judging.config.budgets(), start=judging.rootdir)
    from agentcheck.lab import Lab

    done = _recorded(judging)
    lab = Lab(judging.config, rootdir=judging.rootdir, reports=judging.reports, worker=judging.worker)
    lab.notes += done
    return lab


def _recorded(judging: Judging) -> list[str]:
    """Record where that was asked for; what was done, for the report. Raises HarnessError."""
    if judging.record == "none":
        return []
    from agentcheck import recording

    return [recording.renew(judging.record, judging.config, judging.rootdir)]


# --- set-up ---------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "agentcheck: a check of agentcheck, not a test of this project")
    config.addinivalue_line("markers", "factor(number): the factor, of the 12, that a check belongs to")
    try:
        _refuse_shared_recording(config)
        pasted = _take_pasted(config)
        judging = prepare(config, pasted=pasted, factory=lambda judging: progress.shown(make_lab(judging), config))
        if not config.option.collectonly:
            _make_writable(judging)
            _drop_traces(judging)
    except (ConfigError, UnknownCheck, ExpectedError, HarnessError) as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[JUDGING] = judging
    if not _is_worker(config):
        config.pluginmanager.register(Gathering(judging), "agentcheck-gathering")


def pytest_sessionstart(session: pytest.Session) -> None:
    if not _is_worker(session.config):
        progress.install(session.config)


def _refuse_shared_recording(config: pytest.Config) -> None:
    mode, option = config.option.agentcheck_record or "none", config.option
    shared = getattr(option, "numprocesses", None) or getattr(option, "dist", "no") != "no"
    if mode != "none" and (shared or _is_worker(config)):
        raise ConfigError(
            f"--agentcheck-record={mode} records in one process only: record with -n0, then judge with any number"
        )


def _take_pasted(config: pytest.Config) -> list[str]:
    """Take `agentcheck::F09-…` out of the arguments; with no other argument, nothing else is collected."""
    pasted = [argument for argument in config.args if is_pasted(argument)]
    config.args[:] = [argument for argument in config.args if argument not in pasted]
    if pasted and not config.args:
        config.option.agentcheck_only = True
    return [argument.rpartition(NODES)[2] for argument in pasted]


def _make_writable(judging: Judging) -> None:
    try:
        judging.reports.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=judging.reports).close()
    except OSError as error:
        raise ConfigError(
            f"the report cannot be written to {judging.reports}: {error.strerror}; "
            "name a folder that can be written with --agentcheck-report=DIR"
        ) from None


def _drop_traces(judging: Judging) -> None:
    """Remove the traces of earlier sessions, which would lie beside those of this one under the same names."""
    if not judging.worker:
        for trace in (judging.reports / "traces").glob("*.jsonl"):
            if _TRACE.fullmatch(trace.name):
                trace.unlink(missing_ok=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


# --- collection -----------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    if session.config.option.agentcheck_only:
        session.config.args[:] = []


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if isinstance(collector, pytest.Session) and report.passed:
        report.result = [*report.result, collect.Checks.of(collector), *_fuzz_items(collector)]
    return report


def _fuzz_items(session: pytest.Session) -> "list[pytest.Item]":
    if not session.config.option.agentcheck_fuzz:
        return []
    from agentcheck import fuzzing

    return list(fuzzing.items(session, session.config.stash[JUDGING]))


# --- outcomes -------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    finding = collect.finding_of(report) if report.nodeid.startswith(NODES) else None
    if finding and finding.outcome is Outcome.ERROR:
        return "error", "E", "ERROR"
    if finding and finding.outcome is Outcome.FAIL and report.passed:
        return "passed", "w", ("WARNED", {"yellow": True})
    return None


class Gathering:
    """Takes in findings where reports arrive: in the only process, or in xdist's controller."""

    def __init__(self, judging: Judging):
        self._judging = judging

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        finding = collect.finding_of(report)
        if finding:
            self._judging.findings.append(finding)
        if report.when == "call":
            self._judging.fuzzed += [json.loads(str(v)) for n, v in report.user_properties if n == "agentcheck_fuzz"]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Leave out of pytest's own sections what the closing section says better."""
        with progress.told_once(terminalreporter):
            return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._judging.learn(json.loads(getattr(node, "workeroutput", {}).get(_FACTS, "{}")))


# --- the end --------------------------------------------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if JUDGING not in config.stash:
        return
    judging = config.stash[JUDGING]
    facts = judging.close()
    if _is_worker(config):
        config.workeroutput[_FACTS] = json.dumps(facts, default=str)  # type: ignore[attr-defined]
    elif not config.option.collectonly:
        judging.learn(facts)
        _conclude(session, judging)


def _conclude(session: pytest.Session, judging: Judging) -> None:
    """Write the report, and see to it that nothing undecided looks green."""
    try:
        judging.write()
    except ReportError as error:
        judging.trouble = str(error)
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    if session.exitstatus in _GREEN and judging.broken:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if session.exitstatus in _GREEN and not judging.decided:
        session.exitstatus = UNDECIDED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if JUDGING not in config.stash or config.option.collectonly:
        return
    judging = config.stash[JUDGING]
    if judging.document:
        paper = Paper.of(getattr(config.get_terminal_writer(), "_file", sys.stdout))
        verbosity, where = config.get_verbosity(), os.path.relpath(judging.reports, config.invocation_params.dir)
        terminal.write(judging.document, terminalreporter.write_line, paper=paper, verbosity=verbosity, where=where)
    for text in _told_of_fuzzing(judging):
        terminalreporter.write_line(text)
    for text in _complaints(judging, terminalreporter):
        terminalreporter.write_line(f"\nagentcheck: {text}", bold=True)


def _told_of_fuzzing(judging: Judging) -> Iterator[str]:
    if judging.fuzzed:
        from agentcheck import fuzzing

        for found in judging.fuzzed:
            yield from fuzzing.summary(found)


def _complaints(judging: Judging, reporter: pytest.TerminalReporter) -> Iterator[str]:
    """What went wrong around the checks, a sentence each."""
    if judging.trouble:
        yield judging.trouble
    if judging.broken:
        yield f"recordings that are broken, which count as errors: {judging.broken}"
    if judging.findings or any(r.nodeid.startswith(NODES) for r in reporter.stats.get("failed", [])):
        return
    broken = {r.nodeid for r in reporter.stats.get("error", []) if isinstance(r, pytest.CollectReport)}
    if broken:
        yield (
            f"collection was interrupted by {' and '.join(sorted(broken))}, so no check ran: "
            "mend that, or judge the agent alone with --agentcheck-only"
        )
    else:
        yield "no check ran, so nothing is proved about the agent"
