"""Results that real tools give on bad days: nothing, half a document, bytes that are no text."""

from typing import Any, Final

from agentcheck.faults import NO_FAULTS, Faults, Http, Raises, Returns, ToolFails, ToolFailure
from agentcheck.lab import Lab

HALF: Final = '{"items": [1, 2, '
NO_TEXT: Final = Raises("'utf-8' codec can't decode byte 0xff in position 0: invalid start byte", "UnicodeDecodeError")


def odd_results(lab: Lab) -> Faults:
    """Failures of `lab.tool`, each followed by an odd result of the type that the tool gives."""
    odd = [Returns(value) for value in _odd(lab)]
    hows: list[ToolFailure] = [Http(404), *odd[:1], NO_TEXT, *odd[1:]]
    found = NO_FAULTS
    for place, how in enumerate(hows):
        found = found & ToolFails(lab.tool, how, after=place)
    return found


def _odd(lab: Lab) -> list[Any]:
    if lab.target.binding(lab.tool).inject:
        return []  # what lies beneath gives something else than the tool does
    returned = lab.happy().first("tool_returned", tool=lab.tool)
    value = returned["value"] if returned is not None else None
    if isinstance(value, str):
        return ["", HALF]
    return [type(value)()] if isinstance(value, (list, dict)) else []
