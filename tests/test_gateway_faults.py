"""What goes wrong on the socket, as a raw client sees it and as SDKs report it."""

import socket
import struct
import time
from typing import Any

import anthropic
import openai
import pytest

from agentcheck.gateway import Gateway, Scripted
from agentcheck.gateway.sockets import Cuts, HalfCloses, Resets, SlowFirstByte, SocketFault, Stalls
from agentcheck.model import Script
from agentcheck.scenario import Scenario, finish
from agentcheck.wire import json_bytes

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "go"}]}
TEXT = "Deployed to production, and all is well there."
PATIENCE = 1.0  # seconds of a client


def gateway_with(fault: SocketFault) -> Gateway:
    return Gateway(Scripted(Script((finish(TEXT),), Scenario())), fault=lambda number: fault)


def connected(gateway: Gateway) -> socket.socket:
    """A raw connection on which a streamed request has been sent."""
    body = json_bytes({**CHAT, "stream": True})
    head = f"POST {gateway.url.partition(str(gateway.port))[2]}/v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE)
    connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def received(connection: socket.socket) -> bytes:
    """Everything until the other side ends it. Raises what the socket raises."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_reset_is_a_reset():
    with gateway_with(Resets()) as gateway, connected(gateway) as connection, pytest.raises(ConnectionResetError):
        received(connection)


def test_a_cut_ends_inside_an_event_and_the_body_never_ends():
    with gateway_with(Cuts(after=1)) as gateway, connected(gateway) as connection:
        got = received(connection)
    assert got.count(b"data: ") == 2
    assert not got.endswith(b"\n\n")
    assert b"\r\n0\r\n" not in got


def test_a_stall_holds_the_connection_open():
    with gateway_with(Stalls(after=1)) as gateway, connected(gateway) as connection:
        with pytest.raises(TimeoutError):
            received(connection)
        assert [e["fault"] for e in gateway.trace.of("fault_fired")] == ["Stalls(after=1, seconds=None)"]


def test_a_stall_of_some_seconds_ends():
    with gateway_with(Stalls(after=1, seconds=0.1)) as gateway, connected(gateway) as connection:
        connection.settimeout(10)
        seen = b""
        while b"[DONE]" not in seen:
            seen += connection.recv(65536)


def test_the_first_byte_comes_late():
    with gateway_with(SlowFirstByte(0.3)) as gateway, connected(gateway) as connection:
        connection.settimeout(10)
        began = time.monotonic()
        connection.recv(1)
        assert time.monotonic() - began >= 0.25


def test_the_server_half_closes_and_goes_on_reading():
    with gateway_with(HalfCloses(after=1)) as gateway, connected(gateway) as connection:
        got = received(connection)
        assert got.count(b"data: ") == 1
        connection.sendall(b"x")  # nobody resets it
        assert struct.unpack("i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR, 4)) == (0,)


def by_openai(url: str) -> Any:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0, timeout=PATIENCE) as client:
        return [chunk.choices[0].delta.content for chunk in client.chat.completions.create(**CHAT, stream=True)]


def by_anthropic(url: str) -> Any:
    with (
        anthropic.Anthropic(base_url=url, api_key="x", max_retries=0, timeout=PATIENCE) as client,
        client.messages.stream(max_tokens=5, **CHAT) as events,
    ):
        return events.get_final_text()


FAULTS = [Resets(), Resets(after=1), Cuts(after=1), Stalls(after=1), HalfCloses(after=0), HalfCloses(after=1)]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize(("ask", "errors"), [(by_openai, openai.APIConnectionError), (by_anthropic, Exception)])
def test_sdks_see_a_broken_connection(fault, ask, errors):
    """openai names it its own error; anthropic lets that of the transport through where the stream had begun."""
    with gateway_with(fault) as gateway, pytest.raises(errors) as caught:
        ask(gateway.url)
    assert not isinstance(caught.value, AssertionError | TypeError | KeyError)
    assert any(word in repr(caught.value) + repr(caught.value.__cause__) for word in ("Error", "Timeout"))


def test_only_the_calls_that_are_struck_break():
    script = Scripted(Script((finish(TEXT),), Scenario()))
    with Gateway(script, fault=lambda number: Resets() if number == 1 else None) as gateway:
        with pytest.raises(openai.APIConnectionError):
            by_openai(gateway.url)
        assert "".join(filter(None, by_openai(gateway.url))) == TEXT
