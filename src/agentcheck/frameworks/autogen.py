"""AutoGen AgentChat: an `AssistantAgent`, and teams of agents.

Both are hosts: `save_state` gives a run as JSON, and `load_state` takes it up in another process. An agent's state is
kept after each step, wherever it holds no call without a result: AutoGen runs a pending call of a loaded state no
more. A team's is kept when the team has stopped, as AutoGen's documentation asks. Whether a run waits, goes on or is
over is read from that state alone.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from agentcheck.adapter import Ability, adapted, as_text, spoken, write_whole
from agentcheck.messages import ToolCall
from agentcheck.reducer import Answer, Finished, HumanAnswered, Paused, Question
from agentcheck.target import Target, ToolBinding

FILE: Final = "state.json"
_LAST_WORDS: Final = ("TextMessage", "StopMessage", "StructuredMessage")
_APPROVALS: Final = (
    "AssistantAgent currently executes a given tool directly. If user approval for the tool is needed, the approval "
    "needs to be builtin to the tool itself (https://github.com/microsoft/autogen/issues/4894)"
)
_RUNNING: Final = (
    "When calling save_state() on a team while it is running, the state may not be consistent and may result in an "
    "unexpected state (https://microsoft.github.io/autogen/stable/reference/python/autogen_agentchat.teams.html)"
)


class AutoGen:
    name = "autogen"
    packages = ("autogen-agentchat", "autogen-core", "autogen-ext", "openai")

    def accepts(self, agent: Any) -> bool:
        return bool({"BaseChatAgent", "BaseGroupChat"} & {kind.__name__ for kind in type(agent).__mro__})

    def target(self, agent: Any, *, fresh: Callable[[], Any] | None = None, **declared: Any) -> Target:
        """An agent or a team as a target.

        Args:
            fresh: makes another one like it, for applications that make one for each request, as AutoGen's
                documentation advises; None: all runs share the one, which is reset when another begins.
        """
        team = _is_team(agent)
        keeps = team or _is_assistant(agent)
        asking = _asking(agent)
        return adapted(
            self,
            can={
                **({Ability.SNAPSHOT: True, Ability.RESUME: True} if keeps else {}),
                Ability.STEP: bool(team and _stoppable(agent)),  # an agent runs a tool as soon as it is chosen
                Ability.STORE: False,
                Ability.APPROVALS: False,
                Ability.FAULTS: True,
                Ability.BOUNDS: not team or bool(agent._termination_condition or agent._max_turns),
            },
            cites={Ability.APPROVALS: _APPROVALS, **({Ability.STEP: _RUNNING} if team else {})},
            tools={name: ToolBinding(bind=function) for name, function in _tools(agent).items()}
            | {name: ToolBinding(allow=True) for name in asking},
            **{**({"human": asking} if asking else {}), **_part(agent, fresh, keeps), **declared},
        )


adapter = AutoGen()


def _part(agent: Any, fresh: Callable[[], Any] | None, keeps: bool) -> dict[str, Any]:
    if keeps:
        return {"host": Chat(agent, fresh)}

    async def run(task: Any) -> Any:
        return _said(await agent.run(task=as_text(task)))

    return {"run": run}


# --- runs -----------------------------------------------------------------------------------------


class Chat:
    """An agent or a team whose runs each have a file of state of their own."""

    def __init__(self, agent: Any, fresh: Callable[[], Any] | None = None):
        self.agent = agent
        self._fresh = fresh
        self._stops = 0
        self._running = agent

    async def launch(self, trigger: Any, store: Path) -> Paused | Finished:
        agent = self._fresh() if self._fresh else self.agent
        if not self._fresh:
            await _reset(agent)
        return await self._go_on(agent, Path(store), as_text(trigger))

    async def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Paused | Finished:
        """Raises LookupError where the store holds no state of a run."""
        agent, store = self._fresh() if self._fresh else self.agent, Path(store)
        if not (store / FILE).exists():
            raise LookupError(f"{store} holds no state of a run: launch one")
        await agent.load_state(json.loads((store / FILE).read_text("utf-8")))
        state = await agent.save_state()
        asked = _question(agent, state)
        if asked is None:
            return await self._go_on(agent, store, None)
        answer = next((a.answer for a in answers if a.id == asked.id), None)
        return Paused((asked,)) if answer is None else await self._go_on(agent, store, _reply(agent, state, answer))

    def interrupt(self) -> None:
        """Stop after the step that is under way; a team after the turn, where it has an `ExternalTermination`."""
        self._stops += 1
        for condition in _stoppable(self._running):
            condition.set()

    async def _go_on(self, agent: Any, store: Path, task: Any) -> Paused | Finished:
        stops, last, team, self._running = self._stops, None, _is_team(agent), agent
        stream = agent.run_stream(task=task)
        async for last in stream:
            state = {} if team else await agent.save_state()
            if not _settled(_context(state)):
                continue
            write_whole(store / FILE, json.dumps(state).encode())
            if self._stops != stops and type(last).__name__ == "ToolCallExecutionEvent":
                await stream.aclose()
                return Paused()
        state = await agent.save_state()
        write_whole(store / FILE, json.dumps(state).encode())
        asked = _question(agent, state)
        if team and self._stops != stops and not asked and not _over(agent, state):
            return Paused()
        return Paused((asked,)) if asked else Finished(_said(last))


async def _reset(agent: Any) -> None:
    from autogen_core import CancellationToken

    await (agent.reset() if _is_team(agent) else agent.on_reset(CancellationToken()))


def _said(result: Any) -> str:
    """The text of the last message of a run."""
    return str(result.messages[-1].to_text())


# --- what a state says ------------------------------------------------------------------------------


def _is_team(agent: Any) -> bool:
    return hasattr(agent, "_participants")


def _stoppable(agent: Any) -> list[Any]:
    """The conditions of a team by which its application can stop it."""
    found, waiting = [], [getattr(agent, "_termination_condition", None)]
    while waiting:
        condition = waiting.pop()
        waiting += getattr(condition, "_conditions", ())
        found += [condition] if type(condition).__name__ == "ExternalTermination" else []
    return found


def _is_assistant(agent: Any) -> bool:
    """Whether its state says how far its run has come; that of other agents, of users' own too, says what they like."""
    return any(kind.__name__ == "AssistantAgent" for kind in type(agent).__mro__)


