"""Pydantic AI: any `pydantic_ai.Agent`, stepped through node by node with `agent.iter`.

A run's state is what Pydantic AI itself makes JSON of: its messages while it is under way, its `AgentRunResult` once it
has ended, with an output or with the calls that it deferred. It is kept where the run comes to rest: at deferred
calls, where it was stopped, at its end or failure; with `durability="step"` before each model request and before each
batch of tools too. What the agent and the options of its runs were not given is not given here either.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, Final, Literal

from agentcheck.adapter import Ability, adapted, as_text, does_nothing_but, spoken, write_whole
from agentcheck.messages import ToolCall
from agentcheck.reducer import Answer, Approved, Denied, Finished, HumanAnswered, Paused, Question, Text
from agentcheck.target import Target, ToolBinding

FILE: Final = "run.json"
_MIXED: Final = "its body hands over by `CallDeferred` and acts, too: name the function that it calls to act"
Durability = Literal["pause", "step"]


class PydanticAI:
    name = "pydantic-ai"
    packages = ("pydantic-ai", "pydantic-ai-slim", "openai")

    def accepts(self, agent: Any) -> bool:
        kinds = type(agent).__mro__
        return any(k.__name__ == "AbstractAgent" and k.__module__.startswith("pydantic_ai.") for k in kinds)

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
            durability: when a run's state is kept: where it comes to rest, or before each step.
            options: what else is passed to `agent.iter`, such as `usage_limits` or `deps`.
            human: of the tools that raise `CallDeferred`, those that ask a human; the answer is their result.
        """
        tools = _tools(agent)
        asking = [name for name in human or () if name in tools]
        approved = [name for name, tool in tools.items() if tool.requires_approval]
        return adapted(
            self,
            can={
                Ability.SNAPSHOT: True,
                Ability.RESUME: True,
                Ability.STORE: False,
                Ability.STEP: True,
                Ability.APPROVALS: bool(approved),
                **({Ability.CONTACT: True} if asking else {}),
                Ability.FAULTS: True,
                Ability.BOUNDS: _is_bounded(options or {}),
            },
            host=Runs(agent, durability, options or {}),
            tools={n: _binding(t.function) for n, t in tools.items()},
            human=human,
            **{**({"high_stakes": approved} if approved else {}), **declared},
        )


adapter = PydanticAI()


# --- the runs of an agent ---------------------------------------------------------------------------


class Runs:
    """An agent each of whose runs has its messages, or its result, in a store of its own."""

    def __init__(self, agent: Any, durability: Durability, options: Mapping[str, Any]):
        self.agent = agent
        self._as_json = _Json(agent)
        self._each_step = durability == "step"
        self._options = dict(options)
        self._stops = 0

    async def launch(self, trigger: Any, store: Path) -> Paused | Finished:
        return await self._go_on(Path(store), prompt=as_text(trigger))

    async def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Paused | Finished:
        """Raises LookupError where the store holds no run."""
        file = Path(store) / FILE
        if not file.exists():
            raise LookupError(f"{store} holds no {FILE} of a run: launch one")
        kept = self._as_json.read(file.read_bytes())
        if isinstance(kept, list):
            return await self._go_on(Path(store), history=kept)
        said = {a.id: a.answer for a in answers}
        waiting = _waiting(kept)
        if waiting is None or not all(call.tool_call_id in said for call in (*waiting.approvals, *waiting.calls)):
            return _rest(kept)
        return await self._go_on(Path(store), history=kept.all_messages(), results=_results(waiting, said))

    def interrupt(self) -> None:
        """Stop before the next step."""
        self._stops += 1

    async def _go_on(
        self, store: Path, *, prompt: str | None = None, history: Any = None, results: Any = None
    ) -> Paused | Finished:
        stops = self._stops
        given = {"message_history": history, "deferred_tool_results": results}
        async with self.agent.iter(prompt, **given, **self._options) as run:
            try:
                taken = results is None  # until the results are used the store still says what they are for
                async for node in run:
                    stopped = self._stops != stops
                    if _resumable(node) and taken and (self._each_step or stopped):
                        write_whole(store / FILE, self._as_json.messages(run, node))
                        if stopped:
                            return Paused()
                    taken = taken or _resumable(node)
            except Exception:
                write_whole(store / FILE, self._as_json.messages(run))
                raise
            write_whole(store / FILE, self._as_json.result(run.result))
            return _rest(run.result)


