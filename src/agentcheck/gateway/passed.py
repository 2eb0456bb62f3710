"""A live model, or a proxy of one, behind the gateway: what it says is passed on as it comes, and recorded."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx

from agentcheck.cassette import Cassette
from agentcheck.gateway.answering import Answer, missed, parsed
from agentcheck.live import Live, LiveError, broken_off, kept
from agentcheck.wire import Exchange, WireReply, WireRequest


@dataclass
class Passed:
    """Passes requests on to a live model, piece by piece as it answers; with a cassette, all is recorded.

    The exchange is on disk before its last piece goes out.
    """

    live: Live
    cassette: Cassette | None = None
    quick: bool = False
    records: bool = False
    _clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = field(default_factory=dict, repr=False)

    def __call__(self, wire: WireRequest) -> "_Passing":
        return _Passing(self, wire)

    async def ended(self) -> None:
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    @asynccontextmanager
    async def opened(self, wire: WireRequest) -> AsyncIterator[httpx.Response]:
        """A reply on its way. Raises LiveError."""
        url = self.live.address(wire)
        sent = {"headers": self.live.headers(wire), "content": wire.body}
        try:
            async with self._client().stream(wire.method, url, **sent) as response:  # type: ignore[arg-type]
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LiveError(broken_off(url, error)) from error

    def _client(self) -> httpx.AsyncClient:
        """One for each gateway, since its connections live in that one's loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
            self._clients[loop] = httpx.AsyncClient(timeout=self.live.timeout, limits=limits)
        return self._clients[loop]


class _Passing:
    """One exchange with the live model."""

    def __init__(self, owner: Passed, wire: WireRequest):
        self._owner, self._wire = owner, wire
        self._opened = owner.opened(wire)
        self._started = time.monotonic()
        self._came: list[tuple[float, bytes]] = []

    async def __aenter__(self) -> Answer:
        try:
            response = await self._opened.__aenter__()
        except LiveError as error:
            async with missed(self._wire, str(error)) as answer:
                return answer
        status, headers = response.status_code, kept(response.headers)
        done = partial(self._record, status, headers)
        return Answer(status, headers, self._arriving(response), parsed(self._wire), done=done)

    async def __aexit__(self, *raised: object) -> bool | None:
        return await self._opened.__aexit__(*raised)  # type: ignore[arg-type]

    async def _arriving(self, response: httpx.Response) -> AsyncIterator[bytes]:
        async for piece in response.aiter_bytes():
            self._came.append((time.monotonic() - self._started, piece))
            yield piece

    def _record(self, status: int, headers: dict[str, str]) -> None:
        if self._owner.cassette is None:
            return
        reply = WireReply(status, headers, tuple(piece for _, piece in self._came))
        whole = Exchange(self._wire, reply, tuple(seconds for seconds, _ in self._came))
        self._owner.cassette.append(whole.request, whole.reply, times=whole.times)
