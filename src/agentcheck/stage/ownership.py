"""Whose a thread is, where several sessions are in flight: one without a context is known by who started it."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from agentcheck.stage.link import Link, session
from agentcheck.stage.turns import Turns

_starter: ContextVar[str | None] = ContextVar("agentcheck_starter", default=None)  # the session that started a thread


class Owners:
    """Whose each crossing is. `guessed` says whether that was in doubt at any."""

    def __init__(self, turns: Turns):
        self.turns = turns
        self.guessed = False

    @contextlib.contextmanager
    def known(self) -> Iterator[str]:
        """In this block it is settled whose the running code is."""
        own = session.get()
        who = self._guess() if own is None else own
        token = session.set(who)
        try:
            yield who
        finally:
            session.reset(token)

    def _guess(self) -> str:
        """A thread is its starter's, or of whoever's turn it is; a thread that works for many makes these differ."""
        starter = _starter.get()
        self.guessed = self.guessed or self.turns.free or starter not in (None, self.turns.whose)
        return starter or self.turns.whose


class OwnedLink:
    """The link to the lab, each question of which belongs to the session that asks it."""

    def __init__(self, link: Link, owners: Owners):
        self._link = link
        self._owners = owners

    def ask(self, op: str, **data: Any) -> dict[str, Any]:
        turns = self._owners.turns
        with self._owners.known(), turns.asking():
            return self._link.ask(op, **data)


@contextlib.contextmanager
def handed_down() -> Iterator[None]:
    """Threads know who started them, and work that a pool is given is its giver's."""
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def started(self: threading.Thread) -> None:
        self.run = functools.partial(_for, None, session.get() or _starter.get(), self.run)  # type: ignore[method-assign]
        start(self)

    def submitted(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, functools.partial(_for, session.get(), _starter.get(), fn), *args, **kwargs)

    _put(started, submitted)
    try:
        yield
    finally:
        _put(start, submit)


def _put(start: Callable[..., Any], submit: Callable[..., Any]) -> None:
    threading.Thread.start, ThreadPoolExecutor.submit = start, submit  # type: ignore[method-assign]


def _for(who: str | None, starter: str | None, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    tokens = session.set(who), _starter.set(starter)
    try:
        return work(*args, **kwargs)
    finally:
        session.reset(tokens[0])
        _starter.reset(tokens[1])
