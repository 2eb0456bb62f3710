"""A story played on a callable or a host: its processes stand still wherever somebody has to decide."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agentcheck.adapters import host as hosts
from agentcheck.adapters.process import session
from agentcheck.conditions import CutOff
from agentcheck.damage import DAMAGES
from agentcheck.faults import Hangs, Returns
from agentcheck.fuzz.moves import Move, failure
from agentcheck.fuzz.play import GONE, HUMAN, MODEL, SESSIONS, TOOL, CannotMove, Play
from agentcheck.fuzz.world import Played
from agentcheck.lab import CLOCK, ELSEWHERE, FAR, HERE, Lab, Machine
from agentcheck.marks import trigger
from agentcheck.plan import Plan, Run
from agentcheck.reducer import Answer, Approved
from agentcheck.stored import files
from agentcheck.trace import Event
from agentcheck.world import CHOOSE


@dataclass
class Standing(Played):
    """A world that stands still at each decision; `due` is whose it is, and what makes the answer."""

    due: tuple[str, str, Callable[[], dict[str, Any]]] | None = None  # whose turn, of which session

    def settle(self) -> dict[str, Any]:
        """The answer, as the last move had it. Raises CutOff where the run ends here."""
        assert self.due is not None, "nothing is due"
        _, _, work = self.due
        self.due = None
        answer = work()
        return answer if answer is CHOOSE else self.with_stop(answer)

    def _stand(self, whose: str, message: Mapping[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.due = (whose, message.get("session", "main"), work)
        return CHOOSE

    def _answer_model(self) -> dict[str, Any]:
        assert self._waiting is not None, "a model is asked before it answers"
        return self._stand(MODEL, {"session": self._waiting[3].session}, super()._answer_model)

    def _on_tool_called(self, message: Mapping[str, Any]) -> dict[str, Any]:
        called = self.take_up(message, message["tool"], message["arguments"])
        if self.is_human(message["tool"]):
            return self._stand(HUMAN, message, lambda: self._human_tool(message, called))
        return self._stand(TOOL, message, lambda: {"call": called["call"], **self.play(called, stub=True)})

    def _on_approval(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return self._stand(HUMAN, message, lambda: super(Standing, self)._on_approval(message))

    def _on_input(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return self._stand(HUMAN, message, lambda: super(Standing, self)._on_input(message))


class ProcessPlay(Play):
    """Sessions of a callable, or of a host with its stores, one process at a time."""

    world: Standing
    world_type = Standing

    def __init__(self, lab: Lab, run: Run, kind: str, start: Machine = HERE):
        super().__init__(lab, run)
        self.kind = kind
        self.talk: Generator[None, dict[str, Any], dict[str, Any]] | None = None
        self.spoiled = False
        self.start = start
        self.now = CLOCK  # where the clock stands, so that no two runs differ by it

    # --- whose turn it is -----------------------------------------------------------------------

    @property
    def waits_for(self) -> str:
        if self.world.due is not None:
            return self.world.due[0]
        return HUMAN if self.questions and not self.spoiled else GONE

    @property
    def questions(self) -> list[Mapping[str, Any]]:
        """What a host that has returned waits for."""
        ended = self.ended
        return list(ended.get("questions") or ()) if ended is not None and ended["status"] == "waiting" else []

    @property
    def ended(self) -> Event | None:
        """How the first session ended last; None while a process works on it."""
        if self.talk is not None:
            return None
        return next((e for e in reversed(self.trace.events) if e.type == "finished" and e.session == "main"), None)

    @property
    def over(self) -> bool:
        ended = self.ended
        return ended is not None and ended["status"] == "finished"

    def _is_approval(self) -> bool:
        if self.questions:
            return all(q["kind"] == "approval" for q in self.questions)
        called = self.called
        return called is None or called["tool"] not in (self.lab.target.human or ()) or called["decision"] is None

    def may(self, do: str) -> bool:
        alone = len(self.trace.stores) == 1
        at_rest = self.talk is None and self.kind == "H" and not self.spoiled
        when = {
            "switch": False,
            "rebuild": False,
            "fork": False,
            "late": False,
            "crash": self.kind == "H" and self.talk is not None and alone,
            "stop": self.kind == "H" and self.talk is not None and alone and not self.world.stopping,
            "silence": at_rest and any(q.get("deadline") is not None for q in self.questions),
            "stray answer": at_rest and bool(self.questions),
            "take up": at_rest and (bool(self.questions) or (self.over and self.taken_up < 2)),
            "answer again": at_rest and self.answered is not None,
            "spoil": at_rest and bool(self.questions),
            "two sessions": True,
            "repeat": self.waits_for == GONE and self.over and not self._disturbed(),
        }
        return when.get(do, super().may(do))

    @property
    def taken_up(self) -> int:
        return sum(move.do == "take up" for move in self.moves)

    def can_fail_with(self, how: Mapping[str, Any]) -> bool:
        """Whether a failure can enter here, as the tool's binding and body allow."""
        fault, called = failure(how), self.called
        if self.waits_for == MODEL:
            return True
        tool = called["tool"] if called is not None else next(iter(self.tools), "")
        binding, handles = self.lab.target.binding(tool), set(self.lab.bound.get(tool, {}).get("handles", ()))
        if isinstance(fault, Hangs):
            hung = sum("Hangs" in str(m.get("how")) for m in self.moves)
            return (
                not hung and binding.inject != "http" and not (not binding.inject and handles & {"errors", "timeouts"})
            )
        concerns = {"bounds"} if isinstance(fault, Returns) else {"errors"}
        return bool(binding.inject) or not handles & concerns

    # --- processes ------------------------------------------------------------------------------

    def _begin(self, move: Move) -> None:
        names = SESSIONS[: move["sessions"]]
        triggers = {name: trigger(self.lab, f"trigger of {name}")[0] for name in names}
        for name, given in triggers.items():
            self.trace.append("launched", session=name, kind=self.kind, triggers={name: given}, machine=HERE)
        plan = replace(Plan(), triggers=tuple(triggers.items()), interleaved=len(names) > 1)
        self.trace.plan = plan
        if self.kind == "C":
            job = {"kind": "C", "sessions": [session(n, t) for n, t in triggers.items()], "interleaved": len(names) > 1}
        else:
            self.trace.stores = {name: self.lab.stages.new_store() for name in names}
            job = hosts.launching(self.trace, plan)
            self.world.store = self.trace.stores["main"]
        self._start(job, self.start)

    def _start(self, job: Mapping[str, Any], machine: Machine) -> None:
        self.talk = self.lab.stages.on(machine).talk(self.world, job, replace(machine, clock=self.now))
        self._go_on(lambda talk: next(talk))

    def _go_on(self, push: Callable[[Any], Any]) -> None:
        """Let the process go on until somebody has to decide, or it is over; where it only stopped, resume it."""
        assert self.talk is not None, "a process is up"
        try:
            push(self.talk)
            self.session = self.world.due[1] if self.world.due is not None else "main"
        except StopIteration:
            self.talk, self.world.due, self.session = None, None, "main"
            stopped = self.ended is not None and self.ended["status"] == "waiting" and not self.questions
            if stopped and self.kind == "H" and self.trace.first("probe", name="asked_to_stop") and not self.spoiled:
                self._resume({}, HERE)

    def _settle(self) -> None:
        try:
            answer = self.world.settle()
        except CutOff as cut:
            caught = cut
            self._go_on(lambda talk: talk.throw(caught))
        else:
            self._go_on(lambda talk: talk.send(answer))

    _model_moves = _tool_moves = _settle

    def _resume(self, answers: Mapping[str, Answer], machine: Machine) -> None:
        job = hosts.resuming(self.trace, {"main": dict(answers)}, replace(machine, clock=self.now))
        self._start(job, machine)

    def close(self) -> None:
        if self.talk is not None:
            self.world.due = None
            self._end(CutOff("the story is over"))
        for store in self.trace.stores.values():
            self.lab.stages.drop(store)

    def _end(self, cut: CutOff) -> None:
        assert self.talk is not None, "a process is up"
        talk, self.talk = self.talk, None
        try:
            talk.throw(cut)
        except StopIteration:
            self.world.due = None

    # --- humans ---------------------------------------------------------------------------------

    def _deliver(self, said: Answer) -> None:
        if self.talk is not None:
            self.world.said = said
            self._settle()
            self.world.said = None
            return
        ids = [q["id"] for q in self.questions]
        self.answered = (ids[0], said)
        self._resume(dict.fromkeys(ids, said), HERE)

    def _rest(self, do: str) -> None:
        if not self.may(do):
            raise CannotMove(f"{do!r} is nothing here")

    def _silence(self, move: Move) -> None:
        self._rest("silence")
        longest = max(q["deadline"] for q in self.questions if q.get("deadline") is not None)
        self.now += longest + 60
        self._resume({}, HERE)

    def _stray_answer(self, move: Move) -> None:
        self._rest("stray answer")
        self._resume({"a-question-never-asked": Approved()}, HERE)

    def _take_up(self, move: Move) -> None:
        self._rest("take up")
        self._resume({}, FAR)

    def _answer_again(self, move: Move) -> None:
        self._rest("answer again")
        assert self.answered is not None, "something was answered"
        id, said = self.answered
        self.trace.append("probe", name="again", value=id)
        self._resume({id: said}, HERE)

    # --- whoever runs the agent -----------------------------------------------------------------

    def _crash(self, move: Move) -> None:
        """SIGKILL where the process stands still; the tool that is due has its effect first, where the move says so."""
        self._rest("crash")
        if move.get("after_effect"):
            self._insist(TOOL)
            self.world.results_in(None)
            self.world.settle()
        point = f"after {self.called['tool']} took effect" if move.get("after_effect") and self.called else "there"
        self._end(CutOff(f"while it was the turn of {self.waits_for}" if point == "there" else point, planned=True))
        self.world.due = None
        self._resume({}, FAR if move.get("far") else HERE)

    def _stop(self, move: Move) -> None:
        self._rest("stop")
        self.world.stopping = True
        self.trace.append("probe", name="asked_to_stop", value=f"while it was the turn of {self.waits_for}")

    def _disturbed(self) -> bool:
        return any(m.do in ("crash", "stop", "spoil", "repeat", "silence") for m in self.moves)

    def _repeat(self, move: Move) -> None:
        """The same story once more, in another process with another hash seed."""
        self._rest("repeat")
        again = ProcessPlay(self.lab, Run(None, f"{self.trace.run}-again", Plan()), self.kind, ELSEWHERE)
        try:
            for one in self.moves:
                again.make(one)
        except CannotMove as strayed:
            differs: str | None = f"it does not come to the same point: {strayed}"
        else:
            differs = self.lab.difference(self.trace, again.trace)
        finally:
            again.close()
        self.trace.append("probe", name="repeated", value=differs)

    def _spoil(self, move: Move) -> None:
        """Damage the largest file of the store, and take the run up."""
        self._rest("spoil")
        store = self.trace.stores["main"]
        largest = max(files(store), key=lambda p: p.stat().st_size, default=None)
        damage = next((d for d in DAMAGES if d.name == move["how"]), None)
        if largest is None or damage is None or not damage.apply(largest, largest):
            raise CannotMove("nothing can be spoiled")
        self.trace.append("probe", name="spoiled", value=f"{largest.name} {damage.name}")
        self.spoiled = True
        self._resume({}, HERE)
