"""The pytest options of agentcheck, and nothing else: it loads in about a millisecond.

It lies outside the package so that it can say so when another distribution owns `agentcheck`.
"""

import sys
from importlib import import_module
from pathlib import Path

import pytest

TYPE_CHECKING = False  # typing itself takes longer to import than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

    from agentcheck.lab import Lab
    from agentcheck.plan import Run
    from agentcheck.testing import RunAgent

OWN = "pytest-agentcheck"
NODES = "agentcheck::"  # "pytest agentcheck::F09-…", as pasted from a summary, selects that check


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("agentcheck", "judge an LLM agent on the 12 factors (any of these turns it on)")
    flag, add = {"action": "store_true"}, group.addoption
    add("--agentcheck", **flag, help="Judge the agent beside the tests of this project.")
    add("--agentcheck-only", **flag, help="Judge the agent alone; collect no other tests.")
    add("--agentcheck-target", metavar="MODULE:OBJECT", help="The agent, as pkg.module:object.")
    many = {"action": "append", "default": []}
    add("--agentcheck-factor", **many, type=int, metavar="N", help="Only the checks of factor N; may be repeated.")
    add("--agentcheck-check", **many, metavar="ID", help="Only this check; may be repeated.")
    add("--agentcheck-strict", **flag, help="Fail on SHOULD and MAY, and on what is not testable.")
    modes = {"metavar": "MODE", "choices": ("none", "new", "changed", "all")}
    add("--agentcheck-record", **modes, help="Ask the live model: what is new, has changed, or all (default: none).")
    add("--agentcheck-audit", **many, metavar="PATH", help="Judge recordings alone: a file or a folder of them.")
    add("--agentcheck-fuzz", **flag, help="Play stories with the agent, too, and look for broken invariants.")
    add("--agentcheck-fuzz-examples", type=int, metavar="N", help="Stories for each kind (default: 200).")
    add("--agentcheck-fuzz-seed", type=int, metavar="N", help="Other stories for each N (default: 0).")
    points = {"metavar": "WHICH", "choices": ("sample", "all")}
    add("--agentcheck-crash-points", **points, help="Which crash points of a host to try (default: sample).")
    add("--agentcheck-report", metavar="DIR", help="Write the report straight into DIR (reports/<target>/).")


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> "Iterator[Lab]":
    """The agent of this project in its lab; for another one, see agentcheck.testing.open_lab."""
    from agentcheck.testing import pieces

    yield from pieces.of_session(request.config)


@pytest.fixture
def run_agent(lab: "Lab") -> "RunAgent":
    """Run the agent of `lab` once: `run_agent(*turns, faults=…)`, or `await run_agent.aio(…)`; returns the trace."""
    made: RunAgent = _testing().RunAgent(lab)
    return made


@pytest.fixture
def faults() -> "ModuleType":
    """What can break: `faults.ToolFails("deploy", faults.Http(503)) & faults.ModelFails(faults.Http(429))`."""
    return import_module("agentcheck.faults")


@pytest.fixture
def cassette(lab: "Lab") -> "Callable[..., Run]":
    """Play a recording to the agent of `lab`: `cassette("cassettes/run.jsonl")`; returns the trace."""
    play: Callable[..., Run] = _testing().cassettes(lab)
    return play


def _testing() -> "Any":
    return import_module("agentcheck.testing")


def pytest_configure(config: pytest.Config) -> None:
    pasted = any(is_pasted(argument) for argument in config.args)
    if pasted or any(value for name, value in vars(config.option).items() if name.startswith("agentcheck")):
        if config.option.help or config.option.version:
            return
        _refuse_strangers()
        _refuse_moved_rootdir(config)
        if "agentcheck.checks" not in sys.modules:
            pytest.register_assert_rewrite("agentcheck.checks")  # so that asserts show what they saw
        config.pluginmanager.register(import_module("agentcheck.plugin"), "agentcheck.plugin")


def is_pasted(argument: str) -> bool:
    """Whether an argument names a check, as a summary does: from below rootdir, with "../" before it."""
    return argument.rpartition("../")[2].startswith(NODES)


def _refuse_moved_rootdir(config: pytest.Config) -> None:
    """pytest seeks its rootdir before it knows our options, and takes their values for paths of tests."""
    from contextlib import suppress

    option = config.option
    with suppress(ImportError, AttributeError, TypeError):  # none of this is a public interface
        from _pytest.config.findpaths import determine_setup

        where = {"inifile": option.inifilename, "rootdir_cmd_arg": option.rootdir, "override_ini": None}
        meant, *_ = determine_setup(args=option.file_or_dir, invocation_dir=config.invocation_params.dir, **where)
        if meant != config.rootpath:
            audited = f"audit={option.agentcheck_audit[0]}" if option.agentcheck_audit else ""
            written = f"--agentcheck-{audited or 'report=' + (option.agentcheck_report or 'DIR')}"
            raise pytest.UsageError(
                f"pytest took the value of an option for a folder of tests and moved rootdir from {meant} to "
                f"{config.rootpath}: write {written}, with an equals sign"
            )


def _refuse_strangers() -> None:
    """Raise UsageError where the import package `agentcheck` is not, or not only, ours."""
    from importlib.metadata import packages_distributions
    from importlib.util import find_spec

    owners = sorted(set(packages_distributions().get("agentcheck", ())) - {OWN})
    if owners:
        name = owners[0]
        raise pytest.UsageError(
            f"the distribution {name!r} also owns the import package 'agentcheck', so {OWN} cannot run beside it; "
            f"mend it with: pip uninstall -y {name} && pip install --force-reinstall --no-deps {OWN}"
        )
    spec = find_spec("agentcheck")
    where = spec.origin if spec and spec.origin else "a folder without code"
    home = Path(__file__).resolve().parent / "agentcheck"
    if Path(where).resolve().parent != home:
        raise pytest.UsageError(f"'agentcheck' is imported from {where}, which shadows {OWN} in {home}; rename it")
