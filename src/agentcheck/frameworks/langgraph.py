"""LangGraph: any compiled graph, and LangChain's `create_agent`, which makes one.

A graph with a checkpointer is a host: each run has a thread of its own in a checkpointer of the same kind as the
graph's, whose file is in the run's store. One without is run by `invoke` alone. What the graph was not given (a
checkpointer, an approval, a durability) is not given here either.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from agentcheck.adapter import Ability, adapted, as_text, does_nothing_but, needs, spoken
from agentcheck.messages import ToolCall
from agentcheck.reducer import Answer, Approved, Denied, Finished, HumanAnswered, Paused, Question, Text
from agentcheck.target import Target, ToolBinding

THREAD: Final = {"configurable": {"thread_id": "run"}}
FILE: Final = "checkpoints.sqlite"
MOST_STEPS: Final = 400
_MIXED: Final = "its body asks a human by `interrupt` and acts, too: name the function that it calls to act"
_PERSISTENCE: Final = "https://docs.langchain.com/oss/python/langgraph/persistence"
_NONE: Final = (
    f"the graph was compiled without a checkpointer, without which LangGraph keeps no state between calls "
    f"({_PERSISTENCE})"
)
_IN_MEMORY: Final = (
    f"the graph's checkpointer, InMemorySaver, keeps the state in the memory of its process ({_PERSISTENCE})"
)


class LangGraph:
    name = "langgraph"
    packages = ("langgraph", "langchain", "langchain-openai", "langgraph-checkpoint-sqlite")

    def accepts(self, agent: Any) -> bool:
        return any(kind.__name__ == "Pregel" for kind in type(agent).__mro__)

    def target(self, agent: Any, *, durability: str | None = None, **declared: Any) -> Target:
        """A graph as a target. `durability` is what is passed to LangGraph; None: its default."""
        saver = getattr(agent, "checkpointer", None)
        lasting = bool(saver) and type(saver).__name__ != "InMemorySaver"
        if lasting:
            needs("langgraph.checkpoint.sqlite", "langgraph")
        missing = {} if lasting else dict.fromkeys((Ability.SNAPSHOT, Ability.RESUME), _IN_MEMORY if saver else _NONE)
        tools = _tools(agent)
        reviewed = _reviewed(agent)
        pausing = [name for name, tool in tools.items() if _interrupts(tool)]
        asking = [name for name in pausing if does_nothing_but(_function(tools[name]), "interrupt")]
        human = [*asking, *(name for name, allowed in reviewed.items() if allowed == ["respond"])]
        gated = [name for name, allowed in reviewed.items() if "approve" in allowed]
        said = {**({"human": human} if human else {}), **({"high_stakes": gated} if gated else {})}
        part = {"host": Graph(agent, durability)} if lasting else {"run": _invoking(agent)}
        return adapted(
            self,
            can={
                Ability.SNAPSHOT: lasting,
                Ability.RESUME: lasting,
                Ability.STEP: lasting,
                Ability.APPROVALS: lasting and bool(gated),
                **({Ability.CONTACT: lasting} if human else {}),  # else nobody has set it up
                Ability.FAULTS: True,
                Ability.BOUNDS: _is_bounded(agent),
            },
            cites=missing,
            tools={n: _binding(t, asks=n in asking, pauses=n in pausing) for n, t in tools.items()},
            **{**said, **part, **declared},
        )


adapter = LangGraph()


# --- the graph ------------------------------------------------------------------------------------


def _invoking(graph: Any) -> Any:
    def run(task: Any) -> Any:
        return _result(graph.invoke(_given(graph, task), THREAD))

    return run


class Graph:
    """A compiled graph whose runs each have a checkpointer in a store of their own."""

    def __init__(self, graph: Any, durability: str | None):
        self.graph = graph
        self._options = {} if durability is None else {"durability": durability}
        self._stops = 0

    def launch(self, trigger: Any, store: Path) -> Paused | Finished:
        with self._on(Path(store)) as graph:
            return self._go_on(graph, _given(graph, trigger))

    def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Paused | Finished:
        """Raises LookupError where the store holds no run."""
        with self._on(Path(store)) as graph:
            state = graph.get_state(THREAD)
            if state.created_at is None:
                raise LookupError(f"{store} holds no checkpoint of a run: launch one")
            if not state.interrupts:
                return self._go_on(graph, None)
            values = _resumptions(state, {a.id: a.answer for a in answers})
            return self._go_on(graph, _command(values)) if values else _paused(state)

    def interrupt(self) -> None:
        """Stop after the step that is under way."""
        self._stops += 1

    def _go_on(self, graph: Any, given: Any) -> Paused | Finished:
        stops = self._stops
        for _ in graph.stream(given, THREAD, stream_mode="updates", **self._options):
            if self._stops != stops:
                break
        state = graph.get_state(THREAD)
        return _paused(state) if state.next else Finished(_result(state.values))

    @contextmanager
    def _on(self, store: Path) -> Iterator[Any]:
        with _saver(self.graph.checkpointer, store) as saver:
            yield self.graph.copy({"checkpointer": saver})


def _saver(usual: Any, store: Path) -> AbstractContextManager[Any]:
    """A checkpointer like the usual one whose data is in the store; SQLite stands for one that is a server's."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    kind: Any = type(usual) if isinstance(usual, SqliteSaver) else SqliteSaver
    opened: AbstractContextManager[Any] = kind.from_conn_string(str(store / FILE))
    return opened


