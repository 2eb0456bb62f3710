"""Reducers: the lab is their host, on a virtual clock, and proves nothing about the user's own."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agentcheck import framing
from agentcheck.boundary import marker
from agentcheck.conditions import CutOff
from agentcheck.envelopes import carried
from agentcheck.faults import EmptyReply, Http, ModelFails, Spoilt
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.process import Fork
from agentcheck.reducer import Answer, to_data
from agentcheck.replies import spoilt
from agentcheck.wire import WireReply
from agentcheck.world import World

MOST_STEPS: Final = 2_000


class ReducerFailed(Exception):
    """The reducer raised; `error` has kind, message and where, and what was impure where that was watched."""

    def __init__(self, error: Mapping[str, Any]):
        super().__init__(f"{error['kind']}: {error['message']} at {error['where']}")
        self.error = dict(error)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A reducer's run between two steps: its state as JSON text, and the commands not yet carried out."""

    text: str | None  # None: the state is no plain data
    pending: tuple[Mapping[str, Any], ...]
    now: float = 0.0

    @property
    def state(self) -> Any:
        """The state as JSON data."""
        return None if self.text is None else json.loads(self.text)


class Remote:
    """The reducer in its process. What is refused to it on the way to an answer is told to `hear`."""

    def __init__(self, fork: Fork, seconds: float, hear: Callable[[Mapping[str, Any]], dict[str, Any]]):
        self.channel = fork.channel
        self.hear = hear
        self.afresh = False  # the next order comes with the word to forget all states
        self.meanwhile: Callable[[], None] = lambda: None  # is done while the reducer works on an order
        self.channel.settimeout(seconds)
        self.tools: Sequence[Mapping[str, Any]] = framing.receive(self.channel)["tools"]

    def order(self, op: str, **data: Any) -> dict[str, Any]:
        """Carry out start, reduce or load; of the answer, "json" is the state, read when it is asked for.

        Raises ReducerFailed, TimeoutError or framing.Closed.
        """
        afresh, self.afresh = self.afresh, False
        framing.send(self.channel, {"op": op, **({"afresh": True} if afresh else {}), **data})
        try:
            self.meanwhile()
        finally:  # whatever became of that, the answer must not be taken for that of the next order
            answer = self._answer()
        if "error" in answer:
            raise ReducerFailed(answer["error"])
        return answer

    def _answer(self) -> dict[str, Any]:
        while "op" in (answer := framing.receive(self.channel)):
            framing.send(self.channel, self.hear(answer))
        return answer

    def done(self) -> None:
        framing.send(self.channel, {"op": "done"})