def _resumable(node: Any) -> bool:
    """Whether a run can go on before this step from its messages: a request to come, or tools to run."""
    return hasattr(node, "request") or bool(getattr(getattr(node, "model_response", None), "tool_calls", ()))


def _rest(result: Any) -> Paused | Finished:
    waiting = _waiting(result)
    return Finished(result.output) if waiting is None else Paused(tuple(_questions(waiting)))


def _waiting(result: Any) -> Any:
    """The calls that a run has deferred, where that is how it ended."""
    from pydantic_ai import DeferredToolRequests

    return result.output if isinstance(result.output, DeferredToolRequests) else None


def _questions(waiting: Any) -> Iterator[Question]:
    for part in (*waiting.approvals, *waiting.calls):
        call = ToolCall(part.tool_name, part.args_as_json_str(), part.tool_call_id)
        if part in waiting.approvals:
            yield Question(call.id, "approval", f"{call.name} {call.arguments}", call)
        else:
            yield Question(call.id, "question", str(next(iter(part.args_as_dict().values()), "")), call)


def _results(waiting: Any, said: Mapping[str, Answer]) -> Any:
    from pydantic_ai import DeferredToolResults

    return DeferredToolResults(
        approvals={part.tool_call_id: _decision(said[part.tool_call_id]) for part in waiting.approvals},
        calls={part.tool_call_id: spoken(said[part.tool_call_id]) for part in waiting.calls},
    )


def _decision(answer: Answer) -> Any:
    from pydantic_ai import ToolDenied

    match answer:
        case Approved():
            return True
        case Denied(reason) | Text(reason) if reason:
            return ToolDenied(reason)
    return False


# --- its state, as JSON -----------------------------------------------------------------------------


class _Json:
    """The forms in which Pydantic AI keeps runs; made beforehand, since each process would make them again."""

    def __init__(self, agent: Any):
        from pydantic import TypeAdapter
        from pydantic_ai import AgentRunResult, ModelMessagesTypeAdapter

        outputs = agent.output_type if isinstance(agent.output_type, Sequence) else [agent.output_type]
        plain = all(isinstance(output, type) for output in outputs)
        self._results: Any = TypeAdapter(AgentRunResult[reduce(or_, outputs) if plain else Any])
        self._messages: Any = ModelMessagesTypeAdapter
        self._messages.rebuild()

    def messages(self, run: Any, node: Any = None) -> bytes:
        """The messages of a run that is under way, with the request that comes next, where that is the next step."""
        request = [node.request] if hasattr(node, "request") else []
        return bytes(self._messages.dump_json([*run.all_messages(), *request]))

    def result(self, result: Any) -> bytes:
        return bytes(self._results.dump_json(result))

    def read(self, kept: bytes) -> Any:
        """A list of messages, or the result of a run."""
        kind = self._messages if isinstance(json.loads(kept), list) else self._results
        return kind.validate_json(kept)


# --- tools ------------------------------------------------------------------------------------------


def _tools(agent: Any) -> dict[str, Any]:
    """The tools of an agent that are functions of the user's, by name."""
    found: dict[str, Any] = {}
    for toolset in agent.toolsets:
        toolset.apply(lambda leaf: found.update(getattr(leaf, "tools", {})))
    return {name: tool for name, tool in found.items() if hasattr(tool, "function")}


def _binding(function: Any) -> ToolBinding:
    only = _defers(function) and does_nothing_but(function, "CallDeferred")
    return ToolBinding(bind=function, allow=only, mixed=_MIXED if _defers(function) and not only else "")


def _defers(function: Any) -> bool:
    """Whether a tool's body hands its call to somebody else by raising `CallDeferred`."""
    return "CallDeferred" in getattr(getattr(function, "__code__", None), "co_names", ())


def _is_bounded(options: Mapping[str, Any]) -> bool:
    """Whether the requests of a run are limited; Pydantic AI's own limit is 50."""
    limits = options.get("usage_limits")
    return limits is None or limits.request_limit is not None