def _given(graph: Any, trigger: Any) -> Any:
    """What a graph is invoked with: a trigger that has its fields as it is, anything else as a user's message."""
    fields = set(graph.get_input_jsonschema().get("properties", ()))
    if isinstance(trigger, Mapping) and trigger and set(trigger) <= fields:
        return dict(trigger)
    return {"messages": [{"role": "user", "content": as_text(trigger)}]}


def _result(values: Any) -> Any:
    """The text of the last message, where a graph has messages, else all that it returned."""
    messages = values.get("messages") if isinstance(values, Mapping) else None
    return getattr(messages[-1], "content", messages[-1]) if messages else values


def _command(values: Mapping[str, Any]) -> Any:
    from langgraph.types import Command

    return Command(resume=dict(values))


# --- questions --------------------------------------------------------------------------------------


def _paused(state: Any) -> Paused:
    return Paused(tuple(q for interrupt in state.interrupts for q in _questions(interrupt, state)))


def _questions(interrupt: Any, state: Any) -> Iterator[Question]:
    """The questions of an interrupt: one for each action to review, or one in the user's own words."""
    for nth, (action, allowed) in enumerate(_actions(interrupt.value)):
        call = _decided(state, action, nth)
        arguments = action["args"]
        kind: Literal["question", "approval"] = "approval" if "approve" in allowed else "question"
        text = next(iter(arguments.values()), "") if kind == "question" else action.get("description", "")
        yield Question(f"{interrupt.id}:{nth}", kind, str(text), ToolCall(action["name"], json.dumps(arguments), call))
    if not _actions(interrupt.value):
        yield Question(interrupt.id, "question", _words(interrupt.value))


def _actions(value: Any) -> list[tuple[Mapping[str, Any], Sequence[str]]]:
    """The actions that HumanInTheLoopMiddleware wants reviewed, each with the decisions that are allowed."""
    if not isinstance(value, Mapping):
        return []
    if value.get("type") == "tool_approval":
        return [(value, ("approve", "reject"))]
    allowed = {review["action_name"]: review["allowed_decisions"] for review in value.get("review_configs", ())}
    return [(action, allowed.get(action["name"], ())) for action in value.get("action_requests", ())]


def _decided(state: Any, action: Mapping[str, Any], nth: int) -> str:
    """The id of the call that an action is about."""
    if "tool_call_id" in action:
        return str(action["tool_call_id"])
    calls = getattr(state.values["messages"][-1], "tool_calls", [])
    same = [c for c in calls if (c["name"], c["args"]) == (action["name"], action["args"])]
    return str(same[0]["id"]) if same else f"action-{nth}"


def _words(value: Any) -> str:
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _resumptions(state: Any, answers: Mapping[str, Answer]) -> dict[str, Any]:
    """Interrupt → what it is resumed with, for those of which every question is answered."""
    values = {}
    for interrupt in state.interrupts:
        asked = [q.id for q in _questions(interrupt, state)]
        if all(id in answers for id in asked):
            values[interrupt.id] = _resumption(interrupt.value, [answers[id] for id in asked])
    return values


def _resumption(value: Any, answers: Sequence[Answer]) -> Any:
    actions = _actions(value)
    if not actions:
        return spoken(answers[0])
    decisions = [_decision(answer, allowed) for answer, (_, allowed) in zip(answers, actions, strict=True)]
    return decisions[0] if value.get("type") == "tool_approval" else {"decisions": decisions}


def _decision(answer: Answer, allowed: Sequence[str]) -> dict[str, str]:
    match answer:
        case Approved() if "approve" in allowed:
            return {"type": "approve"}
        case Text() if "respond" in allowed:
            return {"type": "respond", "message": answer.text}
        case Denied(reason) | Text(reason) if "reject" in allowed:
            return {"type": "reject", "message": reason}
    return {"type": "respond", "message": spoken(answer)}


# --- tools ------------------------------------------------------------------------------------------


def _tools(graph: Any) -> dict[str, Any]:
    """The tools of a graph and of the graphs within it, by name."""
    found: dict[str, Any] = {}
    for node in graph.nodes.values():
        found |= getattr(getattr(node, "bound", None), "tools_by_name", {})
    for _, inner in graph.get_subgraphs(recurse=True):
        found |= _tools(inner)
    return found


def _function(tool: Any) -> Any:
    """The user's function beneath a tool, where LangGraph's own handling of errors and arguments still applies."""
    return next((f for f in (getattr(tool, "func", None), getattr(tool, "coroutine", None)) if f), tool._run)


def _binding(tool: Any, *, asks: bool, pauses: bool) -> ToolBinding:
    return ToolBinding(bind=_function(tool), allow=asks, mixed=_MIXED if pauses and not asks else "")


def _interrupts(tool: Any) -> bool:
    """Whether the tool's body asks a human by LangGraph's `interrupt`."""
    function = _function(tool)
    space = getattr(function, "__globals__", {})
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    return any(getattr(space.get(name), "__module__", "") == "langgraph.types" for name in names if name == "interrupt")


def _reviewed(graph: Any) -> dict[str, list[str]]:
    """Tool → the decisions that HumanInTheLoopMiddleware lets a human make about its calls."""
    found: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        middleware = getattr(getattr(getattr(node, "bound", None), "func", None), "__self__", None)
        for tool, config in getattr(middleware, "interrupt_on", {}).items():
            found[tool] = list(config.get("allowed_decisions", ()))
    return found


def _is_bounded(graph: Any) -> bool:
    """Whether a run ends after some hundred model calls at the most; each takes two steps or more."""
    steps = (graph.config or {}).get("recursion_limit")
    return any("ModelCallLimit" in name for name in graph.nodes) or (steps is not None and steps <= MOST_STEPS)
