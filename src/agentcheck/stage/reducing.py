"""A reducer on the stage: the lab sends events, the reducer answers with states and commands.

States stay here under a handle; their JSON goes to the lab, so that another process can load it.
"""

import contextlib
import json
import typing
from collections.abc import Mapping
from typing import Any

from agentcheck import reducer as vocabulary
from agentcheck.framing import Beside, Closed
from agentcheck.stage import clock, veto, view
from agentcheck.stage.channels import opened
from agentcheck.stage.guard import Guard
from agentcheck.stage.link import Link
from agentcheck.stage.perform import failure, is_plain
from agentcheck.stage.pure_data import may_be_odd
from agentcheck.stage.pure_given import Given
from agentcheck.stage.purity import Purity
from agentcheck.stage.tools import plain
from agentcheck.target import Target


class Codec:
    """The reducer's state to JSON and back, by the annotation of `reduce`'s first parameter."""

    def __init__(self, reducer: Any):
        self._adapter = None
        kind = self._annotation(reducer)
        if kind is not None:
            from pydantic import TypeAdapter

            self._adapter = TypeAdapter(kind)

    @staticmethod
    def _annotation(reducer: Any) -> Any:
        try:
            hints = typing.get_type_hints(reducer.reduce)
        except Exception:  # an unresolvable forward reference: the state is taken as plain JSON
            return None
        kind = next((k for name, k in hints.items() if name != "return"), None)
        return kind if any(is_model(one) for one in (kind, *typing.get_args(kind))) else None

    def lacks(self, state: Any) -> str | None:
        """The type that `reduce` would have to be annotated with for this state to be loaded; None where it is."""
        return type(state).__name__ if self._adapter is None and is_model(type(state)) else None

    def dump(self, state: Any) -> Any:
        """The state as JSON data. Raises TypeError or ValueError where it is not plain data."""
        return json.loads(self.written(state))

    def written(self, state: Any) -> str:
        """The same as text."""
        if self._adapter is not None:
            return str(self._adapter.dump_json(state), "utf-8")
        return json.dumps(state, allow_nan=False)

    def text(self, state: Any) -> str:
        """The state as JSON text, with NaN and infinity where it holds them. Raises where it is not plain data."""
        data = state if self._adapter is None else self._adapter.dump_python(state, mode="json")
        return json.dumps(data)

    def native(self, state: Any) -> Any:
        """The state as dictionaries and lists of Python's own values."""
        with contextlib.suppress(Exception):  # no plain data, which is for another check to judge
            return state if self._adapter is None else self._adapter.dump_python(state)
        return state

    def load(self, data: Any) -> Any:
        return (
            self._adapter.validate_python(data, strict=False)
            if self._adapter is not None
            else json.loads(json.dumps(data))
        )


def is_model(kind: Any) -> bool:
    """Whether a type is a dataclass or a pydantic model."""
    return hasattr(kind, "model_validate") or hasattr(kind, "__dataclass_fields__")


class Service:
    """Answers the lab's instructions: start, reduce, load, view; each may come with the word to forget all states."""

    def __init__(self, target: Target, guard: Guard):
        self.target = target
        self.reducer = target.reducer
        self.codec = Codec(target.reducer)
        self.states: list[Any] = []
        self.guard = guard
        self.vetoes = 0
        self.purity = Purity(target.reducer, guard)

    def forbid(self, wanted: Mapping[str, Any] | None) -> None:
        """Let the target's own guard say no from now on, where the run asks for it."""
        veto.install(self.target.guard, wanted, self._note_veto)

    def _note_veto(self) -> None:
        self.vetoes += 1

    def answer(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order; what the reducer raises is an answer, too."""
        try:
            if order.get("afresh"):
                self.states.clear()
            if order["op"] == "view":
                return self._viewed(self.states[order["state"]])
            if order["op"] == "load":
                return self._kept(vocabulary.Step(self.codec.load(order["json"])))
            if order.get("envelope"):
                return self._delivered(order)
            work = self._work(order)
            if order.get("suspects"):
                step, suspects = self.purity.suspects(work)
                return _with(self._kept(step), suspects=suspects)
            if order.get("watch"):
                return self._watched(order, work)
            return self._kept(work())
        except Exception as error:
            return failure(error)

    def _delivered(self, order: Mapping[str, Any]) -> dict[str, Any]:
        found = opened(order["envelope"])
        if found.error is not None:
            return {"unopened": failure(found.error)["error"]}
        answer = self.answer({**order, "envelope": None, "trigger": found.trigger})
        return _with(answer, opened=plain(found.trigger))

    def _viewed(self, state: Any) -> dict[str, Any]:
        has_host = self.target.host is not None
        return view.of_reducer(str(self.target.context), state, self.codec.dump(state), has_host=has_host)

    def _work(self, order: Mapping[str, Any]) -> Any:
        if order["op"] == "start":
            trigger = order["trigger"]
            return lambda: self.reducer.start(trigger)
        state, event = self.states[order["state"]], vocabulary.event_from(order["event"])
        return lambda: self.reducer.reduce(state, event)

    def _watched(self, order: Mapping[str, Any], work: Any) -> dict[str, Any]:
        given = Given(self.codec, None if order["op"] == "start" else self.states[order["state"]], order)
        self.purity.begin()
        try:
            first = self.purity.first(work)
        except Exception as error:
            return {"error": {**failure(error)["error"], "impure": self.purity.of_failed(self._work(order))}}
        kept, mutated = self._kept(first), given.changed()
        order = given.order() if mutated else order
        second, impure = self.purity.second(self._work(order))
        differs = _differences(kept, self._result(second))
        changed = self.purity.changed(self._work(order))
        if mutated:
            mutated += self.purity.at(*given.again(self.reducer))
        if may_be_odd(self.codec.native(first.state), [vocabulary.to_data(c) for c in first.commands]):
            impure += self.purity.odd(first, self._work(order))
        if differs and not impure:
            impure += self.purity.clock_in_c(self._work(order))
        return _with(kept, impure=impure, changed=changed, mutated=mutated, differs=differs)

    def _kept(self, step: Any) -> Beside:
        self.states.append(step.state)
        answer = self._result(step)
        answer.update(state=len(self.states) - 1, vetoed=self.vetoes)
        self.vetoes = 0
        return answer

    def _result(self, step: Any) -> Beside:
        """What a step comes to, as data."""
        answer = Beside({"commands": [_told(command) for command in step.commands]})
        try:
            answer.text = self.codec.written(step.state)
        except Exception as error:
            answer["opaque"] = f"{type(error).__name__}: {error}"[:300]
            answer["lacks"] = self.codec.lacks(step.state)
        return answer


def _with(answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer.update(more)
    return answer


def _differences(one: Beside, other: Beside) -> dict[str, Any]:
    looked_at = ("commands",) if one.text == other.text else ("json", "commands")
    return {k: (one[k], other[k]) for k in looked_at if one[k] != other[k]}


def _told(command: Any) -> Any:
    """A command as JSON; of a result also whether it was data."""
    data = plain(vocabulary.to_data(command))
    return {**data, "plain": is_plain(command.result)} if data["type"] == "Finish" else data


def serve(link: Link, target: Target, guard: Guard, job: Mapping[str, Any]) -> None:
    """Answer orders until the lab says that it is enough."""
    service = Service(target, guard)
    service.forbid(job.get("veto"))
    tools = [vocabulary.to_data(tool) for tool in target.reducer.tools]
    link.send({"tools": tools})
    try:
        with clock.held_at(job.get("clock")):
            while (order := link.receive())["op"] != "done":
                link.send(service.answer(order))
    except Closed:
        return
