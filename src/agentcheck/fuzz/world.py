"""A world in which everything that is decided is decided from outside, at the moment when it is due."""

from dataclasses import dataclass, field
from typing import Any

from agentcheck.boundary import marker
from agentcheck.faults import Faults, ModelFails, ModelFailure, ToolFails, ToolFailure
from agentcheck.marks import with_text
from agentcheck.messages import Decision, Request
from agentcheck.model import Script
from agentcheck.reducer import Answer
from agentcheck.scenario import Scenario, Turn, finish
from agentcheck.wire import WireRequest
from agentcheck.world import World


@dataclass
class Told:
    """A model that decides what it is told to."""

    scenario: Scenario
    ending: str | None
    turn: Turn = field(default_factory=finish)

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> Decision:
        return Script((self.turn,), self.scenario, self.ending).reply(session, request, wire)


@dataclass(frozen=True)
class Due(Faults):
    """The failures that are due now, if any."""

    model: ModelFailure | None = None
    tool: ToolFailure | None = None

    def on_tool(self, tool: str, nth: int, overall: int) -> ToolFails | None:
        return None if self.tool is None else ToolFails(tool, self.tool)

    def on_model(self, nth: int) -> ModelFails | None:
        return None if self.model is None else ModelFails(self.model)


@dataclass
class Played(World):
    """Answers as the last move had it."""

    given: tuple[Any] | None = None  # what the tool returns, where a move says so
    said: Answer | None = None  # what the human says now; None: nothing
    results: int = 0

    def decides(self, turn: Turn, failure: ModelFailure | None = None) -> None:
        assert isinstance(self.model, Told), "a played world has a model that is told what to decide"
        self.model.turn, self.faults = turn, Due(model=failure)

    def results_in(self, given: tuple[Any] | None, failure: ToolFailure | None = None) -> None:
        self.given, self.faults = given, Due(tool=failure)

    def answer_to(self, kind: str, tool: str) -> Answer | None:
        return self.said

    def _declared_value(self, tool: str, nth: int, session: str) -> tuple[Any] | None:
        """What a move says, else what the tool usually returns, with a mark of its own in it."""
        if self.given is not None:
            return self.given
        self.results += 1
        usual = super()._declared_value(tool, nth, session)
        if usual is None:
            return None
        marked = with_text(usual[0], marker(f"{tool} {session} {self.results}"))
        return usual if marked is None else (marked,)
