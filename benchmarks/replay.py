"""What replay costs: per request, by the size of the recording; and what loading a large one costs.

    .venv-bench/bin/python benchmarks/replay.py [--quick]

Peers in the same run: vcrpy and cassetter, both matching on the body, httpx.MockTransport with a
dictionary, and a raw asyncio echo on the loopback. All but the echo are asked by an httpx client, with distinct
bodies of 2 kB, in an order that has nothing to do with that of recording. vcrpy's cost of one request grows with
the recording, so that it is asked for a spread sample only. Loading is measured in a process of its own each.
"""

import argparse
import asyncio
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from tabulate import tabulate

from agentcheck.cassette import Cassette
from agentcheck.stage import intercept
from agentcheck.wire import Exchange, WireReply, WireRequest, json_bytes

URL = "http://model.invalid/v1/chat/completions"
JSON = {"content-type": "application/json"}
SAMPLE = 24  # requests that vcrpy is asked, out of thousands
AGENT = """
import json, time, httpx
def run(job):
    bodies = job["bodies"]
    client, started = httpx.Client(), time.perf_counter()
    for body in bodies:
        assert client.post({url!r}, content=body.encode(), headers={headers!r}).status_code == 200
    return (time.perf_counter() - started) / len(bodies)
"""

Ask = Callable[[bytes], Any]