@dataclass
class Driver:
    """Carries out the commands of one session and feeds the events back."""

    remote: Remote
    world: World
    session: str = "main"
    state: int = -1
    text: str | None = None  # the state as JSON
    opaque: str | None = None
    pending: list[Mapping[str, Any]] = field(default_factory=list)
    now: float = 0.0
    asked: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    watch: bool = False
    over: bool = False

    def start(self, trigger: Any) -> None:
        """Start a session with a trigger, or with an envelope, which may turn out to be unreadable."""
        answer = self.remote.order("start", **carried(trigger), watch=self.watch)
        if "unopened" in answer:
            self.over = True
            self._note("probe", name="unopened", value=answer["unopened"])
            self._note("finished", status="failed", error=answer["unopened"])
            return
        if "opened" in answer:
            self._note("probe", name="opened", value=answer["opened"])
        self._take(answer)

    def load(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot, in this process."""
        self.state = self.remote.order("load", json=snapshot.state)["state"]
        self.text, self.pending, self.now = snapshot.text, list(snapshot.pending), snapshot.now

    def run(self) -> None:
        """Carry out commands until the run is over, waits for a human, or has nothing left to do."""
        for _ in range(MOST_STEPS):
            if self.over or not self.pending:
                break
            self.step()
        if not self.over:
            self.rest()

    @property
    def data(self) -> Any:
        """The state as JSON data."""
        return self.snapshot().state

    def step(self) -> None:
        """Carry out the next command, and reduce the event that answers it."""
        event = self.carry_out(self.pending.pop(0))
        if event is not None:
            self.feed(event)

    def feed(self, event: Mapping[str, Any]) -> None:
        """Reduce one event and queue the commands that follow."""
        self.events.append(event)
        self._take(self.remote.order("reduce", state=self.state, event=event, watch=self.watch))

    def snapshot(self) -> Snapshot:
        return Snapshot(self.text, tuple(self.pending), self.now)

    def _take(self, answer: Mapping[str, Any]) -> None:
        self.state, self.text, self.opaque = answer["state"], framing.beside(answer), answer.get("opaque")
        self.pending.extend(answer["commands"])
        self._note("saved", digest=marker(self.text or "null")[-10:], opaque=self.opaque, lacks=answer.get("lacks"))
        self.snapshots.append(self.snapshot())
        if answer.get("vetoed"):
            self._note("probe", name="vetoed", value=self.world.veto)
        if self.watch:
            self._note(
                "probe", name="purity", value={k: answer.get(k) for k in ("impure", "changed", "mutated", "differs")}
            )

    def rest(self) -> None:
        """Say that nothing is left to do now."""
        waits = bool(self.asked)
        self._note("finished", status="waiting" if waits else "stalled", state=self.data)

    def carry_out(self, command: Mapping[str, Any]) -> dict[str, Any] | None:
        """The event that answers a command; None where none comes."""
        handler = getattr(self, f"_do_{command['type']}")
        return handler(command)  # type: ignore[no-any-return]

    # --- commands ------------------------------------------------------------------------------

    def _do_CallModel(self, command: Mapping[str, Any]) -> dict[str, Any]:
        request = Request(
            dialect="reducer",
            messages=tuple(_message(m) for m in command["messages"]),
            tools=tuple(ToolSpec(t["name"], t["description"], t["parameters"]) for t in command["tools"]),
            settings=command["settings"],
            schema=command["schema"],
        )
        asked = self.world.asked_model(self._tag(), request, None)
        self.world.cross("the model", "before")
        answer = self.world.decide(asked, request, None)
        if isinstance(answer, ModelFails):
            return self._model_failed(answer, asked, request)
        assert not isinstance(answer, WireReply), "a reducer has no wire, so no model answers it in bytes"
        return self._replied(_with_ids(answer, asked["n"], self.session), asked, request)

    def _replied(self, decision: Decision, asked: Any, request: Request) -> dict[str, Any]:
        self.world.decided(asked, request, decision)
        return _event("ModelReplied", text=decision.text, calls=to_data(decision.calls), finish=decision.finish)

    def _model_failed(self, fault: ModelFails, asked: Any, request: Request) -> dict[str, Any]:
        how = fault.how
        if isinstance(how, Spoilt):
            decision = spoilt(self.world.lost_reply(asked, request, again=isinstance(how, EmptyReply)), how)
            return self._replied(_with_ids(decision, asked["n"], self.session), asked, request)
        failure = f"HTTP {how.status}" if isinstance(how, Http) else type(how).__name__
        self.world.answered(asked, "model_failed", failure=failure, retry_after=getattr(how, "retry_after", None))
        status = how.status if isinstance(how, Http) else None
        return _event("ModelFailed", status=status, message=failure, retry_after=getattr(how, "retry_after", None))

    def _do_CallTool(self, command: Mapping[str, Any]) -> dict[str, Any]:
        call = ToolCall(**command["call"])
        called = self.world.take_up(self._tag(), call.name, command["arguments"], call)
        if command.get("approval"):
            self._note("probe", name="approval", value={"call": called["call"], "approval": command["approval"]})
        self.world.cross(call.name, "before")
        verdict = self.world.play(called, stub=False)
        if verdict["do"] == "hang":
            return self._hung(called, call, command.get("deadline"))
        if verdict["do"] == "raise":
            return self._tool_failed(called, call, verdict)
        value = verdict["value"] if verdict["do"] == "return" else verdict["marker"]
        self._note("tool_returned", call=called["call"], tool=call.name, value=value)
        return _event("ToolReturned", call_id=call.id, value=value)

    def _tool_failed(self, called: Any, call: ToolCall, verdict: Mapping[str, Any]) -> dict[str, Any]:
        kind = "HTTPError" if verdict.get("status") else verdict["kind"]
        message = (
            f"HTTP {verdict['status']} {verdict['message']}".strip() if verdict.get("status") else verdict["message"]
        )
        self._note("tool_failed", call=called["call"], tool=call.name, kind=kind, message=message)
        return _event(
            "ToolFailed", call_id=call.id, kind="timeout" if kind == "TimeoutError" else kind, message=message
        )

    def _hung(self, called: Any, call: ToolCall, deadline: float | None) -> dict[str, Any]:
        limit = self.world.target.limits.seconds
        if deadline is None or deadline > limit:
            self._note(
                "finished",
                status="timeout",
                seconds=limit,
                reason="a tool hung, and its call has no deadline within the limit",
            )
            self.over = True
            raise CutOff("a tool hung")
        self._pass(deadline)
        message = f"no answer within {deadline:g} s"
        self._note("tool_failed", call=called["call"], tool=call.name, kind="timeout", message=message)
        return _event("ToolFailed", call_id=call.id, kind="timeout", message=message)

    def _do_AskHuman(self, command: Mapping[str, Any]) -> dict[str, Any] | None:
        call = command.get("call") or {}
        question = {k: command[k] for k in ("id", "kind", "text", "deadline")}
        _, answer = self.world.ask_human(
            self._tag(), **question, call=call or None, tool=call.get("name"), via="command"
        )
        if answer is not None:
            return self.answered(command["id"], answer)
        if command["deadline"] is not None:
            self._pass(command["deadline"])
            return _event("TimePassed", seconds=command["deadline"])
        self.asked[command["id"]] = command
        return None

    def answered(self, id: str, answer: Answer) -> dict[str, Any]:
        self.asked.pop(id, None)
        return _event("HumanAnswered", id=id, answer=to_data(answer))

    def _do_Wait(self, command: Mapping[str, Any]) -> dict[str, Any]:
        self._note("probe", name="slept", value=command["seconds"])
        self._pass(command["seconds"])
        return _event("TimePassed", seconds=command["seconds"])

    def _do_Finish(self, command: Mapping[str, Any]) -> None:
        self.over = True
        result, plain = command["result"], command.get("plain", True)
        self._note("finished", status="finished", result=result, plain=plain, state=self.data)

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def _tag(self) -> dict[str, Any]:
        return {"session": self.session, "pid": 0}

    def _note(self, type: str, /, **data: Any) -> None:
        self.world.trace.append(type, session=self.session, **data)


def _event(type: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": type, **fields}


def _message(data: Mapping[str, Any]) -> Message:
    calls = tuple(ToolCall(**c) for c in data.get("calls") or ())
    return Message(data["role"], data.get("text") or "", calls, data.get("call_id"))


def _with_ids(decision: Decision, nth: int, session: str) -> Decision:
    """Calls without an id get one that says where they were decided."""
    calls = tuple(
        ToolCall(c.name, c.arguments, c.id or f"call_{session}_{nth}_{i}") for i, c in enumerate(decision.calls, 1)
    )
    return Decision(decision.text, calls, decision.finish)
