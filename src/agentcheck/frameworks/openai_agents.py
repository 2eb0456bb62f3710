"""The OpenAI Agents SDK: any `agents.Agent`, run by `Runner.run_streamed`.

A run's state is the SDK's own `RunState`, as `to_string` gives it. It is kept where the run comes to rest: at calls
that need approval, where it was stopped, at its end or failure; with `durability="turn"` also before the first turn
and after each, by stopping the run with `cancel(mode="after_turn")` and going on with its state. What the agent and
the runner's options were not given (an approval, a time-out, an error handler) is not given here either.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from agentcheck.adapter import Ability, adapted, as_text, write_whole
from agentcheck.messages import ToolCall
from agentcheck.reducer import Answer, Approved, Denied, Finished, HumanAnswered, Paused, Question, Text
from agentcheck.target import Target, ToolBinding

FILE: Final = "run_state.json"
Durability = Literal["pause", "turn"]


class OpenAIAgents:
    name = "openai-agents"
    packages = ("openai-agents", "openai")

    def accepts(self, agent: Any) -> bool:
        ours = any((kind.__module__, kind.__name__) == ("agents.agent", "Agent") for kind in type(agent).__mro__)
        return ours and hasattr(sys.modules.get("agents"), "RunState")

    def target(
        self,
        agent: Any,
        *,
        durability: Durability = "pause",
        options: Mapping[str, Any] | None = None,
        human: Sequence[str] | None = None,
        **declared: Any,
    ) -> Target:
        """An agent as a target.

        Args:
            durability: when a run's state is kept: where it comes to rest, or after each turn.
            options: what else is passed to `Runner.run_streamed`, such as `run_config` or `max_turns`.
            human: tools with `needs_approval` that ask a human; the answer is their result.
        """
        tools = _tools(agent)
        gated = [name for name, tool in tools.items() if getattr(tool, "needs_approval", False)]
        asking = [name for name in human or () if name in gated]
        approved = [name for name in gated if name not in asking]
        return adapted(
            self,
            can={
                Ability.SNAPSHOT: True,
                Ability.RESUME: True,
                Ability.STORE: False,
                Ability.STEP: bool(gated),
                Ability.APPROVALS: bool(approved),
                **({Ability.CONTACT: True} if asking else {}),
                Ability.FAULTS: True,
                Ability.BOUNDS: (options or {}).get("max_turns", 10) is not None,  # 10 is the SDK's own
            },
            host=Runs(agent, asking, durability, options or {}),
            tools={n: ToolBinding(bind=_function(t)) for n, t in tools.items()},
            human=human,
            **{**({"high_stakes": approved} if approved else {}), **declared},
        )


adapter = OpenAIAgents()


# --- the runs of an agent ---------------------------------------------------------------------------


class Runs:
    """An agent each of whose runs has its `RunState` in a store of its own."""

    def __init__(self, agent: Any, asking: Sequence[str], durability: Durability, options: Mapping[str, Any]):
        self.agent = agent
        self._asking = frozenset(asking)
        self._by_turn = durability == "turn"
        self._options = dict(options)
        self._stops = 0

    async def launch(self, trigger: Any, store: Path) -> Paused | Finished:
        given: Any = as_text(trigger)
        if self._by_turn:
            await self._run(given, Path(store), at_once=True)
            given = await self._state(Path(store))
        return await self._go_on(given, Path(store))

    async def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Paused | Finished:
        """Raises LookupError where the store holds no run."""
        state = await self._state(Path(store))
        waiting = list(state.get_interruptions())
        said = {a.id: a.answer for a in answers}
        answered = [item for item in waiting if item.call_id in said]
        for item in answered:
            _settle(state, item, said[item.call_id])
        if waiting and not answered:
            return Paused(tuple(self._questions(waiting)))
        return await self._go_on(state, Path(store))

    def interrupt(self) -> None:
        """Stop after the turn that is under way."""
        self._stops += 1

    async def _go_on(self, given: Any, store: Path) -> Paused | Finished:
        stops = self._stops
        while True:
            result = await self._run(given, store, stops=stops)
            if result.interruptions:
                return Paused(tuple(self._questions(result.interruptions)))
            if result.final_output is not None:
                return Finished(result.final_output)
            if self._stops != stops:
                return Paused()
            given = await self._state(store)

    async def _run(self, given: Any, store: Path, *, stops: int = 0, at_once: bool = False) -> Any:
        """Run to an end, a rest or a stop (at once, after a turn, where it was asked for), and keep the state."""
        from agents import Runner

        result = Runner.run_streamed(self.agent, given, **self._options)
        if at_once:
            result.cancel(mode="after_turn")
        try:
            async for event in result.stream_events():
                if self._stops != stops or (self._by_turn and event.type == "run_item_stream_event"):
                    result.cancel(mode="after_turn")
        finally:
            write_whole(store / FILE, result.to_state().to_string().encode())
        return result

    async def _state(self, store: Path) -> Any:
        from agents import RunState

        file = store / FILE
        if not file.exists():
            raise LookupError(f"{store} holds no {FILE} of a run: launch one")
        return await RunState.from_string(self.agent, file.read_text(encoding="utf-8"))

    def _questions(self, waiting: Sequence[Any]) -> Iterator[Question]:
        for item in waiting:
            call = ToolCall(str(item.tool_name), item.arguments or "{}", str(item.call_id))
            asked = call.parsed() if call.name in self._asking else None
            text = str(next(iter(asked.values()), "")) if isinstance(asked, dict) else f"{call.name} {call.arguments}"
            yield Question(call.id, "question" if call.name in self._asking else "approval", text, call)


def _settle(state: Any, item: Any, answer: Answer) -> None:
    """Decide on a call; words go to the model as the result of a call that did not run: `rejection_message`."""
    match answer:
        case Approved():
            state.approve(item)
        case Denied(said) | Text(said) if said:
            state.reject(item, rejection_message=said)
        case _:
            state.reject(item)


# --- tools ------------------------------------------------------------------------------------------


def _tools(agent: Any) -> dict[str, Any]:
    """The tools of an agent and of those that it hands over to, by name; hosted tools run elsewhere."""
    found: dict[str, Any] = {}
    for one in _agents(agent, []):
        found = {tool.name: tool for tool in one.tools if hasattr(tool, "on_invoke_tool")} | found
    return found


def _agents(agent: Any, seen: list[Any]) -> list[Any]:
    if not any(one is agent for one in seen):
        seen.append(agent)
        for other in agent.handoffs:
            if hasattr(other, "handoffs"):
                _agents(other, seen)
    return seen


def _function(tool: Any) -> Any:
    """The user's function beneath a tool, where the SDK's own handling of errors and arguments still applies.

    None for a `FunctionTool` made by hand, whose `on_invoke_tool` must handle its errors itself.
    """
    wrapped = getattr(tool.on_invoke_tool, "_get_wrapped_callable", lambda: None)()
    return wrapped if callable(wrapped) else None
