"""Several sessions of one process in flight at once: as threads, or as tasks of one loop where they are coroutines."""

import asyncio
import contextlib
import contextvars
import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from agentcheck.order import Order
from agentcheck.stage.bind import Bound
from agentcheck.stage.link import Link, running
from agentcheck.stage.ownership import OwnedLink, Owners, handed_down
from agentcheck.stage.tools import Toolbox
from agentcheck.stage.turns import REPLY, REQUEST, RESULT, Turns

_MOST_WAITING: Final = 256  # crossings of one loop that stand still at the same time
_ASYNC_CLIENTS: Final = (
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ("httpx2", "AsyncHTTPTransport", "handle_async_request"),
    ("aiohttp", "ClientSession", "_request"),
)


class Flight:
    """The sessions of a job that go on in this order.

    Args:
        names: of the sessions; the first begins.
        tasks: whether they are tasks of one loop.
        patience: seconds that a session waits for its turn at most.
    """

    def __init__(self, names: Sequence[str], order: Order, *, tasks: bool, patience: float):
        self.tasks = tasks
        self.order = order
        self.turns = Turns(names, order, start=self._start, patience=patience)
        self.owners = Owners(self.turns)
        self._names = names
        self._begin: Callable[[str], None] = lambda name: None
        self._pool = ThreadPoolExecutor(_MOST_WAITING, thread_name_prefix="asyncio_agentcheck")

    def link(self, link: Link) -> OwnedLink:
        return OwnedLink(link, self.owners)

    def facts(self) -> dict[str, Any]:
        """How they were in flight, for the trace."""
        by = "tasks of one loop" if self.tasks else "threads"
        return {"by": by, "met": self.turns.met, "gave_way": self.turns.free, "guessed": self.owners.guessed}

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """In this block every crossing is one at which another session may go on."""
        with handed_down(), self._async_clients() if self.tasks else contextlib.nullcontext():
            yield

    # --- crossings ---------------------------------------------------------------------------

    def cross(self, place: str) -> None:
        """Stand at a crossing; in the one loop of all sessions only what awaits can, see `cross_async`."""
        if self.tasks and asyncio._get_running_loop() is not None:
            return
        with self.owners.known() as who:
            self.turns.cross(who, place)

    async def cross_async(self, place: str) -> None:
        """As `cross`, and the loop goes on meanwhile."""
        if not self.tasks:
            self.cross(place)
            return
        with self.owners.known() as who:
            await asyncio.get_running_loop().run_in_executor(self._pool, self.turns.cross, who, place)

    @contextlib.contextmanager
    def _async_clients(self) -> Iterator[None]:
        found = [(getattr(sys.modules.get(module), kind, None), name) for module, kind, name in _ASYNC_CLIENTS]
        before = [(kind, name, getattr(kind, name)) for kind, name in found if kind is not None]
        for kind, name, send in before:
            setattr(kind, name, self._standing(send))
        try:
            yield
        finally:
            for kind, name, send in before:
                setattr(kind, name, send)

    def _standing(self, send: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(send)
        async def sent(*args: Any, **kwargs: Any) -> Any:
            await self.cross_async(REQUEST)
            response = await send(*args, **kwargs)
            await self.cross_async(REPLY)
            return response

        return sent

    # --- playing -----------------------------------------------------------------------------

    def play(self, session: Callable[[str], Any]) -> None:
        """Play all sessions to their ends: `session` plays one, by its name; in tasks it is a coroutine function."""
        if self.tasks:
            asyncio.run(self._play_tasks(session))
        else:
            self._play_threads(session)

    def _start(self, name: str) -> None:
        self._begin(name)

    def _play_threads(self, session: Callable[[str], None]) -> None:
        start = threading.Thread.start

        def play(name: str) -> None:
            try:
                session(name)
            finally:
                self.turns.end(name)

        def begin(name: str) -> None:
            start(threading.Thread(target=play, args=(name,), name=f"agentcheck-session-{name}", daemon=True))

        self._begin = begin
        if self.order is Order.APART:
            begin(self._names[0])
        else:
            contextvars.copy_context().run(play, self._names[0])
        self.turns.wait_for_all()

    async def _play_tasks(self, session: Callable[[str], Any]) -> None:
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        async def play(name: str) -> None:
            try:
                await session(name)
            finally:
                self.turns.end(name)

        def begin(name: str) -> None:
            tasks.add(loop.create_task(play(name)))

        def begin_there(name: str) -> None:
            loop.call_soon_threadsafe(begin, name)

        self._begin = begin_there
        await play(self._names[0])
        await loop.run_in_executor(self._pool, self.turns.wait_for_all)
        await asyncio.gather(*tasks)


class Tools(Toolbox):
    """Tools in which a session may stand while another goes on."""

    flight: Flight

    def _dispatch(self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if bound.is_async:
            return super()._dispatch(bound, args, kwargs)
        with self.flight.owners.known():
            try:
                return super()._dispatch(bound, args, kwargs)
            finally:
                self.flight.cross(RESULT)

    async def _play_async(self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return await super()._play_async(bound, args, kwargs)
        finally:
            await self.flight.cross_async(RESULT)


def flight(job: Mapping[str, Any], entry: Any, *, patience: float) -> Flight | None:
    """How a job's sessions are in flight; None where they come one after the other."""
    order = Order(job["order"]) if job.get("order") else Order.MIDDLE if job.get("interleaved") else None
    if order is None:
        return None
    running[:] = [job["sessions"][0]["name"]]
    tasks = is_async(entry) and order is not Order.APART and not job.get("threads")
    return Flight([one["name"] for one in job["sessions"]], order, tasks=tasks, patience=patience)


def is_async(function: Any) -> bool:
    """Whether calling it makes a coroutine, as far as can be known without a call."""
    return any(inspect.iscoroutinefunction(f) for f in (function, vars(type(function)).get("__call__")))
