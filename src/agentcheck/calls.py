"""The calls with which the checks of factors 1 and 4 try a tool: accepted, broken, half, and in prose."""

import json
from collections.abc import Iterator
from typing import Any, Final

from agentcheck.arguments import Arguments, Schema
from agentcheck.finding import NotApplicable, NotReached, Untestable
from agentcheck.lab import Lab
from agentcheck.model import intent_call
from agentcheck.plan import Run
from agentcheck.scenario import Call, Turn
from agentcheck.trace import Event
from agentcheck.trials import Trial, trials

UNKNOWN: Final = "agentcheck_unknown_tool"
_MOST_TOOLS: Final = 5
_DRAWN: Final = 8  # calls drawn from the schema for one tool
_AT_STAKE: Final = 2  # of a tool whose every call a human must approve, which on a host takes a process each


def insist_on_tools(lab: Lab) -> None:
    """Raises NotReached where the agent offers the model nothing to choose from."""
    if not lab.tools:
        raise NotReached(
            "the agent offers the model no tools, and no schema for its reply",
            mend="give the scenario decisions that the agent understands: [[model]] text = …",
            trace=lab.happy(),
        )


def accepted(lab: Lab) -> list[Turn]:
    """Calls of each tool that its schema accepts: plain ones, telling ones, and some drawn from the schema."""
    return [turn for tool in _tools(lab) for turn in _turns(tool, _accepted(lab, tool))]


def _accepted(lab: Lab, tool: str) -> list[Arguments]:
    schema = schema_of(lab, tool)
    if not schema.usable:
        return [{}]
    at_stake = tool in (lab.target.high_stakes or ())
    told = schema.telling(good_arguments(lab, tool, schema))
    known = {json.dumps(a, sort_keys=True): a for a in [*schema.plain(), *told]}
    drawn = {json.dumps(a, sort_keys=True): a for a in schema.any(_DRAWN)}
    fresh = [a for text, a in drawn.items() if text not in known]
    return [*known.values(), *fresh[: _AT_STAKE if at_stake else _DRAWN]]


def good_arguments(lab: Lab, tool: str, schema: Schema) -> Arguments:
    """What the tool is called with when all goes well, or the plainest that its schema accepts."""
    given = dict(lab.arguments(tool))
    return given if schema.accepts(given) else schema.plain()[0]


def schema_of(lab: Lab, tool: str) -> Schema:
    """The schema of a tool's arguments, as it is on the wire."""
    return Schema(lab.tools[tool].parameters if tool in lab.tools else {})


def _tools(lab: Lab) -> list[str]:
    """The tools to try, those with a schema that can be read. Raises Untestable where there is none."""
    named = lab.ordinary_tools or [lab.tool]  # the latter says why there is none
    hindered = {tool: _hindrance(schema_of(lab, tool), tool) for tool in named}
    usable = [tool for tool, why in hindered.items() if not why]
    if not usable:
        raise Untestable(hindered[named[0]])
    return usable[:_MOST_TOOLS]


def _hindrance(schema: Schema, tool: str) -> str:
    """Why no arguments can be made for a tool; empty where they can."""
    if schema.beyond:
        return f"the schema of {tool} holds a pattern that Python cannot read"
    if not schema.readable:
        return f"follows from F04-schema-is-valid: the schema of {tool} cannot be read"
    return "" if not schema.usable or schema.plain() else f"no arguments were found that the schema of {tool} accepts"


def broken(lab: Lab) -> list[tuple[str, Turn]]:
    """Ways to break a schema, each on the first tool that can express it → a call that does.

    Raises Untestable where no tool may be called, or none has arguments.
    """
    ways: dict[str, tuple[str, Turn]] = {}
    for tool in _tools(lab):
        schema = schema_of(lab, tool)
        for how, arguments in schema.broken(good_arguments(lab, tool, schema)).items() if schema.usable else ():
            ways.setdefault(how.partition(":")[0], (how, Turn(calls=(Call(tool, arguments),))))
    if not ways:
        raise NotReached(f"the schema of {lab.tool_with_arguments()} leaves nothing to break")
    return list(ways.values())


