"""What goes wrong on the socket, as a raw client sees it and as SDKs report it."""

import queue
import socket
import struct
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
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


def gateway_with(fault: SocketFault, heard: Callable[[str], None] = lambda line: None) -> Gateway:
    return Gateway(Scripted(Script((finish(TEXT),), Scenario())), fault=lambda number: fault, heard=heard)


def connected(gateway: Gateway, *, stream: bool = True) -> socket.socket:
    """A raw connection on which a request has been sent."""
    body = json_bytes({**CHAT, "stream": stream})
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
        connection.recv(1)


def test_a_reset_in_the_middle_comes_after_what_was_sent():
    with gateway_with(Resets(after=2)) as gateway, connected(gateway) as connection:
        got: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            got.extend(iter(lambda: connection.recv(65536), b""))
    assert b"".join(got).count(b"data: ") == 2


def test_a_cut_ends_inside_an_event_and_the_body_never_ends():
    with gateway_with(Cuts(after=1)) as gateway, connected(gateway) as connection:
        got = received(connection)
    assert got.count(b"data: ") == 2
    assert not got.endswith(b"\n\n")
    assert b"\r\n0\r\n" not in got


def test_a_cut_of_json_ends_inside_it():
    with gateway_with(Cuts(after=0)) as gateway, connected(gateway, stream=False) as connection:
        got = received(connection)
    assert got.startswith(b"HTTP/1.1 200")
    assert b'{"id"' in got
    assert b"usage" not in got


def test_a_stall_holds_the_connection_open():
    with gateway_with(Stalls(after=1)) as gateway, connected(gateway) as connection:
        with pytest.raises(TimeoutError):
            received(connection)
        assert [e["fault"] for e in gateway.trace.of("fault_fired")] == ["Stalls(after=1, seconds=None)"]


def test_a_stall_before_the_reply_gives_not_even_a_head():
    with (
        gateway_with(Stalls(after=None)) as gateway,
        connected(gateway) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.recv(1)


def test_a_stall_of_some_seconds_ends():
    with gateway_with(Stalls(after=1, seconds=0.1)) as gateway, connected(gateway) as connection:
        connection.settimeout(10)
        seen = b""
        while b"[DONE]" not in seen and (piece := connection.recv(65536)):
            seen += piece
    assert b"[DONE]" in seen


def test_a_stall_ends_when_the_gateway_closes():
    gateway = gateway_with(Stalls(after=1))
    with gateway, connected(gateway) as connection:
        connection.settimeout(10)
        while b"data: " not in connection.recv(65536):
            pass
        gateway.close()
        assert not gateway._thread.is_alive()
        received(connection)


def test_a_client_that_gives_up_on_a_stall_leaves_the_gateway_at_work():
    with gateway_with(Stalls(after=None)) as gateway:
        for _ in range(3):
            connected(gateway).close()
        with connected(gateway) as connection, pytest.raises(TimeoutError):
            connection.recv(1)


def test_the_first_byte_comes_late():
    with gateway_with(SlowFirstByte(60)) as gateway, connected(gateway) as connection, pytest.raises(TimeoutError):
        connection.recv(1)
    with gateway_with(SlowFirstByte(0.05)) as gateway, connected(gateway) as connection:
        connection.settimeout(10)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_the_server_half_closes_and_goes_on_reading():
    with gateway_with(HalfCloses(after=1)) as gateway, connected(gateway) as connection:
        got = received(connection)
        assert got.count(b"data: ") == 1
        connection.sendall(b"x")  # nobody resets it
        assert struct.unpack("i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR, 4)) == (0,)


def test_only_the_calls_that_are_struck_break():
    script = Scripted(Script((finish(TEXT),), Scenario()))
    with Gateway(script, fault=lambda number: Resets() if number == 1 else None) as gateway:
        with pytest.raises(openai.APIConnectionError):
            by_openai(gateway.url, stream=True)
        assert "".join(filter(None, by_openai(gateway.url, stream=True))) == TEXT


def test_a_reply_that_was_lost_is_the_next_ones_again():
    turns = finish("first"), finish("second")
    lost: queue.Queue[str] = queue.Queue()
    fault = {1: Resets(after=1)}.get
    with Gateway(Scripted(Script(turns, Scenario())), fault=fault, heard=lost.put) as gateway:
        with pytest.raises(openai.APIConnectionError):
            by_openai(gateway.url, stream=True)
        assert "".join(filter(None, by_openai(gateway.url, stream=True))) == "first"
    assert [lost.get_nowait() for _ in range(2)] == [
        "call 1, openai-chat, 1 messages: 'first'",
        "call 2, openai-chat, 1 messages: 'first'",
    ]


# --- which error comes out of an SDK --------------------------------------------------------------


def by_openai(url: str, *, stream: bool) -> Any:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0, timeout=PATIENCE) as client:
        if not stream:
            return client.chat.completions.create(**CHAT)
        return [chunk.choices[0].delta.content for chunk in client.chat.completions.create(**CHAT, stream=True)]


def by_anthropic(url: str, *, stream: bool) -> Any:
    with anthropic.Anthropic(base_url=url, api_key="x", max_retries=0, timeout=PATIENCE) as client:
        if not stream:
            return client.messages.create(max_tokens=5, **CHAT)
        with client.messages.stream(max_tokens=5, **CHAT) as events:
            return events.get_final_text()


# Each fault: openai's error; anthropic's; and what anthropic lets through once a stream has begun, None: its own.
ERRORS: list[tuple[SocketFault, type, type, type | None]] = [
    (Resets(), openai.APIConnectionError, anthropic.APIConnectionError, None),
    (Resets(after=1), openai.APIConnectionError, anthropic.APIConnectionError, httpx2.ReadError),
    (Cuts(after=0), openai.APIConnectionError, anthropic.APIConnectionError, httpx2.RemoteProtocolError),
    (Cuts(after=1), openai.APIConnectionError, anthropic.APIConnectionError, httpx2.RemoteProtocolError),
    (Stalls(after=None), openai.APITimeoutError, anthropic.APITimeoutError, None),
    (Stalls(after=1), openai.APITimeoutError, anthropic.APITimeoutError, httpx2.ReadTimeout),
    (HalfCloses(after=0), openai.APIConnectionError, anthropic.APIConnectionError, httpx2.RemoteProtocolError),
    (HalfCloses(after=1), openai.APIConnectionError, anthropic.APIConnectionError, httpx2.RemoteProtocolError),
    (SlowFirstByte(60), openai.APITimeoutError, anthropic.APITimeoutError, None),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("fault", "error"), [(row[0], row[1]) for row in ERRORS], ids=str)
def test_the_error_that_comes_out_of_openai(fault, error, stream):
    with gateway_with(fault) as gateway, pytest.raises(openai.OpenAIError) as caught:
        by_openai(gateway.url, stream=stream)
    assert type(caught.value) is error


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("fault", "own", "raw"), [(row[0], row[2], row[3]) for row in ERRORS], ids=str)
def test_the_error_that_comes_out_of_anthropic(fault, own, raw, stream):
    """Where a stream has begun it lets the error of its transport through."""
    with gateway_with(fault) as gateway, pytest.raises((anthropic.AnthropicError, httpx2.HTTPError)) as caught:
        by_anthropic(gateway.url, stream=stream)
    assert type(caught.value) is ((raw or own) if stream else own)
