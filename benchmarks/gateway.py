"""How many requests a second the gateway answers, as a ratio to a raw asyncio echo of the same bytes.

    python benchmarks/gateway.py [REQUESTS]

Both servers run in a process of their own and are asked by the same raw clients over kept connections: one, and
eight at once. The gateway replays a recording of a thousand exchanges, and writes its trace.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tabulate import tabulate

from agentcheck.cassette import Cassette
from agentcheck.gateway import Gateway, Played
from agentcheck.trace import Trace
from agentcheck.wire import Exchange, WireReply, WireRequest, json_bytes

JSON = {"content-type": "application/json"}


def exchange(number: int) -> Exchange:
    body = {"model": "m", "messages": [{"role": "user", "content": f"{number:06d} " + "x" * 2000}]}
    message = {"role": "assistant", "content": f"reply to {number}"}
    reply = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    url = "https://api.example/v1/chat/completions"
    return Exchange(WireRequest("POST", url, JSON, json_bytes(body)), WireReply(200, JSON, (json_bytes(reply),)))


def gateway(parent: Connection, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cassette = Cassette.create(Path(folder) / "run.jsonl", provenance={})
        for number in range(count):
            one = exchange(number)
            cassette.append(one.request, one.reply)
        player = Cassette.read(cassette.path).player()
        with Gateway(Played(player), trace=Trace(Path(folder) / "trace.jsonl")) as server:
            parent.send(server.url)
            parent.recv()


def echo(parent: Connection, count: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                writer.write(head + await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        parent.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
        await asyncio.get_running_loop().run_in_executor(None, parent.recv)
        server.close()

    asyncio.run(serve())


@contextmanager
def served(by: Any, count: int) -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=by, args=(there, count))
    process.start()
    yield here.recv()
    here.send("end")
    process.join()


async def asked(url: str, bodies: list[bytes]) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for body in bodies:
        head = f"POST {parts.path}/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        head_back = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head_back:
            while not (await reader.readuntil(b"\r\n")).startswith(b"0"):
                continue
            await reader.readuntil(b"\r\n")
        else:
            await reader.readexactly(int(head_back.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        assert head_back.startswith((b"http/1.1 200", b"post "))
    writer.close()


def rate(by: Any, count: int, connections: int) -> float:
    """Requests a second."""
    bodies = [exchange(number).request.body for number in range(count)]
    shares = [bodies[n::connections] for n in range(connections)]

    async def all_at_once(url: str) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(asked(url, share) for share in shares))
        return count / (time.perf_counter() - began)

    with served(by, count) as url:
        return asyncio.run(all_at_once(url))


def main(count: int = 1000) -> None:
    rows = []
    for connections in (1, 8):
        ours, raw = rate(gateway, count, connections), rate(echo, count, connections)
        rows.append([connections, round(ours), round(raw), f"{ours / raw:.2f}"])
    print(tabulate(rows, ["connections", "gateway, requests/s", "raw echo, requests/s", "ratio"]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
