"""What one pytest session knows: the configuration, the selected checks, the lab, the findings."""

import os
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from agentcheck import catalog, report
from agentcheck.check import Check
from agentcheck.config import Config, ConfigError, load
from agentcheck.expected import Expectation, Expected
from agentcheck.finding import Finding
from agentcheck.score import decided

if TYPE_CHECKING:
    from agentcheck.audit import Audit
    from agentcheck.lab import Lab

EXPECTED: Final = "agentcheck-expected.toml"


@dataclass
class Judging:
    """One judging of one target.

    Args:
        factory: makes the lab, on first use and once in each process.
        explicit: the target as it was named on the command line, for commands that reproduce.
        worker: the name of this process under xdist.
    """

    config: Config
    checks: list[Check]
    rootdir: Path
    reports: Path
    expected: Expected
    strict: bool
    explicit: str | None
    worker: str
    factory: Callable[["Judging"], "Lab | Audit"]
    record: str = "none"  # the mode: see `agentcheck.recording`
    audit: tuple[Path, ...] = ()  # recordings to judge instead of a target
    findings: list[Finding] = field(default_factory=list)
    fuzzed: list[dict[str, Any]] = field(default_factory=list)  # what each session of the fuzzer found
    facts: dict[str, Any] = field(default_factory=dict)  # what the lab says of the target at the end
    document: dict[str, Any] = field(default_factory=dict)  # the report, once it is built
    trouble: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def lab(self) -> "Lab | Audit":
        """The lab. Raises HarnessError where the target cannot be set up."""
        return self.factory(self)

    @property
    def expected_file(self) -> Path:
        return self.rootdir / EXPECTED

    def expectation(self, check: str) -> Expectation | None:
        return next((e for e in self.expected.entries if e.check == check), None)

    def expired(self, known: Expectation) -> bool:
        return known.expires is not None and date.today() > known.expires

    def complete(self, finding: Finding) -> Finding:
        """The finding with the command that reproduces it alone, its traces as seen from the report."""
        return replace(
            finding,
            reproduce=finding.reproduce or self.command(finding.check),
            trace=self._relative(finding.trace),
            evidence=tuple({**item, "trace": self._relative(item.get("trace"))} for item in finding.evidence),
        )

    def _relative(self, trace: str | None) -> str | None:
        inside = trace is not None and Path(trace).is_relative_to(self.reports)
        return Path(trace).relative_to(self.reports).as_posix() if trace and inside else trace

    def command(self, check: str) -> str:
        target = ["--agentcheck-target", self.explicit] if self.explicit else []
        target += [f"--agentcheck-audit={os.path.relpath(path, self.rootdir)}" for path in self.audit]
        points = ["--agentcheck-crash-points=all"] if self.config.crash_points == "all" else []
        return shlex.join(["pytest", "--agentcheck-only", *target, *points, "--agentcheck-check", check])

    def close(self) -> dict[str, Any]:
        """End the lab, if it was ever started; returns what it knows of the target."""
        lab: Lab | Audit | None = self.__dict__.pop("lab", None)
        if lab is None:
            return {}
        try:
            return dict(lab.describe())
        finally:
            lab.close()

    def learn(self, facts: Mapping[str, Any]) -> None:
        """Take in what a lab knows of the target; workers of one session all say the same."""
        self.facts = self.facts or dict(facts)

    @property
    def decided(self) -> bool:
        """Whether any check came to a verdict."""
        return decided(self.findings) > 0

    @property
    def broken(self) -> int:
        """How many recordings of an audit cannot be read."""
        return int(self.document.get("recordings", {}).get("counts", {}).get("broken", 0))

    def write(self) -> None:
        """Build the report and write it, where there is anything to report. Raises ReportError."""
        if not self.findings:
            with suppress(OSError):  # made beforehand, to see whether it can be written; other files may be in it
                self.reports.rmdir()
            return
        facts = {"name": self.config.label, "kind": "", **self.facts}
        self.document = report.build(
            self.findings,
            target={k: v for k, v in facts.items() if k not in ("assumptions", "recordings")},
            recordings=facts.get("recordings"),
            assumptions=facts.get("assumptions", ()),
            expected=self.expected.apply(self.findings, date.today()),
            selected=[c.id for c in self.checks],
            started=self.started,
            seconds=(datetime.now(UTC) - self.started).total_seconds(),
        )
        report.write(self.document, self.reports)
        if self.fuzzed:
            from agentcheck import fuzzing

            fuzzing.save(self.fuzzed, self.reports)


JUDGING: Final = pytest.StashKey[Judging]()


def prepare(config: pytest.Config, *, pasted: list[str], factory: Callable[[Judging], "Lab | Audit"]) -> Judging:
    """Set up a session from its options and the project's files.

    Raises:
        ConfigError, UnknownCheck, ExpectedError, HarnessError: each in one sentence.
    """
    option, root = config.option, config.rootpath
    known = catalog.load_all()
    audited = _audited(config)
    if option.agentcheck_fuzz_examples is not None and option.agentcheck_fuzz_examples < 1:
        raise ConfigError("--agentcheck-fuzz-examples is a number of stories, 1 or more")
    if (option.agentcheck_fuzz_seed or 0) < 0:
        raise ConfigError("--agentcheck-fuzz-seed is a whole number, 0 or more")
    checks = catalog.select(known, ids=[*option.agentcheck_check, *pasted], factors=option.agentcheck_factor)
    if not checks:
        raise ConfigError(f"no check is of factor {option.agentcheck_factor[0]}; the factors are 1 to 13")
    if audited:
        checks = [check for check in checks if "W" in check.kinds]
        if not checks:
            raise ConfigError(
                "none of the checks that were asked for can be judged on recordings (see agentcheck list)"
            )
    settings = load(root, target=option.agentcheck_target, crash_points=option.agentcheck_crash_points)
    if not settings.named and not audited:
        raise ConfigError(
            "no agent named: give --agentcheck-target package.module:object, or write target = … in agentcheck.toml "
            "(`agentcheck init` finds the agent and writes it)"
        )
    file = root / EXPECTED
    return Judging(
        config=settings,
        checks=checks,
        rootdir=root,
        reports=_folder(config, settings),
        # What is expected of an agent is not expected of every recording that lies about.
        expected=Expected.read(file, known=[c.id for c in known]) if file.is_file() and not audited else Expected(),
        strict=option.agentcheck_strict,
        explicit=option.agentcheck_target,
        worker=getattr(config, "workerinput", {}).get("workerid", ""),
        factory=factory,
        record=option.agentcheck_record or "none",
        audit=audited,
    )


def _audited(config: pytest.Config) -> tuple[Path, ...]:
    """The recordings to judge instead of an agent. Raises ConfigError where one is not there, or an agent is named."""
    option = config.option
    paths = tuple(Path(config.invocation_params.dir, given) for given in option.agentcheck_audit)
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise ConfigError(f"--agentcheck-audit: there is no file or folder {missing}")
    if paths and (option.agentcheck_target or (option.agentcheck_record or "none") != "none"):
        raise ConfigError("--agentcheck-audit judges recordings alone: leave out --agentcheck-target and -record")
    return paths


def _folder(config: pytest.Config, settings: Config) -> Path:
    if config.option.agentcheck_report:
        return Path(config.invocation_params.dir, config.option.agentcheck_report)
    return config.rootpath / settings.reports / ("audit" if config.option.agentcheck_audit else settings.label)
