"""How an agent reaches people: the question that it is made to ask, the approvals that its calls had."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agentcheck.arguments import Schema
from agentcheck.boundary import marker
from agentcheck.finding import NotReached, Untestable
from agentcheck.jsonvalues import example, example_arguments
from agentcheck.messages import ToolSpec
from agentcheck.scenario import Call, Turn
from agentcheck.trace import Event, Trace
from agentcheck.wording import leaves

if TYPE_CHECKING:
    from agentcheck.lab import Lab

QUESTION = marker("question")


# --- asking --------------------------------------------------------------------------------------


def offered(lab: "Lab") -> ToolSpec | None:
    """The human tool that the model is offered, if it is offered one.

    Raises Untestable where the agent's tools cannot be seen.
    """
    lab.human_tool()
    tools = lab.tools
    found = next((tools[name] for name in lab.target.human or () if name in tools), None)
    requests = [event.request for event in lab.happy().requests()]
    if found is None and not any(r.tools or r.schema for r in requests):
        name = lab.human_tool()
        raise Untestable(
            f"the tools stand in the prompt only, so whether {name} is one of them cannot be seen",
            mend=f"give the scenario a decision for {name}: [[model]] text = …",
        )
    return found


def question(lab: "Lab") -> Turn:
    """The model's decision to ask a human. Raises Untestable where it has no tool for that."""
    spec = offered(lab)
    if spec is None:
        raise Untestable("follows from F07-human-is-a-tool: the model has no tool that asks a human")
    why = lab.bound.get(spec.name, {}).get("why", "")
    if lab.kind != "R" and not lab.can_call(spec.name) and not why.startswith("no function"):
        raise Untestable(
            f"{spec.name} cannot be bound: {why}", mend=f'[tool.agentcheck.tools]\n{spec.name} = "module:function"'
        )
    return Turn(calls=(Call(spec.name, example_arguments(spec.parameters, text=QUESTION)),))


def says_question(value: Any) -> bool:
    """Whether the question is found anywhere in a value."""
    return any(QUESTION in leaf for leaf in leaves(value))


def quoted(asked: Event | None) -> str:
    """What somebody was asked at a terminal, where the prompt is known."""
    return f": {asked['text'].strip()!r}" if asked is not None and asked["text"].strip() else ""


# --- approvals -----------------------------------------------------------------------------------


def first_question(run: Trace) -> Event | None:
    """What a human was asked first after the model had decided something."""
    return run.first("asked", after=run.reach("model_reply"))


def asked_for(run: Trace, tool: str) -> Event:
    """The question whether `tool` may run. Raises Untestable where nobody was asked, or only afterwards."""
    called, asked = run.first("tool_called", tool=tool), first_question(run)
    if called is not None and (asked is None or called.seq < asked.seq):
        raise Untestable(f"follows from F07-approval-gates-effect: {tool} runs before anybody is asked", trace=run)
    if asked is None:
        raise NotReached(f"{tool} was decided on, and neither ran nor was anybody asked", trace=run, mend=_VISIBLE)
    return asked


def answered_for(run: Trace, tool: str) -> Event:
    """The answer to the question whether `tool` may run. Raises Untestable likewise."""
    why = f"nobody answered the question about {tool}"
    return run.reach("answered", after=asked_for(run, tool), why=why)


UNSEEN = ' (if a function of yours asks, name it: approve = "module:function")'
_VISIBLE = '[tool.agentcheck]\napprove = "module:function"  # the function that asks a human for approval'


def unapproved(run: Trace, tool: str) -> Iterator[Event]:
    """Calls of `tool` before which, since the model decided on them, no human answered."""
    for called in run.of("tool_called", tool=tool):
        decided = run.events[called["decision"]] if called["decision"] is not None else None
        if not run.of("answered", after=decided, before=called):
            yield called


def other_arguments(spec: ToolSpec | None, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same arguments with one value changed, as the schema allows; None where nothing can be changed."""
    schema = Schema(spec.parameters if spec else {})
    if not schema.usable:
        return None
    for name, part in schema.properties.items():
        for value in _others(arguments.get(name), part):
            changed = {**arguments, name: value}
            if value != arguments.get(name) and schema.accepts(changed):
                return changed
    return None


def _others(value: Any, part: Mapping[str, Any]) -> Iterator[Any]:
    yield from part.get("enum", ())
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + 1, value - 1)
    elif isinstance(value, str):
        yield from (value[:-1] + _next(value[-1:]), f"{value}2", f"other {value}")
    elif value is None:
        yield example(part, text="other")


def _next(character: str) -> str:
    return str((int(character) + 1) % 10) if character.isdigit() else f"{character}2"
