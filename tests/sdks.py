"""Replies as the providers' own SDKs read them: bytes in any pieces through a transport of httpx or httpx2."""

import random
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

from agentcheck.wire import WireReply


def cut(body: bytes, size: int) -> list[bytes]:
    """A body in pieces of this size; 0: whole; negative: of random sizes, with that seed."""
    if size == 0:
        return [body]
    if size > 0:
        return [body[at : at + size] for at in range(0, len(body), size)]
    dice, at, found = random.Random(size), 0, []
    while at < len(body):
        step = dice.randint(1, 40)
        found.append(body[at : at + step])
        at += step
    return found


def transport(module: ModuleType, reply: WireReply, *, size: int = 0, seen: list[Any] | None = None) -> Any:
    """A transport of `module` (httpx or httpx2) that gives this reply to every request, in pieces of `size` bytes."""

    class Stream(module.SyncByteStream, module.AsyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield from cut(reply.body, size)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in cut(reply.body, size):
                yield piece

    def answer(request: Any) -> Any:
        if seen is not None:
            seen.append(request)
        return module.Response(reply.status, headers=dict(reply.headers), stream=Stream(), request=request)

    return module.MockTransport(answer)
