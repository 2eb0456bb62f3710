"""A live model behind the gateway: passed on as it comes, recorded before it is whole, and never waited for in vain."""

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from agentcheck.cassette import Cassette
from agentcheck.faults import Http, ModelFails, faults
from agentcheck.gateway import Faulty, Gateway, Passed, Scripted
from agentcheck.live import Live
from agentcheck.model import Script
from agentcheck.scenario import Call, Scenario, Turn, finish

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "go"}]}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "Done"}}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def model(answer: Callable[[socket.socket], None]) -> Iterator[Live]:
    """A live model that answers each of its connections, once asked, in this way."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                seen = b""
                while not seen.endswith(b"}"):
                    seen += connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with Live(f"http://127.0.0.1:{server.getsockname()[1]}/v1", timeout=30) as live:
                yield live
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def test_a_piece_goes_on_while_the_model_still_thinks_and_the_last_one_once_it_is_recorded(tmp_path):
    """The model sends its second piece only after the client has the first, and its end after the recording."""
    seen, path = threading.Event(), tmp_path / "live.jsonl"
    asked_before: list[int] = []

    def answer(connection: socket.socket) -> None:
        asked_before.append(len(gateway.trace.of("model_request")))
        connection.sendall(HEAD + chunk(FIRST))
        assert seen.wait(10)
        connection.sendall(chunk(LAST))
        connection.sendall(b"0\r\n\r\n")

    with model(answer) as live, Gateway(Passed(live, Cassette.create(path, provenance={}))) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        with httpx.stream("POST", url, json={**CHAT, "stream": True}, timeout=20) as reply:
            pieces = reply.iter_bytes()
            assert next(pieces) == FIRST
            assert gateway.trace.of("model_reply") == []
            seen.set()
            assert next(pieces) == LAST
            assert len(Cassette.read(path).exchanges) == 1
            assert gateway.trace.first("model_reply").decision.text == "Done"
            assert list(pieces) == []
    recorded = Cassette.read(path).exchanges[0]
    assert recorded.reply.body == FIRST + LAST
    assert len(recorded.times) == len(recorded.reply.chunks) == 2
    assert asked_before == [1]


# As OpenAI sends them: each names a reason, and none of them ends the reply.
CHUNKS = [
    b'data: {"choices": [{"index": 0, "delta": {"content": "%d"}, "finish_reason": null}]}\n\n' % n for n in range(4)
]


def test_no_piece_waits_for_the_next_one_where_its_reason_is_null():
    """The model sends each piece only after the client has the one before, and at last stalls."""
    seen, over = threading.Semaphore(), threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        for piece in CHUNKS:
            if not seen.acquire(timeout=10):
                return
            connection.sendall(chunk(piece))
        over.wait(10)

    with model(answer) as live, Gateway(Passed(live)) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        with httpx.stream("POST", url, json={**CHAT, "stream": True}, timeout=20) as reply:
            pieces = reply.iter_bytes()
            for piece in CHUNKS:
                assert next(pieces) == piece
                seen.release()
        over.set()


def test_a_model_that_breaks_off_breaks_off_for_the_client_too(tmp_path):
    path = tmp_path / "live.jsonl"

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + chunk(FIRST) + b"ff\r\nhalf")
        connection.shutdown(socket.SHUT_WR)

    with model(answer) as live, Gateway(Passed(live, Cassette.create(path, provenance={}))) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(url, json={**CHAT, "stream": True}, timeout=20)
        assert "gave no whole reply: RemoteProtocolError" in gateway.trace.first("model_failed")["failure"]
    assert Cassette.read(path).exchanges == []


def test_closing_the_gateway_leaves_no_thread_though_the_model_never_answers():
    before, asked = set(threading.enumerate()), threading.Event()

    def ask(url: str) -> None:
        assert httpx.post(url, json=CHAT, timeout=60).status_code == 500

    with model(lambda connection: asked.set()) as live:
        with Gateway(Passed(live)) as gateway:
            client = threading.Thread(target=ask, args=(f"{gateway.url}/v1/chat/completions",))
            client.start()
            assert asked.wait(10)
        client.join(10)
        assert not client.is_alive()
        assert gateway.trace.of("model_failed")[0]["failure"] == "the gateway closed before the reply was whole"
        assert {t.name for t in set(threading.enumerate()) - before if t.name.startswith("agentcheck")} == set()


def test_a_client_that_goes_away_ends_the_call_of_the_model():
    gone, lines = threading.Event(), queue.Queue[str]()

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + chunk(FIRST))
        if connection.recv(1) == b"":
            gone.set()

    with model(answer) as live, Gateway(Passed(live), heard=lines.put) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        with httpx.stream("POST", url, json={**CHAT, "stream": True}, timeout=20) as reply:
            assert next(reply.iter_bytes()) == FIRST
        assert gone.wait(10)
        assert lines.get(timeout=10) == "call 1: the client went away before the reply was whole"
        assert gateway.trace.first("model_failed")["n"] == 1


def test_a_hundred_replies_can_be_on_their_way_at_the_same_time():
    """The model answers nobody until all of them have asked."""
    count, everybody = 100, asyncio.Event()
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"}]}")
        asked += 1
        if asked == count:
            everybody.set()
        await everybody.wait()
        writer.write(HEAD + chunk(FIRST) + chunk(LAST) + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def ask() -> list[int]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=count)
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        unbounded = httpx.Limits(max_connections=None)
        with Live(base, timeout=30) as live, Gateway(Passed(live)) as gateway:
            async with httpx.AsyncClient(timeout=30, limits=unbounded) as client:
                url = f"{gateway.url}/v1/chat/completions"
                replies = await asyncio.gather(*(client.post(url, json=CHAT) for _ in range(count)))
            numbers = sorted(event["n"] for event in gateway.trace.of("model_reply"))
            assert numbers == list(range(1, count + 1))
        server.close()
        return [reply.status_code for reply in replies]

    assert asyncio.run(ask()) == [200] * count


def test_a_recording_that_would_hold_a_credential_is_not_passed_on_as_if_it_were_kept(tmp_path):
    """Spread over the pieces of a stream it cannot be taken out, so that nothing is written, and the client hears."""
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
    events = [b'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n' % part.encode() for part in key]

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"".join(map(chunk, events)) + chunk(LAST) + b"0\r\n\r\n")

    path = tmp_path / "live.jsonl"
    with model(answer) as live, Gateway(Passed(live, Cassette.create(path, provenance={}))) as gateway:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{gateway.url}/v1/chat/completions", json={**CHAT, "stream": True}, timeout=20)
        assert "still holds a credential" in gateway.trace.first("model_failed")["failure"]
    assert Cassette.read(path).exchanges == []


def behind(*turns: Turn) -> Gateway:
    return Gateway(Scripted(Script(turns, Scenario())))


def test_gateway_behind_gateway_passes_on_and_records(tmp_path):
    """As before a proxy: a base URL with a path, and headers of its own."""
    path = tmp_path / "live.jsonl"
    turns = Turn((Call("deploy", {"tag": "v1"}),)), finish("Deployed to production.")
    with (
        behind(*turns) as far,
        Live(f"{far.url}/v1", timeout=20, headers={"x-team": "ops"}) as live,
        Gateway(Passed(live, Cassette.create(path, provenance={}))) as near,
        openai.OpenAI(base_url=f"{near.url}/v1", api_key="sk-live-1234567890abcdefghij") as client,
    ):
        tools: Any = [{"type": "function", "function": {"name": "deploy", "parameters": {"type": "object"}}}]
        with client.chat.completions.stream(**CHAT, tools=tools) as events:
            calls = events.get_final_completion().choices[0].message.tool_calls
        assert calls[0].function.arguments == '{"tag": "v1"}'
        assert client.models.list().data[0].id == "agentcheck"
        assert [c.name for c in near.trace.first("model_reply").decision.calls] == ["deploy"]
    kept = Cassette.read(path).exchanges
    assert [exchange.request.path for exchange in kept] == ["/v1/chat/completions", "/v1/models"]
    assert "sk-live" not in path.read_text()
    assert_replayed(path, tools)


def assert_replayed(path: Path, tools: Any) -> None:
    from agentcheck.gateway import Played

    player = Cassette.read(path).player()
    with Gateway(Played(player)) as gateway, openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x") as client:
        with client.chat.completions.stream(**CHAT, tools=tools) as events:
            assert events.get_final_completion().choices[0].message.tool_calls[0].function.name == "deploy"
        assert client.models.list().data[0].id == "agentcheck"
    assert player.unused() == []


def test_a_model_that_is_not_there_is_a_miss_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Live(f"http://me:hidden@127.0.0.1:{port}/v1", timeout=5) as live, Gateway(Passed(live)) as gateway:
        assert httpx.post(f"{gateway.url}/v1/chat/completions", json=CHAT).status_code == 400
        assert "gave no whole reply: ConnectError" in gateway.misses[0]
        assert "hidden" not in gateway.misses[0]
        assert len(gateway.trace.of("model_request")) == 1


def test_faults_strike_a_live_model_too():
    with behind(finish("first"), finish("second")) as far, Live(far.url, timeout=20) as live:
        faulty = Faulty(Passed(live), faults(ModelFails(Http(503))))
        with Gateway(faulty) as near:
            url = f"{near.url}/v1/chat/completions"
            assert httpx.post(url, json=CHAT).status_code == 503
            assert httpx.post(url, json=CHAT).json()["choices"][0]["message"]["content"] == "second"
