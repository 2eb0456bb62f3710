"""What a function beneath a tool does when nothing answers it, by how long it was told to wait."""

import asyncio
import subprocess

import httpx
import pytest

from agentcheck.stage import bind
from agentcheck.stage.beneath import http_response, is_alone, time_out


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


def test_a_task_with_a_timer_or_a_neighbour_is_not_alone():
    async def look() -> list[bool]:
        loop = asyncio.get_running_loop()
        seen = [is_alone(loop)]
        timer = loop.call_later(60, print)
        seen.append(is_alone(loop))
        timer.cancel()
        neighbour = loop.create_task(asyncio.Event().wait())
        seen.append(is_alone(loop))
        neighbour.cancel()
        return seen

    assert asyncio.run(look()) == [True, False, False]
