"""Properties over drawn stories: what fails once has failed."""

import pytest
from hypothesis import strategies as st

from agentcheck.stories import holds_for_all


def test_what_fails_for_no_story_passes() -> None:
    told: list[int] = []
    holds_for_all(lambda data: told.append(data.draw(st.integers())), examples=5)
    assert len(told) == 5


def test_a_failure_that_does_not_come_again_is_told_as_it_was() -> None:
    told: list[int] = []

    def tell(data: st.DataObject) -> None:
        told.append(data.draw(st.integers()))
        assert len(told) != 1, "it wrote to a global"

    with pytest.raises(AssertionError, match="it wrote to a global"):
        holds_for_all(tell)
    assert len(told) > 1
