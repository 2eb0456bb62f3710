"""How recorded runs begin: what each was asked for, and the first call that the model decided on."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agentcheck.messages import Message, ToolCall
from agentcheck.model import intent_call
from agentcheck.recorded import Session, Step
from agentcheck.scenario import Scenario
from agentcheck.wording import leaves


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of one run: small, so that those of many recordings can be kept.

    Runs of one `agent` have the same system prompt and the same tools; runs with the same `asked` have the
    same job. `call` is None where the first reply calls nothing; `derived`: its arguments were in the job, or
    the request left the model no choice.
    """

    recording: str
    interaction: int
    agent: str
    asked: str
    call: ToolCall | None
    derived: bool = False


def openings(label: str, runs: Iterable[Session]) -> list[Opening]:
    """Those of the runs that are recorded from their beginning and in which a model replied."""
    firsts = [next((step for step in run if step.decision is not None), None) for run in runs]
    return [_opening(label, step) for step in firsts if step is not None and begins(step)]


def begins(step: Step) -> bool:
    """Whether a run begins with this request: nothing in it has been decided or done before."""
    return not any(message.role in ("assistant", "tool") for message in step.request.messages)


def alike(group: Sequence[Opening]) -> ToolCall | None:
    """The call with which all these runs begin, arguments and all; None where they differ, or had to be alike."""
    calls = {None if opening.call is None else (opening.call.name, written(opening.call)) for opening in group}
    return group[0].call if len(calls) == 1 and not any(opening.derived for opening in group) else None


def by_agent(found: Iterable[Opening]) -> list[list[Opening]]:
    groups: dict[str, list[Opening]] = {}
    for opening in found:
        groups.setdefault(opening.agent, []).append(opening)
    return list(groups.values())


def _opening(label: str, step: Step) -> Opening:
    assert step.decision is not None
    system = [m.text for m in step.request.messages if m.role == "system"]
    asked = [m for m in step.request.messages if m.role != "system"]
    call = next(iter(intent_call(step.decision, step.request, Scenario())), None)
    agent = _digest([system, [spec.name for spec in step.request.tools]])
    derived = call is not None and (_forced(step) or _from_the_job(call, " ".join(m.text for m in asked)))
    return Opening(label, step.number, agent, _digest([_said(m) for m in asked]), call, derived)


def _forced(step: Step) -> bool:
    """Whether the request names the tool that must be called, or demands one where there is only one."""
    choice = step.request.settings.get("tool_choice")
    if isinstance(choice, dict):
        return choice.get("type") not in ("auto", "none")
    return choice in ("required", "any") and len(step.request.tools) == 1


def _from_the_job(call: ToolCall, asked: str) -> bool:
    """Whether a value of the arguments stands in what the run was asked for."""
    try:
        values = list(leaves(call.parsed()))
    except ValueError:
        return True
    return any(value.lower() in asked.lower() for value in values if value.strip())


def _said(message: Message) -> list[str]:
    return [message.role, message.text]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def written(call: ToolCall) -> str:
    """The arguments in a form that does not depend on spacing and order."""
    try:
        return json.dumps(call.parsed(), sort_keys=True)
    except ValueError:
        return call.arguments
