"""A story played on a reducer: the lab is its host, in one process, with another one at hand."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from agentcheck import framing
from agentcheck.adapters.reducer import Driver, ReducerFailed, Remote
from agentcheck.adapters.reduction import opened
from agentcheck.canonical import Canon, difference
from agentcheck.conditions import CutOff
from agentcheck.fuzz.moves import Move
from agentcheck.fuzz.play import GONE, HUMAN, MODEL, NOBODY, SESSIONS, TOOL, CannotMove, Play
from agentcheck.lab import ELSEWHERE, HERE, Lab, Machine
from agentcheck.marks import trigger
from agentcheck.messages import ToolSpec
from agentcheck.model import Script
from agentcheck.plan import Run
from agentcheck.reducer import Answer, Approved, to_data
from agentcheck.trace import Trace
from agentcheck.world import World

MOST_WATCHED: Final = 2  # events of one type in a story that is watched: to watch a step costs as much as four
_TURNS: Final = {"CallModel": MODEL, "CallTool": TOOL, "AskHuman": HUMAN}
_LATE: Final[Mapping[str, Mapping[str, Any]]] = {
    "time": {"type": "TimePassed", "seconds": 86_400.0},
    "a stop": {"type": "Interrupted"},
}


class Pair:
    """The reducer in two processes, which stay up for many stories."""

    def __init__(self, lab: Lab):
        self._lab = lab
        self._open = ExitStack()
        self.trace: Run | None = None
        self.lost = False  # one of the two has ended, or answers no more
        self.remotes = [self._opened(machine) for machine in (HERE, ELSEWHERE)]

    def _opened(self, machine: Machine) -> Remote:
        world = World(self._lab.target, self._lab.scenario, Trace(), Script((), self._lab.scenario))
        remote = self._open.enter_context(opened(self._lab.stages, machine, world))
        remote.hear = self._hear
        return remote

    def _hear(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What the guard has refused belongs to the story that is played now."""
        if self.trace is not None and message["op"] == "refused":
            self.trace.append("refused", **{k: message[k] for k in ("what", "detail", "where")})
        return {}

    def forget(self) -> None:
        """Drop the states of earlier stories, at the next order."""
        for remote in self.remotes:
            remote.afresh = True

    def close(self) -> None:
        self._open.close()


@dataclass
class Shadow:
    """The state that a run had before it was taken up again, where it was, given the same events as the run."""

    remote: Remote
    state: int
    why: str  # "resumed" or "fork"

    def compare(self, event: Mapping[str, Any], driver: "Fed") -> Mapping[str, Any] | None:
        """How the run answers an event differently from its shadow; None where it does not."""
        answer = self.remote.order("reduce", state=self.state, event=event)
        self.state = answer["state"]
        one, other = ([c["type"] for c in commands] for commands in (answer["commands"], driver.ordered))
        if one != other:
            return {
                "what": "status",
                "differs": f"{', '.join(other) or 'nothing'} instead of {', '.join(one) or 'nothing'}",
            }
        if framing.beside(answer) == driver.text and answer["commands"] == driver.ordered:
            return None
        told = difference(
            *([Canon()(part)] for part in ([answer["json"], answer["commands"]], [driver.data, driver.ordered]))
        )
        return None if told is None else {"what": "rest", "differs": told.removeprefix("step 1 differs: ")}


@dataclass
class Fed(Driver):
    """A driver that knows its trigger and, once it was taken up again, its shadow."""

    trigger: Any = None
    ordered: list[Mapping[str, Any]] = field(default_factory=list)  # the commands of the last step
    shadow: Shadow | None = None
    fed: Counter[str] = field(default_factory=Counter)  # events, by type

    def feed(self, event: Mapping[str, Any]) -> None:
        self.fed[event["type"]] += 1
        watched, self.watch = self.watch, self.watch and self.fed[event["type"]] <= MOST_WATCHED
        try:
            super().feed(event)
        finally:
            self.watch = watched
        if self.shadow is not None:
            differs = self.shadow.compare(event, self)
            self._note(
                "probe", name="shadow", value={"why": self.shadow.why, "event": event["type"], **(differs or {})}
            )

    def _take(self, answer: Mapping[str, Any]) -> None:
        self.ordered = answer["commands"]
        super()._take(answer)


