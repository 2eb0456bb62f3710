"""Time on the stage: sleeping costs nothing and is written down; the wall clock may be held still."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

really_sleep = time.sleep
_really_sleep_async = asyncio.sleep
SHORT = 0.02  # seconds; what a sleep is cut down to


def hasten(note: Callable[[float], None]) -> None:
    """Cut every longer sleep of the agent short and report its length in seconds to `note`."""

    def sleep(seconds: float, /) -> None:
        if seconds > SHORT:
            note(float(seconds))
        really_sleep(min(seconds, SHORT) if seconds > 0 else seconds)

    async def sleep_async(delay: float, result: Any = None) -> Any:
        if delay > SHORT:
            note(float(delay))
        return await _really_sleep_async(min(delay, SHORT), result)

    vars(time)["sleep"] = sleep
    vars(asyncio)["sleep"] = sleep_async


async def really_sleep_async(seconds: float) -> None:
    await _really_sleep_async(seconds)


def held_at(instant: float | None) -> AbstractContextManager[Any]:
    """Hold the wall clock at `instant` (seconds since the epoch); None leaves it alone."""
    if instant is None:
        return nullcontext()
    import time_machine

    return time_machine.travel(instant, tick=False)
