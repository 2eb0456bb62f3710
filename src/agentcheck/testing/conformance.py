"""The suite that an adapter runs on itself: it drives the object, lists its tools, and can do what it declares."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from agentcheck import catalog
from agentcheck.abilities import KEPT, ROOTS
from agentcheck.adapter import Ability
from agentcheck.faults import Raises, ToolFails
from agentcheck.finding import Finding, Outcome
from agentcheck.lab import Lab
from agentcheck.testing.pieces import open_lab


def adapter_conformance(target: str, *, rootdir: Path | None = None, **config: Any) -> type:
    """A class of tests for the adapter that drives `target`; assign it to a name that begins with Test.

        TestMyFramework = adapter_conformance("my_agents:agent", scenario="tests/job.toml", human=["ask"])

    Args:
        target: an agent of the framework, set up so that it has every ability that the adapter can give it.
        rootdir: the project; default: the current directory.
        config: keys of `[tool.agentcheck]`: a scenario whose decisions call a tool, what is human or high-stakes.
    """

    class Conformance(_Conformance):
        @pytest.fixture(scope="class")
        @classmethod
        def subject(cls) -> Iterator[Subject]:
            with open_lab(target, rootdir=rootdir, **config) as lab:
                yield Subject(lab)

    return Conformance


class Subject:
    """An adapted target in its lab."""

    def __init__(self, lab: Lab):
        self.lab = lab

    @cached_property
    def declared(self) -> Mapping[Ability, bool]:
        return {Ability(name): able for name, able in self.lab.target.has.items() if name in set(Ability)}

    def judge(self, check: str) -> Finding:
        return self.lab.judge(next(one for one in catalog.load_all() if one.id == check))


class _Conformance:
    """What holds of every adapter."""

    def test_the_object_is_driven_by_an_adapter(self, subject: Subject) -> None:
        assert subject.lab.target.framework, "no adapter drives this object: `accepts` says no, or it is not registered"

    def test_a_run_comes_to_its_end(self, subject: Subject) -> None:
        run = subject.lab.happy()
        assert run.status == "finished", (
            f"the undisturbed run ended as {run.status}: {run.finished and run.finished.data}"
        )

    def test_a_tool_is_called_on_the_way(self, subject: Subject) -> None:
        assert subject.lab.happy().of("tool_called"), "no tool ran: give a scenario whose decisions call one"

    def test_every_tool_on_the_wire_is_listed(self, subject: Subject) -> None:
        lab = subject.lab
        ours = {*lab.target.tools, *(lab.target.human or ()), lab.target.finish}
        unlisted = [name for name, spec in lab.tools.items() if name not in ours and not spec.hosted]
        assert not unlisted, f"the model is offered {', '.join(unlisted)}, which the adapter's target does not list"

    def test_every_listed_tool_is_on_the_wire(self, subject: Subject) -> None:
        strangers = sorted(set(subject.lab.target.tools) - set(subject.lab.tools))
        assert not strangers, f"the adapter lists {', '.join(strangers)}, which the model is never offered"

    def test_every_ability_is_declared(self, subject: Subject) -> None:
        silent = sorted(set(Ability) - set(subject.declared) - {Ability.CONTEXT, Ability.CONTACT, Ability.STORE})
        assert not silent, f"whether it can do this is not declared: {', '.join(silent)}"

    @pytest.mark.parametrize("ability", sorted(KEPT), ids=str)
    def test_an_ability_is_kept_where_it_is_declared(self, subject: Subject, ability: Ability) -> None:
        if subject.declared.get(ability) is not True:
            pytest.skip(f"{ability} is not declared")
        for check in KEPT[ability]:
            found = subject.judge(check)
            if ability in ROOTS and found.outcome is Outcome.UNTESTABLE:
                pytest.skip(f"{ability} is declared, and could not be shown: {found.message}")
            assert found.outcome is Outcome.PASS, f"{ability} is declared, and {check} says: {found.message}"

    def test_a_tools_failure_meets_the_frameworks_own_handling(self, subject: Subject) -> None:
        if subject.declared.get(Ability.FAULTS) is not True:
            pytest.skip("faults is not declared")
        lab = subject.lab
        run = lab.run(lab.call(), faults=ToolFails(lab.tool, Raises("connection refused")))
        failed = run.first("tool_failed")
        assert failed is not None, f"faults is declared, and no failure reached {lab.tool}"
        after = run.first("model_request", "finished", after=failed)
        assert after is not None, f"faults is declared, and after {lab.tool} had failed the run was {run.status}"

    @pytest.mark.parametrize("ability", sorted(ROOTS), ids=str)
    def test_what_is_missing_is_cited(self, subject: Subject, ability: Ability) -> None:
        if subject.declared.get(ability) is not False:
            pytest.skip(f"{ability} is not declared to be missing")
        cited = subject.lab.target.cites.get(ability, "")
        assert "http" in cited, f"{ability} is missing, and no page of the framework's documentation is cited for that"
        if ability is not Ability.CONTACT or subject.lab.target.human != []:  # who has no humans contacts none
            assert subject.judge(ROOTS[ability]).outcome is Outcome.FAIL
