"""One story played on one agent, move by move."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

from agentcheck.fuzz.moves import BEGIN, Move, answer, failure, turn
from agentcheck.fuzz.world import Played, Told
from agentcheck.lab import Lab
from agentcheck.marks import with_text
from agentcheck.messages import ToolSpec
from agentcheck.model import catalog
from agentcheck.plan import Run
from agentcheck.reducer import Answer, Approved
from agentcheck.trace import Event

MODEL, TOOL, HUMAN, NOBODY, GONE = "the model", "a tool", "a human", "nobody", "nothing more"
SESSIONS: Final = ("main", "other")


class CannotMove(Exception):
    """A move that cannot be made where the story stands; of a story that is replayed, the agent has changed."""


class Play(ABC):
    """A run whose every turn is decided by moves; `moves` are those that were made.

    `waits_for` says whose turn it is; `tools` what the model was last offered and may call.
    """

    kind: str
    world_type: type[Played] = Played

    def __init__(self, lab: Lab, run: Run):
        self.lab = lab
        self.trace = run
        self.moves: list[Move] = []
        self.turns: list[str] = []  # whose turn each was made at
        self.session = SESSIONS[0]
        self.strategies: dict[str, Any] = {}  # of arguments, by schema
        self.answered: tuple[str, Answer] | None = None  # the last answer that was delivered
        run.model = Told(lab.scenario, lab.target.finish)
        self.world = self.world_type(
            target=lab.target,
            scenario=lab.scenario,
            trace=run,
            model=run.model,
            bound=lab.bound,
            offered=lab.offered,
            ledger=run.ledger,
        )

    # --- what the machine asks ------------------------------------------------------------------

    @property
    @abstractmethod
    def waits_for(self) -> str:
        """Whose turn it is."""

    @property
    def asked(self) -> Event | None:
        """The model request that waits for a reply, or the last one."""
        return self.trace.last("model_request", session=self.session)

    @property
    def tools(self) -> dict[str, ToolSpec]:
        """What the last request offers, as far as it may be called."""
        known = (s for s in self._offered() if not s.hosted and s.name != self.lab.target.finish)
        return {s.name: s for s in known if self._may_call(s.name)}

    def _offered(self) -> tuple[ToolSpec, ...]:
        return () if self.asked is None else catalog(self.asked.request, self.lab.scenario)

    def _may_call(self, tool: str) -> bool:
        return tool in (self.lab.target.human or ()) or self.lab.can_call(tool)

    @property
    def called(self) -> Event | None:
        """The call that waits for its result, or the last one."""
        return self.trace.last("tool_called", session=self.session)

    @property
    def lates(self) -> int:
        """How often something came after the end."""
        return sum(move.do == "late" for move in self.moves)

    def may(self, do: str) -> bool:
        """Whether this kind of target knows such a move at all."""
        return hasattr(self, "_" + do.replace(" ", "_"))

    def can_fail_with(self, how: Mapping[str, Any]) -> bool:
        """Whether this failure can be brought about here."""
        return True

    def returning(self, text: str) -> Any:
        """What the tool that is due usually returns, with a text in it; None where it returns no text."""
        usual = self._usual(self._tool_due())
        if isinstance(usual, list) and all(isinstance(item, str) for item in usual):
            return [text]
        return None if usual is None else with_text(usual, text)

    def _tool_due(self) -> str:
        return str(self.called["tool"]) if self.called is not None else ""

    def _usual(self, tool: str) -> Any:
        returned = self.lab.happy().first("tool_returned", tool=tool)
        if returned is None and tool in self.lab.ordinary_tools:
            returned = self.lab.run(self.lab.call(tool)).first("tool_returned", tool=tool)
        return returned and returned["value"]

    @property
    def bound(self) -> int:
        """More calls than the model may make in one run."""
        return (self.lab.target.limits.model_calls or 200) + 1

    # --- moving ---------------------------------------------------------------------------------

    def make(self, move: Move) -> None:
        """Make a move, and let the agent go on until somebody has to decide again. Raises CannotMove."""
        handler = getattr(self, "_" + move.do.replace(" ", "_"), None)
        if handler is None:
            raise CannotMove(f"{move.do!r} is nothing for this kind of agent")
        turn = self.waits_for
        handler(move)
        self.moves.append(move)
        self.turns.append(turn)

    def _insist(self, *whose: str) -> None:
        if self.waits_for not in whose:
            raise CannotMove(f"it is the turn of {self.waits_for}")

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether the run has come to its end by itself."""

    @abstractmethod
    def _begin(self, move: Move) -> None: ...

    def _call(self, move: Move) -> None:
        self._insist(MODEL)
        self.world.decides(turn(move))
        self._model_moves()

    _say = _finish = _call

    def _model_fails(self, move: Move) -> None:
        self._insist(MODEL)
        self.world.decides(turn(move), failure(move["how"]))
        self._model_moves()

    def _return(self, move: Move) -> None:
        self._insist(TOOL)
        self.world.results_in((move["value"],) if move.get("value") is not None else None)
        self._tool_moves()

    def _tool_fails(self, move: Move) -> None:
        self._insist(TOOL)
        self.world.results_in(None, failure(move["how"]))
        self._tool_moves()

    def _answer(self, move: Move) -> None:
        self._insist(HUMAN)
        self._deliver(answer(move))

    @abstractmethod
    def _model_moves(self) -> None: ...

    @abstractmethod
    def _tool_moves(self) -> None: ...

    @abstractmethod
    def _deliver(self, said: Answer) -> None: ...

    def meanwhile(self, work: Callable[[], None]) -> None:  # noqa: B027 - only a reducer is waited for in so many steps
        """Let this be done while the agent works, where there is nothing else to do but to wait for it."""

    @abstractmethod
    def close(self) -> None:
        """End every process of this play."""

    # --- the same again and again ----------------------------------------------------------------

    def _keep_calling(self, move: Move) -> None:
        self._over_and_over(move, lambda nth: False)

    def _keep_failing(self, move: Move) -> None:
        self._over_and_over(move, lambda nth: True)

    def _fail_by_turns(self, move: Move) -> None:
        self._over_and_over(move, lambda nth: nth % 2 == 0)

    def _over_and_over(self, move: Move, fails: Any) -> None:
        """The model insists on one call; humans say yes, and whatever else is due is what usually comes."""
        self._insist(MODEL)
        results = 0
        for _ in range(4 * int(move["times"])):
            if self.waits_for == MODEL:
                if results >= move["times"]:
                    return
                self.world.decides(turn(move))
                self._model_moves()
            elif self.waits_for == TOOL:
                self.world.results_in(None, failure(move["how"]) if fails(results) else None)
                results += 1
                self._tool_moves()
            elif self.waits_for == HUMAN and self._is_approval():
                self._deliver(Approved())
            else:
                return

    @abstractmethod
    def _is_approval(self) -> bool:
        """Whether the human is asked for a yes or no."""


def calls(*several: Mapping[str, Any]) -> Move:
    return Move("call", {"calls": list(several)})


def begin(sessions: int = 1, **details: Any) -> Move:
    return Move(BEGIN, {"sessions": sessions, **details})
