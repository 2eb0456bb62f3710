"""Opening an envelope: the user's own function for a channel turns it into a trigger, on the stage."""

import asyncio
import copy
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentcheck.wording import leaves


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of an envelope: the trigger, or why no form of it could be read."""

    trigger: Any = None
    error: Exception | None = None


def opened(envelope: Mapping[str, Any]) -> Opened:
    """The trigger of the first form that keeps the text; else of the first form that is read at all."""
    if envelope["convert"] is None:
        return Opened(envelope["forms"][0] if envelope["bare"] is None else envelope["bare"])
    tried: list[Opened] = []
    for one in _tried(envelope):
        if one.error is None and _carries(one.trigger, envelope["text"]):
            return one
        tried.append(one)
    return next((one for one in tried if one.error is None), tried[0])


def _tried(envelope: Mapping[str, Any]) -> Iterator[Opened]:
    from agentcheck.stage.tools import named

    convert = named(envelope["convert"])
    for form in envelope["forms"]:
        for shape in (form, form.encode()) if isinstance(form, str) else (form,):
            try:
                yield Opened(_done(convert(copy.deepcopy(shape))))
            except Exception as error:  # whatever the user's function raises on a form that it does not read
                yield Opened(error=error)


def _done(result: Any) -> Any:
    return asyncio.run(_wait(result)) if inspect.isawaitable(result) else result


async def _wait(awaitable: Any) -> Any:
    return await awaitable


def _carries(trigger: Any, text: str) -> bool:
    from agentcheck.stage.tools import plain

    said = " ".join(leaves(plain(trigger)))
    return all(word in said for word in text.split())
