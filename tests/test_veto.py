"""A guard says no in its own way, whatever that is."""

import pytest

from agentcheck.stage.veto import REASON, refusal


class Vetoed(Exception):
    pass


def reason(tool: str, arguments: dict) -> str | None:
    return None


def permits(tool, arguments):
    return True


def raises(tool, arguments):
    if tool == "never":
        raise Vetoed("not now")


def bare(tool, arguments):
    return None


@pytest.mark.parametrize(
    ("guard", "allowed", "no"),
    [
        (reason, None, REASON),
        (bare, None, REASON),
        (permits, True, False),
        (permits, False, True),  # one that asks whether a call is forbidden
        (permits, (True, ""), (False, REASON)),
    ],
)
def test_the_opposite_of_what_it_says_when_it_allows(guard, allowed, no):
    assert refusal(guard, allowed) == no


def test_one_that_raises_raises_its_own():
    with pytest.raises(Vetoed, match="agentcheck-veto"):
        refusal(raises, None)