def unknown(lab: Lab) -> list[Turn]:
    """Calls of a tool that does not exist: with no arguments, and with those that each real tool would take.

    Who looks at the name last, or never, runs a real tool with the latter.
    """
    several: list[Arguments] = [{}, *(dict(lab.arguments(t)) for t in lab.ordinary_tools[:_MOST_TOOLS])]
    distinct = {json.dumps(arguments, sort_keys=True): arguments for arguments in several}
    return _turns(UNKNOWN, list(distinct.values()))


def half(lab: Lab) -> Turn:
    """A call whose arguments end in the middle. Raises Untestable where no tool has arguments."""
    tool = lab.tool_with_arguments()
    schema = schema_of(lab, tool)
    whole = ((schema.plain() if schema.usable else []) or [{"argument": "value"}])[-1]
    text = json.dumps(dict(lab.arguments(tool)) or whole, ensure_ascii=False)
    return Turn(calls=(Call(tool, text[: text.rindex('"')]),))


def encoded_twice(lab: Lab) -> tuple[Trial, Arguments] | None:
    """A call whose arguments are a JSON text inside a JSON text, tried out, with what they mean.

    None where the format has no way to say that, or decisions are no tool calls.
    """
    tool = lab.tool_with_arguments()
    schema = schema_of(lab, tool)
    if not schema.usable or not lab.happy().requests()[0].request.tools:
        return None
    meant = good_arguments(lab, tool, schema) or schema.plain()[-1]
    twice = json.dumps(json.dumps(meant, ensure_ascii=False), ensure_ascii=False)
    try:
        return trials(lab, [Turn(calls=(Call(tool, twice),))])[0], meant
    except NotApplicable:
        return None


def of_one_id(lab: Lab) -> Turn | None:
    """Two calls of one tool in one reply, with arguments of their own and one id; None where none can be told apart."""
    for tool in _tools(lab):
        telling = [arguments for arguments in _accepted(lab, tool) if arguments][:2]
        if len(telling) == 2:
            return Turn(calls=tuple(Call(tool, arguments, "call_agentcheck_twice") for arguments in telling))
    return None


def intent(lab: Lab) -> str:
    """A decision that needs no function: the end of the run, else a question to a human. Raises Untestable."""
    named = [lab.target.finish, *(lab.target.human or ())]
    found = next((name for name in named if name in lab.tools), None)
    if found is None:
        raise Untestable(
            "with which tool or intent the model ends the run, or asks a human, is not said",
            mend='[tool.agentcheck]\nfinish = "…"  # the tool or intent that ends a run',
        )
    return str(found)


def decided(lab: Lab, run: Run, tool: str) -> Event:
    """The reply in which the model decided on this tool or intent. Raises NotReached."""
    for reply in run.of("model_reply"):
        request = run.of("model_request", before=reply, session=reply.session)[-1].request
        if any(c.name == tool for c in intent_call(reply.decision, request, lab.scenario)):
            return reply
    raise NotReached(f"the model was not asked when it would have decided on {tool}", trace=run)


def in_prose(lab: Lab) -> Turn:
    """A reply that claims to have called tools, in the ways in which models write that."""
    spoken = list(_claims(lab, native=bool(lab.happy().requests()[0].request.tools)))
    return Turn(text="\n".join(spoken), verbatim=True)


def _claims(lab: Lab, *, native: bool) -> Iterator[str]:
    for tool in lab.ordinary_tools[:_MOST_TOOLS] or [lab.tool]:
        arguments = dict(lab.arguments(tool))
        yield f"I have called {tool}({', '.join(f'{k}={v!r}' for k, v in arguments.items())}) for you."
        if native:  # where decisions are JSON in the content, JSON is no prose
            yield f"{tool} {json.dumps(arguments, ensure_ascii=False)}"
            yield f"Action: {tool}\nAction Input: {json.dumps(arguments, ensure_ascii=False)}"


def acted(lab: Lab, trial: Trial) -> list[Event]:
    """The tools that ran on a decision that must run none.

    Raises Untestable where a tool's own body, in whose place another stands, may have refused.
    """
    events = trial.acts(lab)
    own = next((e["tool"] for e in events if "arguments" in lab.bound.get(e["tool"], {}).get("handles", ())), None)
    if own is not None:
        raise Untestable(
            f"{own} received arguments that break its schema, and may refuse them in its body, which is not run here",
            mend=f"check arguments against the schema before {own} is called",
        )
    return events


def _turns(tool: str, several: list[dict[str, Any]]) -> list[Turn]:
    return [Turn(calls=(Call(tool, arguments),)) for arguments in several]
