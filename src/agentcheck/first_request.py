"""The first request of a run, made comparable between processes, directories and clocks."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from agentcheck.canonical import excerpt
from agentcheck.lab import CLOCK, Lab
from agentcheck.process import Machine
from agentcheck.trace import Event

LATER: Final = CLOCK + 401 * 86_400 + 19_387  # another year, month, day, hour, minute and second than CLOCK
HELD: Final = Machine(clock=CLOCK)
OTHER_PROCESS: Final = Machine(hash_seed=2, clock=CLOCK)
OTHER_PLACE: Final = Machine(clock=LATER, folder="b")
HELD_THROUGHOUT: Final = Machine(clock=CLOCK, imported_at=CLOCK)
OTHER_PROCESS_THROUGHOUT: Final = Machine(hash_seed=2, clock=CLOCK, imported_at=CLOCK)

# Of OpenAI's API: by what a request is routed to a cache, and whom it is for; the model does not see them.
_BOOKKEEPING: Final = frozenset({"prompt_cache_key", "safety_identifier", "user"})


def first_request(lab: Lab, machine: Machine) -> Event:
    """The first request of the happy run on this machine."""
    run = lab.run(machine=machine)
    return run.reach("model_request", session=run.plan.triggers[0][0])


def difference(lab: Lab, one: Event, other: Event) -> str | None:
    """Where two requests differ, around the first place; None where they are the same but for volatile values."""
    first, second = as_sent(lab, one), as_sent(lab, other)
    return None if first == second else excerpt(first, second)


def as_sent(lab: Lab, event: Event) -> str:
    """The body of a request as it was sent, but for declared volatile values, the place of the sandbox, and what is
    for the provider's bookkeeping and never reaches the model."""
    mask = masked(lab)
    raw = event["raw"]
    if raw is None:
        sent = {part: event["request"][part] for part in ("messages", "tools", "settings", "schema")}
        return json.dumps(_each(sent, mask), ensure_ascii=False)
    try:
        body = json.loads(raw["body"])
        said = {k: v for k, v in body.items() if k not in _BOOKKEEPING} if isinstance(body, dict) else body
        return json.dumps(_each(said, mask), ensure_ascii=False)
    except ValueError:
        return mask(raw["body"])


def masked(lab: Lab) -> Callable[[str], str]:
    """Takes out of a text what the target declares as volatile, and where in the file system agentcheck put it."""
    volatile = [re.compile(pattern) for pattern in lab.target.volatile]
    sandbox = re.compile(lab.stages.sandboxes)

    def mask(text: str) -> str:
        for pattern in volatile:
            text = pattern.sub("‹volatile›", text)
        return sandbox.sub("‹sandbox›", text)

    return mask


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each(part, change) for part in value]
    if isinstance(value, dict):
        return {name: _each(part, change) for name, part in value.items()}
    return value
