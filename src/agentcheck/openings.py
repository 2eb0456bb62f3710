"""How runs begin: the first call that the model decided on."""

import json
from collections.abc import Sequence

from agentcheck.messages import ToolCall
from agentcheck.model import intent_call
from agentcheck.scenario import Scenario
from agentcheck.trace import Trace


def first_call(run: Trace, scenario: Scenario) -> ToolCall | None:
    """The first call of a run; None where the first reply calls nothing."""
    replied = run.first("model_reply")
    if replied is None:
        return None
    asked = run.of("model_request", before=replied)[-1]
    return next(iter(intent_call(replied.decision, asked.request, scenario)), None)


def common_call(runs: Sequence[Trace], scenario: Scenario) -> ToolCall | None:
    """The call with which every one of these runs begins, arguments and all; None where they differ."""
    first = [first_call(run, scenario) for run in runs]
    alike = {None if call is None else (call.name, _value(call)) for call in first}
    return first[0] if len(alike) == 1 else None


def _value(call: ToolCall) -> str:
    """The arguments in a form that does not depend on spacing and order."""
    try:
        return json.dumps(call.parsed(), sort_keys=True)
    except ValueError:
        return call.arguments
