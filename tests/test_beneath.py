"""What a function beneath a tool does when nothing answers it, by how long it was told to wait."""

import asyncio
import signal
import subprocess
import threading

import httpx
import pytest

from agentcheck.stage import bind
from agentcheck.stage.beneath import http_response, is_stuck, time_out


def connect(host: str, timeout: float | None = None) -> None:
    """A function of the user's own."""


def bound(function: object) -> bind.Bound:
    return bind.Bound("tool", bind.innermost(function), bind.innermost(function))


CLIENT = httpx.Client(timeout=3)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "kind"),
    [
        (connect, ("db",), {"timeout": 2}, TimeoutError),
        (connect, ("db",), {}, None),
        (connect, ("db",), {"timeout": 60}, None),
        (httpx.post, ("http://x",), {}, httpx.ReadTimeout),
        (httpx.post, ("http://x",), {"timeout": None}, None),
        (CLIENT.post, (CLIENT, "http://x"), {}, httpx.ReadTimeout),
        (CLIENT.post, (CLIENT, "http://x"), {"timeout": None}, None),
        (subprocess.run, (["git"],), {"timeout": 1}, subprocess.TimeoutExpired),
        (subprocess.run, (["git"],), {}, None),
    ],
)
def test_a_patience_within_the_limit_runs_out(function, args, kwargs, kind):
    late = time_out(bound(function), args, kwargs, longest=10.0)
    assert type(late) is (kind or type(None))


def test_a_status_comes_as_the_clients_own_response():
    response = http_response("httpx._api", {"status": 503, "message": "busy"})
    with pytest.raises(httpx.HTTPStatusError, match="503"):
        response.raise_for_status()
    assert http_response("urllib.request", {"status": 503}) is None


@pytest.fixture
def threads(monkeypatch):
    """The names of the threads that there seem to be, whatever runs these tests."""
    names = ["MainThread"]
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.Thread(name=name) for name in names])
    return names


def test_a_task_with_a_timer_or_a_neighbour_is_not_stuck(threads):
    async def look() -> list[bool]:
        loop = asyncio.get_running_loop()
        seen = [is_stuck(loop)]
        timer = loop.call_later(60, print)
        seen.append(is_stuck(loop))
        timer.cancel()
        neighbour = loop.create_task(asyncio.Event().wait())
        seen.append(is_stuck(loop))
        neighbour.cancel()
        return seen

    assert asyncio.run(look()) == [True, False, False]


def test_a_process_with_another_thread_is_not_stuck(threads):
    assert is_stuck()
    threads.append("watchdog")
    assert not is_stuck()


def test_the_pool_of_a_loop_ends_no_call(threads):
    threads.append("asyncio_0")

    async def look() -> bool:
        return is_stuck(asyncio.get_running_loop())

    assert asyncio.run(look())
    assert not is_stuck()


def test_a_process_with_an_alarm_is_not_stuck(threads):
    signal.setitimer(signal.ITIMER_REAL, 3600)
    try:
        assert not is_stuck()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
