"""Checks as pytest items: `agentcheck::F09-error-is-compact`, beside the user's own tests."""

import dataclasses
import json
import sys
import traceback
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest._code.code import (
    ExceptionInfo,
    ReprEntryNative,
    ReprExceptionInfo,
    ReprFileLocation,
    ReprTraceback,
    TerminalRepr,
)

from agentcheck.check import Check, Severity
from agentcheck.finding import Finding, HarnessError, Outcome
from agentcheck.judging import JUDGING, Judging

NODE: Final = "agentcheck"
PROPERTY: Final = "agentcheck"  # the name under which a finding travels in user_properties
NOT_TESTABLE: Final = "Not testable: "


class AgentcheckWarning(pytest.PytestWarning):
    """The agent breaks a SHOULD or a MAY."""


class Violated(Exception):
    """The agent fails a check: reported without a traceback of ours."""


class Broken(Exception):
    """agentcheck itself could not judge."""


class Checks(pytest.Collector):
    """The collector of all selected checks."""

    @classmethod
    def of(cls, session: pytest.Session) -> "Checks":
        return cls.from_parent(session, name=NODE, nodeid=NODE, path=session.config.rootpath / NODE)

    def collect(self) -> Iterator[pytest.Item]:
        for check in self.config.stash[JUDGING].checks:
            yield CheckItem.from_parent(self, name=check.id, check=check)


class CheckItem(pytest.Item):
    """One check of the agent under test."""

    def __init__(self, *, check: Check, **kwargs: Any):
        super().__init__(**kwargs)
        self.check = check
        # What hooks of users and of other plugins read off every item, as though all were functions.
        self.fixturenames: list[str] = []
        self.funcargs: dict[str, Any] = {}
        self.cls, self.function, self.module = None, check.judge, sys.modules.get(check.judge.__module__)
        self.add_marker("agentcheck")
        self.add_marker(pytest.mark.factor(check.factor))

    def runtest(self) -> None:
        judging = self.config.stash[JUDGING]
        finding = judging.complete(self._judge(judging))
        self.user_properties.append((PROPERTY, encode(finding)))
        _conclude(self, finding, judging)

    def _judge(self, judging: Judging) -> Finding:
        try:
            lab = judging.lab
        except HarnessError as error:  # no other check would fare better
            self.session.shouldfail = f"agentcheck: {error}"
            raise Broken(str(error)) from None
        try:
            return lab.judge(self.check)
        except HarnessError as error:
            return Finding(self.check.id, Outcome.ERROR, error.message)
        except Exception as error:
            return Finding(self.check.id, Outcome.ERROR, f"agentcheck broke: {error!r}\n{_tail(error)}")

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        if not isinstance(excinfo.value, (Violated, Broken)):
            return super().repr_failure(excinfo, style)
        text = str(excinfo.value)
        # Of these classes, since xdist can carry them and the short summary shows their message.
        crash = ReprFileLocation(str(self.path), 1, text.partition("\n")[0])
        return ReprExceptionInfo(ReprTraceback([ReprEntryNative([text + "\n"])], None, "native"), crash)

    @cached_property
    def location(self) -> tuple[str, int | None, str]:
        return NODE, 0, self.name

    def reportinfo(self) -> tuple[Path, int, str]:
        # Where pytest says that a test was skipped: the check rather than a line of ours.
        return self.config.rootpath / self.nodeid, 0, self.name


def encode(finding: Finding) -> str:
    """A finding as text, which is what every reporter and xdist can carry."""
    return json.dumps(dataclasses.asdict(finding), ensure_ascii=False, default=str)


def decode(text: str) -> Finding:
    data = json.loads(text)
    return Finding(**{**data, "outcome": Outcome(data["outcome"]), "evidence": tuple(data["evidence"])})


def finding_of(report: pytest.TestReport) -> Finding | None:
    """The finding that a report of the call phase carries, if it is one of ours."""
    if report.when != "call":
        return None
    return next((decode(str(value)) for name, value in report.user_properties if name == PROPERTY), None)


def _conclude(item: CheckItem, finding: Finding, judging: Judging) -> None:
    """Turn a finding into what pytest knows: return, or raise."""
    match finding.outcome:
        case Outcome.PASS:
            if judging.expectation(finding.check):
                raise Violated(f"stale: {finding.check} passes now; remove it from {judging.expected_file.name}")
        case Outcome.FAIL:
            _conclude_failure(item, finding, judging)
        case Outcome.NOT_APPLICABLE:
            raise _skip(finding.message or "not applicable")
        case Outcome.UNTESTABLE if judging.strict:
            raise Violated(NOT_TESTABLE + finding.message)
        case Outcome.UNTESTABLE:
            raise _skip(NOT_TESTABLE + finding.message)
        case Outcome.ERROR:
            raise Broken(finding.message or "agentcheck could not judge")


def _conclude_failure(item: CheckItem, finding: Finding, judging: Judging) -> None:
    known = judging.expectation(finding.check)
    if known and not judging.expired(known):
        raise pytest.xfail.Exception(known.reason)
    if item.check.severity is not Severity.MUST and not judging.strict and not known:
        _warn(item, f"{item.check.severity} {finding.check}: {finding.message or item.check.failure}")
        return
    expiry = f"\nits entry in {judging.expected_file.name} expired on {known.expires}" if known else ""
    raise Violated(f"{finding.message or item.check.failure}{expiry}\nreproduce: {finding.reproduce}")


def _tail(error: BaseException) -> str:
    """Where a bug of ours or of a check came up: the last frames, one line each."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return "\n".join(f"  {Path(f.filename).name}:{f.lineno} in {f.name}: {f.line}" for f in frames)


def _skip(reason: str) -> BaseException:
    return pytest.skip.Exception(reason, _use_item_location=True)


def _warn(item: CheckItem, message: str) -> None:
    """Shown as a warning whatever the user's filters say: `-W error` is about the user's own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", AgentcheckWarning)
        item.warn(AgentcheckWarning(message))
