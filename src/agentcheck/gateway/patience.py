"""How long an answer is worth the work: until the client or the gateway gives up."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive


async def unless_gone(work: Coroutine[Any, Any, object], receive: Receive, closing: asyncio.Event) -> bool:
    """Do this work; False where the client went away, or the gateway closes, before it was done."""
    main = asyncio.ensure_future(work)
    others = [asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(closing.wait())]
    try:
        await asyncio.wait({main, *others}, return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            main.result()
            return True
        return False
    finally:
        for task in (main, *others):
            task.cancel()
        await asyncio.gather(main, *others, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
