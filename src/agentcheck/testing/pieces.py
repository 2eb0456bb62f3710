"""What the fixtures of agentcheck hand out in the tests of a project: a lab, and ways to run the agent in it."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentcheck.config import ConfigError, load
from agentcheck.finding import HarnessError, Undecided
from agentcheck.lab import Lab
from agentcheck.plan import Run
from agentcheck.scenario import Turn


@contextmanager
def open_lab(target: str | None = None, *, rootdir: Path | None = None, **config: Any) -> Iterator[Lab]:
    """A lab for a target, or for the one that the project's configuration names.

    Args:
        target: the agent, as "package.module:object".
        rootdir: the project; default: the current directory.
        config: keys of `[tool.agentcheck]` that differ, such as `scenario` or `human`.

    Raises:
        ConfigError, HarnessError: the configuration or the target is not usable; one sentence.
    """
    root = (rootdir or Path.cwd()).resolve()
    settings = load(root, target=target, **config)
    if not settings.named:
        raise ConfigError(
            "no agent is named: write target = … in agentcheck.toml, give --agentcheck-target package.module:object, "
            'or make a fixture `lab` of your own with agentcheck.testing.open_lab("package.module:object")'
        )
    with (
        tempfile.TemporaryDirectory(prefix="agentcheck-") as reports,
        Lab(settings, rootdir=root, reports=Path(reports)) as lab,
    ):
        yield lab


def of_session(config: pytest.Config) -> Iterator[Lab]:
    """The lab of a session, closed when the iteration ends; what is wrong with it fails the test in one sentence."""
    target, wrong = config.getoption("agentcheck_target", None), ""
    with ExitStack() as open:
        try:
            lab = open.enter_context(open_lab(target, rootdir=config.rootpath))
        except (ConfigError, HarnessError) as error:
            wrong = str(error)
        if wrong:
            pytest.fail(f"agentcheck: {wrong}", pytrace=False)
        yield lab


class RunAgent:
    """Runs the agent of a lab under the conditions of `Lab.run`, and returns the trace of what crossed its boundaries.

    A run that says nothing skips the test, with what would make it say something; one that cannot be made at all
    fails it, in one sentence.
    """

    def __init__(self, lab: Lab):
        self.lab = lab

    def __call__(self, *turns: Turn, **conditions: Any) -> Run:
        """See `agentcheck.Lab.run`: the model's turns, `faults`, `returns`, `humans`, `triggers`, `stop` and others."""
        return _told(lambda: self.lab.run(*turns, **conditions))

    def resume(self, run: Run, **conditions: Any) -> Run:
        """Go on with a run in a fresh process: see `agentcheck.Lab.resume`."""
        return _told(lambda: self.lab.resume(run, **conditions))

    async def aio(self, *turns: Turn, **conditions: Any) -> Run:
        """The same as a call, for a test that is a coroutine: its event loop goes on meanwhile."""
        return await asyncio.to_thread(self, *turns, **conditions)


def cassettes(lab: Lab) -> Callable[..., Run]:
    """Plays a recording to the agent of a lab: path, relative to the project → the trace of the run.

    A request that the recording does not hold fails the test, with what differs.
    """

    def play(path: str | Path, **scenario: Any) -> Run:
        return _told(lambda: _replayed(lab, {**scenario, "cassette": str(path)}))

    return play


def _replayed(lab: Lab, scenario: dict[str, Any]) -> Run:
    config = lab.config.having(scenario=scenario)
    with Lab(config, rootdir=lab.root, reports=lab.traces.parent) as replaying:
        replaying.begin(lab.kind)
        return replaying.happy()


def _told(run: Callable[[], Run]) -> Run:
    try:
        return run()
    except HarnessError as error:
        failed, skipped = str(error), ""
    except Undecided as undecided:
        failed, skipped = "", f"Not testable: {undecided.message}{_mend(undecided)}"
    if skipped:
        pytest.skip(skipped)
    pytest.fail(f"agentcheck: {failed}", pytrace=False)


def _mend(undecided: Undecided) -> str:
    return f"; this would mend it: {' '.join(undecided.mend.split())}" if undecided.mend else ""