def exchange(number: int, size: int = 2000) -> Exchange:
    """A chat request of about `size` bytes, which no other is equal to, and its reply."""
    told = f"{number:06d} " + random.Random(number).randbytes(size // 2).hex()
    body = {"model": "m", "messages": [{"role": "user", "content": told[:size]}]}
    message = {"role": "assistant", "content": f"reply to {number}"}
    reply = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return Exchange(WireRequest("POST", URL, JSON, json_bytes(body)), WireReply(200, JSON, (json_bytes(reply),)))


def recorded(path: Path, exchanges: list[Exchange]) -> Path:
    cassette = Cassette.create(path, provenance={})
    for one in exchanges:
        cassette.append(one.request, one.reply)
    return path


def as_vcrpy(path: Path, exchanges: list[Exchange]) -> Path:
    from vcr.serializers import yamlserializer

    pairs = [{"request": _vcr_request(e.request), "response": _vcr_reply(e.reply)} for e in exchanges]
    path.write_text(yamlserializer.serialize({"interactions": pairs, "version": 1}))
    return path


def _vcr_request(request: WireRequest) -> dict[str, Any]:
    headers = {name: [value] for name, value in request.headers.items()}
    return {"method": request.method, "uri": request.url, "headers": headers, "body": request.body.decode()}


def _vcr_reply(reply: WireReply) -> dict[str, Any]:
    headers = {name: [value] for name, value in reply.headers.items()}
    return {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": reply.body.decode()}}


# --- per request -----------------------------------------------------------------------


@contextmanager
def ours(folder: Path, exchanges: list[Exchange]) -> Iterator[Ask]:
    """Interception and player, in one process."""
    player = Cassette.read(recorded(folder / "ours.jsonl", exchanges)).player()

    def answer(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        reply = player.answer(WireRequest(method, url, headers, body))
        assert reply is not None
        return intercept_reply(reply)

    with intercept.intercepted(answer), httpx.Client() as client:
        yield asking(client)


def intercept_reply(reply: WireReply) -> dict[str, Any]:
    from agentcheck.model_side import _sent

    return _sent(reply)


@contextmanager
def vcrpy(folder: Path, exchanges: list[Exchange]) -> Iterator[Ask]:
    import vcr

    path = as_vcrpy(folder / "vcrpy.yaml", exchanges)
    settings = {"record_mode": "none", "match_on": ["method", "scheme", "host", "port", "path", "query", "body"]}
    with vcr.VCR(**settings).use_cassette(str(path)), httpx.Client() as client:
        yield asking(client)


@contextmanager
def cassetter(folder: Path, exchanges: list[Exchange]) -> Iterator[Ask]:
    from cassetter import use_cassette

    path = as_vcrpy(folder / "cassetter.yaml", exchanges)
    with use_cassette(path, record_mode="none", match_on=["method", "uri", "body"]), httpx.Client() as client:
        yield asking(client)


@contextmanager
def mock_transport(folder: Path, exchanges: list[Exchange]) -> Iterator[Ask]:
    replies = {e.request.body: e.reply.body for e in exchanges}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=JSON, content=replies[request.content])

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        yield asking(client)


@contextmanager
def raw_echo(folder: Path, exchanges: list[Exchange]) -> Iterator[Ask]:
    """The least that a connection costs: the bytes of a request to an asyncio server and back."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)

    async def serve() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    loop.create_task(serve())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    ready.wait()
    with socket.create_connection(("127.0.0.1", ports[0])) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(body: bytes) -> None:
            connection.sendall(body)
            left = len(body)
            while left:
                left -= len(connection.recv(left))

        yield ask


def asking(client: httpx.Client) -> Ask:
    def ask(body: bytes) -> None:
        reply = client.post(URL, content=body, headers=JSON)
        assert reply.status_code == 200, reply.text

    return ask


def per_request(peer: Any, exchanges: list[Exchange], *, sample: int | None) -> float:
    """Milliseconds of one request in the mean."""
    bodies = [e.request.body for e in exchanges]
    random.Random(1).shuffle(bodies)
    bodies = bodies[:sample]
    first = exchange(len(exchanges))  # what imports and connects at the first call is no cost of replay
    with tempfile.TemporaryDirectory() as folder, peer(Path(folder), [first, *exchanges]) as ask:
        ask(first.request.body)
        started = time.perf_counter()
        for body in bodies:
            ask(body)
        return (time.perf_counter() - started) / len(bodies) * 1000


def through_the_lab(exchanges: list[Exchange]) -> float:
    """Milliseconds of one request of an agent under test: another process, and all of it in the trace."""
    from agentcheck.config import load
    from agentcheck.lab import Lab

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_agent.py").write_text(AGENT.format(url=URL, headers=JSON))
        recorded(folder / "run.jsonl", exchanges)
        trigger = [e.request.body.decode() for e in exchanges]
        (folder / "job.toml").write_text(f'trigger = {{bodies = {json.dumps(trigger)}}}\ncassette = "run.jsonl"\n')
        limits = {"model_calls": len(exchanges), "seconds": 600}
        config = load(folder, target="bench_agent:run", scenario="job.toml", limits=limits)
        with Lab(config, rootdir=folder, reports=folder / "reports") as lab:
            run = lab.happy()
        assert run.finished is not None, "the agent did not end"
        assert run.status == "finished", run.finished
        return float(run.finished["result"]) * 1000


def replaying(sizes: list[int], rounds: int) -> None:
    peers = {"ours": ours, "httpx.MockTransport": mock_transport, "cassetter, body": cassetter, "raw echo": raw_echo}
    rows = []
    for size in sizes:
        exchanges = [exchange(n) for n in range(size)]
        cost = {n: median(per_request(p, exchanges, sample=None) for _ in range(rounds)) for n, p in peers.items()}
        cost["ours, through the lab"] = median(through_the_lab(exchanges) for _ in range(min(rounds, 3)))
        cost["vcrpy, body"] = per_request(vcrpy, exchanges, sample=SAMPLE)
        rows += [[size, name, ms, ms / cost["ours"]] for name, ms in cost.items()]
    print(
        tabulate(rows, ["exchanges", "replayed by", "ms a request", "ratio to ours"], floatfmt=("", "", ".3f", ".2f"))
    )
    first, last = (next(ms for n, name, ms, _ in rows if n == s and name == "ours") for s in (sizes[0], sizes[-1]))
    print(f"\nours at {sizes[-1]:,} exchanges against {sizes[0]:,}: {last / first:.2f} times\n")


# --- loading ---------------------------------------------------------------------------

LOADERS = {
    "ours": "from agentcheck.cassette import Cassette; c = Cassette.read(path).player()",
    "vcrpy YAML": "import vcr.cassette; c = vcr.cassette.Cassette.load(path=str(path))",
}
# Linux's VmHWM, since the peak of a forked process begins with its parent's in getrusage.
MEASURED = """
import sys, time
from pathlib import Path
import vcr, vcr.cassette, agentcheck.cassette, agentcheck.foreign
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
path = Path(sys.argv[1])
before, started = peak(), time.perf_counter()
{code}
print(time.perf_counter() - started, peak() - before)
"""


def loading(megabytes: list[int], rounds: int) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for size in megabytes:
            exchanges = [exchange(n, 8300) for n in range(size * 1024 * 1024 // 8600)]
            paths = {"ours": recorded(Path(name) / "large.jsonl", exchanges)}
            paths["vcrpy YAML"] = as_vcrpy(Path(name) / "large.yaml", exchanges)
            got = {how: loaded(how, path, rounds) for how, path in paths.items()}
            seconds, peak = got["ours"]
            rows += [[size, how, s, m, s / seconds, m / peak] for how, (s, m) in got.items()]
            (Path(name) / "large.jsonl").unlink()
    heads = ["MB", "loaded by", "seconds", "peak MiB", "time / ours", "memory / ours"]
    print(tabulate(rows, heads, floatfmt=("", "", ".2f", ".0f", ".1f", ".1f")))


def loaded(how: str, path: Path, rounds: int) -> tuple[float, float]:
    """Seconds and MiB of peak memory over what was there before, medians."""
    command = [sys.executable, "-c", MEASURED.format(code=LOADERS[how]), str(path)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(rounds)]
    return median(float(r[0]) for r in runs), median(float(r[1]) for r in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    quick = parser.parse_args().quick
    replaying([100, 1000] if quick else [100, 1000, 5000], 1 if quick else 3)
    loading([10] if quick else [10, 50], 1 if quick else 3)


if __name__ == "__main__":
    main()
