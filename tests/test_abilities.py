"""What a target cannot do fails once, on the root check; what hangs on it follows, and nothing is guessed."""

from pathlib import Path
from typing import Any

import pytest

from agentcheck import catalog
from agentcheck.abilities import excuse
from agentcheck.config import load
from agentcheck.finding import Outcome
from agentcheck.lab import Lab
from agentcheck.target import Target

LOOP = "agentcheck.fixtures.deploybot_loop:target"


def judged(folder: Path, check: str, **changes: Any) -> tuple[Outcome, str]:
    with Lab(load(folder, target=LOOP), rootdir=folder, reports=folder / "reports") as lab:
        lab.target = lab.target.having(**changes)
        found = lab.judge(next(one for one in catalog.load_all() if one.id == check))
        return found.outcome, found.message


def test_a_declared_lack_fails_the_root_and_the_rest_follows(tmp_path: Path) -> None:
    lacking = {"has": {"resume": False, "snapshot": False}}
    assert judged(tmp_path, "F06-resume-continues", **lacking)[0] is Outcome.FAIL
    assert judged(tmp_path, "F05-state-is-single", **lacking)[0] is Outcome.FAIL
    assert judged(tmp_path, "F06-crash-loses-nothing", **lacking) == (
        Outcome.UNTESTABLE,
        "follows from F06-resume-continues",
    )
    assert judged(tmp_path, "F11-duplicate-delivery-is-once", **lacking) == (
        Outcome.UNTESTABLE,
        "follows from F05-state-is-single",
    )


def test_an_adapters_word_counts_with_its_citation_only(tmp_path: Path) -> None:
    lacking = {"has": {"resume": False}, "framework": "tiny 1.0"}
    assert judged(tmp_path, "F06-resume-continues", **lacking)[0] is Outcome.UNTESTABLE
    cited = judged(tmp_path, "F06-resume-continues", **lacking, cites={"resume": "it says so (https://tiny.example)"})
    assert cited == (Outcome.FAIL, "it says so (https://tiny.example)")


@pytest.mark.parametrize("has", [{}, {"resume": True}])
def test_where_nothing_is_lacking_the_kind_decides(tmp_path: Path, has: dict[str, bool]) -> None:
    outcome, message = judged(tmp_path, "F06-resume-continues", has=has)
    assert outcome is Outcome.UNTESTABLE
    assert message == "it can be judged on a reducer or a host"


def test_an_agent_that_declares_no_humans_lacks_none(tmp_path: Path) -> None:
    """What it does counts: this one asks at a terminal all the same."""
    _, message = judged(tmp_path, "F07-human-is-a-tool", has={"contact": False}, human=[])
    assert "cannot do that" not in message


def test_who_keeps_no_state_is_not_blamed_for_an_answer_that_was_taken_twice() -> None:
    check = next(one for one in catalog.load_all() if one.id == "F06-resume-is-consumed-once")
    other = next(one for one in catalog.load_all() if one.id == "F06-crash-loses-nothing")
    hands_out, keeps = Target(has={"store": False}), Target(has={"store": True})
    assert "hands its state out as data" in str(excuse(hands_out, check))
    assert excuse(hands_out, other) is excuse(keeps, check) is excuse(Target(), check) is None


def test_an_ability_that_an_adapter_declares_and_does_not_keep_is_said_beside_the_failure(tmp_path: Path) -> None:
    declared = {"has": {"contact": True}, "framework": "tiny 1.0"}
    outcome, message = judged(tmp_path, "F07-contact-pauses", **declared)
    assert outcome is Outcome.FAIL
    assert message.endswith("; its adapter declares the ability contact, and does not keep it")
    assert "its adapter" not in judged(tmp_path, "F07-contact-pauses")[1]