class ReducerPlay(Play):
    """Sessions of a reducer, one command at a time."""

    kind = "R"

    def __init__(self, lab: Lab, run: Run, pair: Pair):
        super().__init__(lab, run)
        self.pair = pair
        pair.trace = run
        pair.forget()
        self.drivers: dict[str, Fed] = {}
        self.broke = False

    @property
    def driver(self) -> Fed:
        return self.drivers[self.session]

    @property
    def waits_for(self) -> str:
        if self.broke or self.session not in self.drivers:
            return GONE
        if self.driver.pending:
            return _TURNS.get(self.driver.pending[0]["type"], NOBODY)
        return HUMAN if self.driver.asked and not self.driver.over else GONE

    @property
    def over(self) -> bool:
        return self.session in self.drivers and self.driver.over

    def may(self, do: str) -> bool:
        if self.session not in self.drivers:
            return do == "two sessions"
        held = self.waits_for != GONE
        when = {
            "two sessions": True,
            "crash": held,
            "fork": held and len(self.drivers) < 2,
            "switch": any(not driver.over for driver in self.drivers.values() if driver is not self.driver),
            "silence": held and bool(self.driver.pending),
        }
        return when.get(do, super().may(do))

    def _tool_due(self) -> str:
        return str(self.driver.pending[0]["call"]["name"]) if self.waits_for == TOOL else ""

    def _offered(self) -> tuple[ToolSpec, ...]:
        asked = self.driver.pending[0] if self.waits_for == MODEL else {}
        return tuple(ToolSpec(t["name"], t["description"], t["parameters"]) for t in asked.get("tools", ()))

    def _may_call(self, tool: str) -> bool:
        return True

    def _is_approval(self) -> bool:
        waiting = [*self.driver.pending[:1], *self.driver.asked.values()]
        return any(c.get("kind") == "approval" for c in waiting)

    def meanwhile(self, work: Callable[[], None]) -> None:
        for remote in self.pair.remotes:
            remote.meanwhile = work

    def close(self) -> None:
        self.pair.trace = None
        self.meanwhile(lambda: None)

    # --- going on -------------------------------------------------------------------------------

    def _begin(self, move: Move) -> None:
        for session in SESSIONS[: move["sessions"]]:
            given, _ = trigger(self.lab, f"trigger of {session}")
            self.trace.append("launched", kind="R", session=session, triggers={session: given}, machine=HERE)
            watch, remote = bool(move.get("watch")), self.pair.remotes[0]
            self.session = session
            self.drivers[session] = Fed(remote, self.world, session=session, watch=watch, trigger=given)
            self._safely(partial(self.driver.start, given))
            self._settle()
        self.session = SESSIONS[0]

    def _safely(self, work: Callable[[], Any]) -> None:
        """Whatever ends the reducer early is an event of the trace, and the end of the story."""
        try:
            work()
        except ReducerFailed as failed:
            self.trace.append("finished", session=self.session, status="failed", error=failed.error)
            self.broke = True
        except CutOff as cut:
            self.trace.append("killed", session=self.session, point=cut.point)
            self.broke = True
        except (framing.Closed, TimeoutError) as lost:
            status = "timeout" if isinstance(lost, TimeoutError) else "exited"
            self.trace.append("finished", session=self.session, status=status)
            self.broke = self.pair.lost = True

    def _settle(self) -> None:
        """Carry out what nobody decides: waiting, and the end."""
        driver = self.driver
        while not self.broke and driver.pending and driver.pending[0]["type"] in ("Wait", "Finish"):
            self._safely(driver.step)
        if not self.broke and not driver.pending and not driver.over:
            driver.rest()

    def _step(self) -> None:
        self._safely(self.driver.step)
        self._settle()

    _model_moves = _tool_moves = _step

    def _deliver(self, said: Answer) -> None:
        if self.driver.pending:
            self.answered = (self.driver.pending[0]["id"], said)
            self.world.said = said
            self._step()
            self.world.said = None
        else:
            self._feed_answer(next(iter(self.driver.asked)), said)

    def _feed_answer(self, id: str, said: Answer) -> None:
        self.answered = (id, said)
        self.trace.append("answered", session=self.session, id=id, answer=to_data(said))
        self._safely(lambda: self.driver.feed(self.driver.answered(id, said)))
        self._settle()

    def _silence(self, move: Move) -> None:
        self._insist(HUMAN)
        if not self.driver.pending:
            raise CannotMove("the question has no deadline")
        self.world.said = None
        self._step()

    def _stray_answer(self, move: Move) -> None:
        self._insist(HUMAN)
        self._feed_answer("a-question-never-asked", Approved())

    def _switch(self, move: Move) -> None:
        names = list(self.drivers)
        if len(names) < 2:
            raise CannotMove("there is one session")
        self.session = names[(names.index(self.session) + 1) % len(names)]

    # --- taking up again ------------------------------------------------------------------------

    def _crash(self, move: Move) -> None:
        """Take the run up from its saved state, in the other process."""
        driver = self.driver
        if driver.text in (None, "null") or self.waits_for == GONE:
            raise CannotMove("there is nothing to take up")
        here, there = driver.remote, self._other(driver.remote)
        self.trace.append("killed", session=self.session, point=f"while {self.waits_for} was asked", planned=True)
        self.trace.append("resumed", session=self.session, machine=ELSEWHERE)
        driver.shadow = Shadow(here, driver.state, "resumed")
        self._load(driver, there)

    def _load(self, driver: Fed, remote: Remote) -> None:
        def load() -> None:
            answer = remote.order("load", json=driver.data)
            same = framing.beside(answer) == driver.text or answer["json"] == driver.data
            self.trace.append("probe", session=driver.session, name="loaded", value=same)
            driver.remote, driver.state = remote, answer["state"]

        self._safely(load)

    def _other(self, remote: Remote) -> Remote:
        return next(r for r in self.pair.remotes if r is not remote)

    def _fork(self, move: Move) -> None:
        """Load the state a second time beside itself; the other process holds it alone."""
        driver = self.driver
        if driver.text in (None, "null") or self.waits_for == GONE or len(self.drivers) > 1:
            raise CannotMove("there is nothing to fork")
        fork = Fed(driver.remote, self.world, session="fork", trigger=driver.trigger, text=driver.text)
        fork.pending, fork.now, fork.asked = list(driver.pending), driver.now, dict(driver.asked)
        self.trace.append("resumed", session="fork", machine=HERE)
        for one in (driver, fork):
            self._load(one, driver.remote)
        if not self.broke:
            alone = self._other(driver.remote).order("load", json=driver.data)["state"]
            driver.shadow = Shadow(self._other(driver.remote), alone, "fork")
            self.drivers["fork"] = fork

    def _rebuild(self, move: Move) -> None:
        """Fold the events of each session from the start, one session after the other, in the other process."""
        for session, driver in self.drivers.items():
            if session != "fork" and driver.snapshots and self.waits_for is not GONE:
                self._safely(partial(self._fold, driver))

    def _fold(self, driver: Fed) -> None:
        at, told = self._rebuilt_otherwise(driver)
        value = {
            "several": len(self.drivers) > 1,
            "at": at,
            "differs": told and told.removeprefix("step 1 differs: "),
        }
        self.trace.append("probe", session=driver.session, name="rebuilt", value=value)

    def _rebuilt_otherwise(self, driver: Fed) -> tuple[int | None, str | None]:
        """After how many events the rebuilt state is another first, and how; nothing where it never is."""
        remote = self._other(driver.remote)
        answer = remote.order("start", trigger=to_data(driver.trigger))
        for number, kept in enumerate(driver.snapshots):
            if framing.beside(answer) != kept.text and answer["json"] != kept.state:
                return number, difference([repr(kept.state)], [repr(answer["json"])])
            if number < len(driver.events):
                answer = remote.order("reduce", state=answer["state"], event=driver.events[number])
        return None, None

    def _late(self, move: Move) -> None:
        """Something arrives after the end."""
        if not self.over or self.broke:
            raise CannotMove("the run is not over")
        event = _LATE.get(move["what"]) or next(reversed(self.driver.events), None)
        if event is None:
            raise CannotMove("nothing has arrived yet")
        self._safely(lambda: self.driver.feed(event))
        done = [c["type"] for c in self.driver.ordered if c["type"] != "Finish"]
        self.driver.pending.clear()
        self.trace.append("probe", session=self.session, name="late", value={"what": event["type"], "orders": done})
