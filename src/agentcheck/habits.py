"""Habits of models that bring agents into trouble, as decisions that a script can play."""

import json
from collections.abc import Mapping
from typing import Any

from agentcheck.dialects.schema import json_schema_error, readable_here
from agentcheck.lab import Lab, Silence
from agentcheck.scenario import Call, Turn


def quiet(lab: Lab) -> Silence | None:
    """Humans who never answer, so that nobody but the agent ends a run; None where a tool runs only if they do."""
    return None if lab.tool in (lab.target.high_stakes or ()) else Silence()


def restless(lab: Lab, count: int, *, text: str = "") -> list[Turn]:
    """A model that always finds something more to do: ordinary tools by turns, with new arguments each time.

    Tools of high stakes are left out where there are others. `text` is what it says beside each call.
    """
    stakes = set(lab.target.high_stakes or ())
    tools = [t for t in lab.ordinary_tools if t not in stakes and t in lab.tools] or [lab.tool]
    return [Turn((Call(tool, varied(lab, tool, n)),), text) for n in range(count) for tool in [tools[n % len(tools)]]]


def varied(lab: Lab, tool: str, nth: int) -> dict[str, Any]:
    """Good arguments of a tool in their nth variant, as far as its schema allows any."""
    arguments, spec = dict(lab.arguments(tool)), lab.tools.get(tool)
    for name, value in arguments.items() if spec and nth else ():
        other = f"{value}{nth}" if isinstance(value, str) else value + nth if type(value) in (int, float) else value
        changed = {**arguments, name: other}
        if spec and _fits(spec.parameters, changed):
            return changed
    return arguments


def cut_in_a_text(lab: Lab, tool: str) -> tuple[dict[str, Any], int] | None:
    """Good arguments that end in a free text, and how many characters to cut off so that the text is cut.

    Closed again with a quote and a brace, what is left satisfies the schema: it is another call than was meant.
    None where the tool takes no free text.
    """
    arguments, spec = dict(lab.arguments(tool)), lab.tools.get(tool)
    for name, value in arguments.items() if spec else ():
        if (
            isinstance(value, str)
            and len(value) > 2
            and spec
            and _fits(spec.parameters, {**arguments, name: value[:-2]})
        ):
            last = {**{k: v for k, v in arguments.items() if k != name}, name: value}
            return last, len(json.dumps(value[-2:], ensure_ascii=False)[1:-1]) + len('"}')
    return None


def _fits(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    from jsonschema import Draft202012Validator

    if json_schema_error(schema) is not None or not readable_here(schema):
        return False
    return bool(Draft202012Validator(schema).is_valid(arguments))
