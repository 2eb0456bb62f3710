"""What the tests share: pytester, and a project whose lab is a table of outcomes."""

from collections.abc import Callable
from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

# The seam between plugin and lab: checks of the test's own, judged by what is written here.
_PROJECT = '''
import pytest
import agentcheck.catalog as catalog
import agentcheck.plugin as plugin
from agentcheck.check import Severity, check, checks
from agentcheck.finding import Finding, HarnessError, Outcome

VERDICTS = {verdicts!r}
MESSAGES = {{"fail": "saw a traceback of 5,012 characters", "untestable": "the tool is not bound"}}


def judge(lab):
    """Because the tests need it."""


for id in VERDICTS:
    severity = Severity.SHOULD if "should" in id else Severity.MUST
    check(id, severity, "RCH", title=id + " holds", failure=id + " is broken", remedy="mend it", reaches="x")(judge)
catalog.load_all = lambda: [c for c in checks() if c.id in VERDICTS]


class Lab:
    def judge(self, check):
        verdict = VERDICTS[check.id]
        if verdict == "crash":
            raise ZeroDivisionError("a bug of ours")
        mend = 'tools.deploy = "ops:deploy"' if verdict == "untestable" else ""
        return Finding(check.id, Outcome(verdict), MESSAGES.get(verdict, ""), kinds="C", mend=mend)

    def describe(self):
        return {{"name": "fake", "kind": "C"}}

    def close(self):
        pass


def make_lab(judging):
    if {broken!r}:
        raise HarnessError({broken!r})
    return Lab()


plugin.make_lab = make_lab
'''


@pytest.fixture
def project(pytester: pytest.Pytester) -> Callable[..., pytest.Pytester]:
    """A project with a target, whose checks come to these outcomes."""

    def make(verdicts: dict[str, str], *, broken: str = "") -> pytest.Pytester:
        pytester.makeconftest(_PROJECT.format(verdicts=verdicts, broken=broken))
        pytester.path.joinpath("agentcheck.toml").write_text('target = "my_agent:run"\n')
        pytester.makepyfile(
            test_own=dedent("""
            def test_of_the_user():
                assert True
        """)
        )
        return pytester

    return make
