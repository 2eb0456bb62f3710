"""A crowd of threads and tasks that all talk to one address at once: python crowd.py CLIENT THREADS EACH RECORDING

Prints JSON: how many requests got their own reply, another's or none, and how many reached the real server.
"""

import asyncio
import json
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentcheck.cassette import Cassette
from agentcheck.stage import intercept
from agentcheck.wire import WireReply, WireRequest, json_bytes

JSON = {"content-type": "application/json"}


@contextmanager
def real_server() -> Iterator[tuple[str, list[int]]]:
    """An address that somebody listens at, and who came."""
    came: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, (_, port) = server.accept()
                except OSError:
                    return
                came.append(port)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/chat/completions", came
        server.shutdown(socket.SHUT_RDWR)


def answering(cassette: Cassette) -> intercept.Ask:
    """Every request is answered with its own words, once it is on disk."""

    def answer(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        said = json.loads(body)["messages"][0]["content"]
        reply = WireReply(200, JSON, (json_bytes({"said": said}),))
        cassette.append(WireRequest(method, url, headers, body), reply)
        return intercept_reply(reply)

    return answer


def intercept_reply(reply: WireReply) -> dict[str, Any]:
    from agentcheck.model_side import _sent

    return _sent(reply)


def with_requests(url: str, body: Any) -> Any:
    import requests

    return requests.post(url, json=body, timeout=10).json()


def with_urllib3(url: str, body: Any) -> Any:
    import urllib3

    return json.loads(urllib3.PoolManager(retries=False).request("POST", url, body=json.dumps(body), headers=JSON).data)


def with_httpx(url: str, body: Any) -> Any:
    import httpx

    return httpx.post(url, json=body).json()


def with_httpx2(url: str, body: Any) -> Any:
    import httpx2

    return httpx2.post(url, json=body).json()


CLIENTS: dict[str, Callable[[str, Any], Any]] = {
    "requests": with_requests,
    "urllib3": with_urllib3,
    "httpx": with_httpx,
    "httpx2": with_httpx2,
}


def one(ask: Callable[[str, Any], Any], url: str, word: str) -> str:
    try:
        said = ask(url, _body(word))["said"]
    except Exception as error:
        return f"none ({type(error).__name__}: {error})"
    return "own" if said == word else "another's"


def one_after_the_other(client: str, url: str, thread: int, each: int) -> Counter[str]:
    """What one thread gets."""
    return Counter(one(CLIENTS[client], url, f"{client}-{thread}-{n}") for n in range(each))


def tasks_of_aiohttp(client: str, url: str, thread: int, each: int) -> Counter[str]:
    """What one thread gets whose tasks ask ten at a time."""
    return asyncio.run(_gathered(url, [f"{client}-{thread}-{n}" for n in range(each)]))


async def _gathered(url: str, words: list[str]) -> Counter[str]:
    import aiohttp

    got: Counter[str] = Counter()
    async with aiohttp.ClientSession() as session:

        async def ask(word: str) -> str:
            async with session.post(url, json=_body(word)) as reply:
                return "own" if (await reply.json())["said"] == word else "another's"

        for at in range(0, len(words), 10):
            got.update(await asyncio.gather(*(ask(word) for word in words[at : at + 10])))
    return got


def _body(word: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": word}]}


def main(client: str, threads: int, each: int, recording: Path) -> dict[str, Any]:
    clients = [*CLIENTS, "aiohttp"] if client == "all" else [client]
    got: Counter[str] = Counter()
    intercept.prepare()
    cassette = Cassette.create(recording, provenance={})
    with real_server() as (url, came), intercept.intercepted(answering(cassette)):
        with ThreadPoolExecutor(threads) as pool:
            for number in range(threads):
                name = clients[number % len(clients)]
                work = tasks_of_aiohttp if name == "aiohttp" else one_after_the_other
                pool.submit(work, name, url, number, each).add_done_callback(lambda done: got.update(done.result()))
        escaped = len(came)
    return {"got": got, "escaped": escaped, "recorded": len(Cassette.read(recording).exchanges)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
