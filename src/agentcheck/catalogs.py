"""What the model can choose from: whether it is described, and whether it stays the same from turn to turn."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from agentcheck import dialects
from agentcheck.dialects.schema import json_schema_error
from agentcheck.jsonvalues import resolved
from agentcheck.messages import Request, ToolSpec
from agentcheck.trace import Event, Trace
from agentcheck.wording import leaves, told_after

REPLY: Final = "the schema of the reply"


def schemas(trace: Trace) -> dict[str, tuple[Event, Mapping[str, Any]]]:
    """Name → the request that offers a tool, and the schema of its arguments; hosted tools have none."""
    found: dict[str, tuple[Event, Mapping[str, Any]]] = {}
    for asked in trace.requests():
        request = asked.request
        for spec in request.tools:
            if not spec.hosted:
                found.setdefault(spec.name, (asked, spec.parameters))
        if request.schema:  # some providers take another type at the top of a reply than at the top of arguments
            found.setdefault(REPLY, (asked, {**request.schema, "type": "object"}))
    return found


def schema_error(parameters: Mapping[str, Any], request: Request) -> str | None:
    """What is wrong with a schema in the language of the request's wire format; a reducer's is JSON Schema."""
    if request.dialect == "reducer":
        return json_schema_error(parameters)
    return dialects.named(request.dialect).schema_error(parameters)


def undescribed(spec: ToolSpec) -> list[str]:
    """What of a tool carries no description: the tool itself, or its arguments by name."""
    missing = [] if spec.description.strip() else [spec.name]
    parameters = spec.parameters if isinstance(spec.parameters, Mapping) else {}
    properties = parameters.get("properties")
    if not isinstance(properties, Mapping):
        return missing
    silent = [n for n, part in properties.items() if not _described(part, parameters)]
    return missing + [f"{spec.name}.{n}" for n in silent if not _explained(n, spec.description)]


def _explained(argument: str, description: str) -> bool:
    """Whether the tool's own description speaks of an argument by name: an entry for it, as docstrings have
    (`name: …`, `name (int): …`, `name - …`), the name in quotes, or "the argument name"."""
    name = re.escape(argument)
    entry = rf"(?:^|[\s,;(\[{{*`'\"]){name}[`'\"*]*\s*(?:\([^)\n]*\)|\[[^\]\n]*\])?\s*(?::|=|–|—|-\s)"
    spoken = rf"[`'\"]{name}[`'\"]|\b(?:argument|parameter|arg)s?\s+{name}\b|\b{name}\s+(?:argument|parameter)"
    return bool(re.search(f"{entry}|{spoken}", description))


def _described(part: Any, whole: Mapping[str, Any]) -> bool:
    """Whether an argument says what it is; one that can have a single value needs no words."""
    if not isinstance(part, Mapping):
        return False
    found = resolved(part, whole)
    options = [option for several in ("anyOf", "oneOf") for option in _several(found.get(several))]
    said = str(found.get("description") or "").strip()
    return bool(said) or "const" in found or any(_described(o, whole) for o in options if o != {"type": "null"})


def _several(options: Any) -> Sequence[Any]:
    return options if isinstance(options, list) else ()


# --- from turn to turn ----------------------------------------------------------------------------


def turns(trace: Trace) -> list[tuple[Event, Event]]:
    """Each model request with the one before it of the same conversation.

    Requests with another prompt and another beginning are another conversation: a sub-agent's, a summary's.
    A last request without anything to choose from asks for the closing words.
    """
    asked = [e for e in trace.requests() if e is not trace.requests()[-1] or _choice(e.request)]
    by_session = [[e for e in asked if e.session == s] for s in dict.fromkeys(e.session for e in asked)]
    all_pairs = [pair for events in by_session for pair in pairwise(events)]
    found = {(a.seq, b.seq): (a, b) for events in by_session for a, b in _continued(events)}
    return list(found.values()) or all_pairs


def _continued(events: Sequence[Event]) -> Iterable[tuple[Event, Event]]:
    for place, later in enumerate(events):
        earlier = next((e for e in reversed(events[:place]) if _one_conversation(e.request, later.request)), None)
        if earlier is not None:
            yield earlier, later


def _one_conversation(one: Request, other: Request) -> bool:
    prompts = one.text("system") == other.text("system") != ""
    return prompts or _opening(one) == _opening(other)


def _opening(request: Request) -> str:
    return next((m.text for m in request.messages if m.role != "system"), "")


def _choice(request: Request) -> dict[str, Any]:
    """Name → all that the model is told of a tool, or of the form of its reply."""
    schema: dict[str, Any] = {REPLY: request.schema} if request.schema else {}
    return {t.name: [t.description, t.parameters] for t in request.tools} | schema


def unexplained(trace: Trace, earlier: Event, later: Event) -> str | None:
    """How the choice differs between two requests, in words, where the model was not told of it in between."""
    before, after = _choice(earlier.request), _choice(later.request)
    between = trace.of("model_reply", after=earlier, before=later, session=later.session)
    told = "\n".join(told_after(trace, e) for e in between)
    moved = sorted(n for n in before.keys() ^ after.keys() if not re.search(rf"\b{re.escape(n)}\b", told))
    if moved:
        return f"{moved[0]} {'came' if moved[0] in after else 'went'} without a word"
    changed = [n for n in before.keys() & after.keys() if _new_texts(before[n], after[n], told)]
    if changed:
        return f"{changed[0]} changed without a word"
    common = [n for n in before if n in after]
    if common != [n for n in after if n in before]:
        return f"the same tools came in another order: {', '.join(after)} after {', '.join(before)}"
    return None


def _new_texts(before: Any, after: Any, told: str) -> bool:
    """Whether a tool says something else than before that the model has not heard of elsewhere."""
    fresh = set(leaves(json.loads(json.dumps(after)))) ^ set(leaves(json.loads(json.dumps(before))))
    return before != after and (not fresh or any(text not in told for text in fresh))