def _context(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of an agent's model context."""
    return list(state.get("llm_context", {}).get("messages", ()))


def _settled(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing is missing in a context: it begins with a task, and each call has its result."""
    if not messages:
        return False
    return messages[-1]["type"] != "AssistantMessage" or isinstance(messages[-1]["content"], str)


def _question(agent: Any, state: Mapping[str, Any]) -> Question | None:
    """The handoff to somebody outside with which a run ended, where it did."""
    speaker, messages = _last_speaker(agent, state)
    last = messages[-1] if messages else {}
    if speaker is None or last.get("type") != "FunctionExecutionResultMessage":
        return None
    for result in last["content"]:
        if result["name"] in _handoffs_outside(speaker, agent):
            call = ToolCall(result["name"], "{}", result["call_id"])
            return Question(result["call_id"], "question", str(result["content"]), call)
    return None


def _last_speaker(agent: Any, state: Mapping[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """Who spoke last, with the messages of its context: of a team, whoever handed off at the end."""
    if not _is_team(agent):
        return agent, _context(state)
    thread = _thread(agent, state)
    if not thread or thread[-1]["type"] != "HandoffMessage":
        return None, []
    source = thread[-1]["source"]
    speaker = next((one for one in agent._participants if one.name == source), None)
    return speaker, _context(state["agent_states"].get(source, {}).get("agent_state", {}))


def _thread(team: Any, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(state["agent_states"][team._group_chat_manager_name].get("message_thread", ()))


def _over(team: Any, state: Mapping[str, Any]) -> bool:
    """Whether a team is over; one that was stopped at a tool goes on."""
    thread = _thread(team, state)
    return bool(thread) and thread[-1]["type"] in _LAST_WORDS


def _reply(agent: Any, state: Mapping[str, Any], answer: Answer) -> Any:
    from autogen_agentchat.messages import HandoffMessage

    speaker, messages = _last_speaker(agent, state)
    outside = _handoffs_outside(speaker, agent)
    target = next(outside[result["name"]] for result in messages[-1]["content"] if result["name"] in outside)
    return HandoffMessage(source=target, target=speaker.name, content=spoken(answer))


# --- tools ------------------------------------------------------------------------------------------


def _agents(agent: Any) -> list[Any]:
    """An agent itself, and all agents of a team and of the teams within it."""
    members = getattr(agent, "_participants", None) or [getattr(agent, "_team", None)]
    return [agent, *(inner for member in members if member is not None for inner in _agents(member))]


def _tools(agent: Any) -> dict[str, Any]:
    """Tool → the user's function beneath it, where AutoGen's own handling of errors still applies."""
    benches = [bench for one in _agents(agent) for bench in getattr(one, "_workbench", ())]
    tools = [tool for bench in benches for tool in getattr(bench, "_tools", ())]
    return {tool.name: getattr(tool, "_func", tool.run) for tool in tools}


def _asking(agent: Any) -> list[str]:
    """The handoffs that lead to somebody who is no agent of this run: to a human."""
    return list(dict.fromkeys(name for one in _agents(agent) for name in _handoffs_outside(one, agent)))


def _handoffs_outside(one: Any, whole: Any) -> dict[str, str]:
    """Handoff → its target, of those of an agent that lead out of the whole."""
    inside = {each.name for each in _agents(whole) if hasattr(each, "name")}
    handoffs = getattr(one, "_handoffs", {}).items()
    return {name: handoff.target for name, handoff in handoffs if handoff.target not in inside}
