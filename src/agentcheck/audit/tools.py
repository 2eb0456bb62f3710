"""What the models in a recording could choose from: the tools and reply schemas of the requests that were answered."""

import re
from typing import Any

from agentcheck.audit.recording import Recording, as_json, shown_tools
from agentcheck.catalogs import REPLY
from agentcheck.messages import ToolSpec
from agentcheck.recorded import Step
from agentcheck.wording import added, told


def offered(recording: Recording) -> list[tuple[Step, ToolSpec]]:
    """Each different tool with the request that first offers it; those that run at the provider have no schema."""
    found: dict[str, tuple[Step, ToolSpec]] = {}
    for step in recording.answered():
        for spec in step.request.tools:
            if not spec.hosted:
                key = as_json([step.request.dialect, spec.name, spec.description, spec.parameters])
                found.setdefault(key, (step, spec))
    return list(found.values())


def reply_schemas(recording: Recording) -> list[tuple[Step, ToolSpec]]:
    """Each different schema of a reply, as a tool; some providers take another type at its top than of arguments."""
    found: dict[str, tuple[Step, ToolSpec]] = {}
    for step in recording.answered():
        if step.request.schema:
            spec = ToolSpec(REPLY, parameters={**step.request.schema, "type": "object"})
            found.setdefault(as_json([step.request.dialect, spec.parameters]), (step, spec))
    return list(found.values())


# --- from turn to turn ----------------------------------------------------------------------------


def chooses(step: Step) -> bool:
    """Whether a request offers anything to choose from: one that asks for closing words does not."""
    return bool(_choice(step))


def change(earlier: Step, later: Step) -> str | None:
    """How the choice differs between two requests, in words, where the later one does not say why."""
    before, after = _choice(earlier), _choice(later)
    said = "\n".join([told(added(earlier.request, later.request)), *_loaded(earlier)])
    moved = sorted(name for name in before.keys() ^ after.keys() if not _names(name, said))
    if moved:
        return f"{moved[0]} {'came' if moved[0] in after else 'went'} without a word"
    changed = [name for name in before.keys() & after.keys() if as_json(before[name]) != as_json(after[name])]
    if changed:
        return f"{min(changed)} changed without a word"
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        return f"the same tools came in another order: {', '.join(after)} after {', '.join(before)}"
    return None


def _choice(step: Step) -> dict[str, Any]:
    """Name → all that the model is told of a tool, or of an intent in the schema of its reply."""
    return {spec.name: [spec.description, spec.parameters] for spec in shown_tools(step)}


def _loaded(step: Step) -> list[str]:
    """What the model itself asked for: a tool that it loads by name comes with a word."""
    decision = step.decision
    return [] if decision is None else [decision.text, *(call.arguments for call in decision.calls)]


def _names(name: str, text: str) -> bool:
    return bool(re.search(rf"\b{re.escape(name)}\b", text))
