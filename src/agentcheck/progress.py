"""Live progress: pytest's own letters, under one heading for each factor."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import pytest

from _agentcheck_plugin import NODES
from agentcheck.check import FACTORS
from agentcheck.collect import finding_of

if TYPE_CHECKING:
    from agentcheck.audit import Audit
    from agentcheck.lab import Lab

_WIDTH: Final = 48
_CLEAR: Final = "\x1b[K"  # to the end of the line


def install(config: pytest.Config) -> None:
    """Add headings to the terminal; not with `-q`, and not under xdist, where factors run side by side."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and config.get_verbosity() >= 0 and not config.pluginmanager.hasplugin("dsession"):
        config.pluginmanager.register(Headings(reporter), "agentcheck-headings")


def heading(factor: int) -> str:
    return f"{factor:>2} {FACTORS[factor]}"


class Headings:
    """Writes the name of a factor before its first check."""

    def __init__(self, reporter: pytest.TerminalReporter):
        self._reporter = reporter
        self._factor = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        factor = int(nodeid.removeprefix(NODES)[1:3]) if nodeid.startswith(NODES) else 0
        if factor and factor != self._factor:
            self._announce(heading(factor))
        self._factor = factor

    def _announce(self, text: str) -> None:
        self._reporter.ensure_newline()
        if self._reporter.showlongtestinfo:
            self._reporter.write(text, bold=True)  # pytest begins the line of each check by ending the one before
            return
        self._reporter.write(f"{text} ".ljust(_WIDTH, "."), bold=True)
        self._reporter.write(" ")
        # As though pytest had just written the name of the file: the letters follow on this line.
        self._reporter.currentfspath = self._reporter.config.rootpath / NODES.removesuffix("::")


def shown(lab: "Lab | Audit", config: pytest.Config) -> "Lab | Audit":
    """Let a lab tell of its progress within a check: in place on a terminal, else as lines with `-v`."""
    writer, capture = config.get_terminal_writer(), config.pluginmanager.getplugin("capturemanager")

    def tell(text: str) -> None:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if writer.hasmarkup:
                writer.write(f" {text}{_CLEAR}\x1b[{len(text) + 1}D" if text else _CLEAR, flush=True)
            elif text:
                writer.line(f"    {text}")

    if config.get_verbosity() > 0 or (writer.hasmarkup and config.get_verbosity() == 0):
        lab.progressed = tell
    return lab


@contextmanager
def told_once(reporter: pytest.TerminalReporter) -> Iterator[None]:
    """Keep failures and warnings of checks out of pytest's sections; its summary lines and counts keep them."""

    def without(section: Callable[[], None], key: str, is_ours: Callable[[Any], bool]) -> Callable[[], None]:
        def shortened() -> None:
            everything = reporter.stats.get(key, [])
            reporter.stats[key] = [item for item in everything if not is_ours(item)]
            try:
                section()
            finally:
                reporter.stats[key] = everything

        return shortened

    sections = {
        "summary_failures": ("failed", lambda report: finding_of(report) is not None),
        "summary_errors": ("error", lambda report: finding_of(report) is not None),
        "summary_warnings": ("warnings", lambda warning: "AgentcheckWarning: " in str(warning.message)),
    }
    for name, (key, is_ours) in sections.items():
        setattr(reporter, name, without(getattr(reporter, name), key, is_ours))
    yield
    for name in sections:
        delattr(reporter, name)
