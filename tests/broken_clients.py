"""What each client raises when the model's connection breaks: python broken_clients.py intercepted|real

Prints JSON: way to break → client → the names of the exception's class and its bases.
"""

import asyncio
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from agentcheck.model_side import _sent
from agentcheck.stage import intercept
from agentcheck.wire import WireReply

PATIENCE = 3.0
BODY = b'{"choices": []}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)


@contextmanager
def breaking(how: str) -> Iterator[str]:
    """A server whose every connection breaks in this way."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                threading.Thread(target=_answer, args=(connection, how), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/chat/completions"
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


def _answer(connection: socket.socket, how: str) -> None:
    _asked(connection)
    _break(connection, how)


def _asked(connection: socket.socket) -> None:
    seen = b""
    while b"\r\n\r\n" not in seen or not seen.endswith(b"}"):
        part = connection.recv(65536)
        if not part:
            return
        seen += part


def _break(connection: socket.socket, how: str) -> None:
    if how in ("cut", "stall"):
        connection.sendall(HEAD + BODY[:5])
    if how == "cut":
        connection.close()
    if how == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def with_requests(url: str) -> Any:
    import requests

    return requests.post(url, json={"a": 1}, timeout=PATIENCE).content


def with_requests_in_pieces(url: str) -> Any:
    import requests

    return list(requests.post(url, json={"a": 1}, timeout=PATIENCE, stream=True).iter_content(2))


def with_urllib(url: str) -> Any:
    import urllib.request

    request = urllib.request.Request(url, b'{"a": 1}', {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        return reply.read()


def with_urllib3(url: str) -> Any:
    import urllib3

    return urllib3.PoolManager(retries=False, timeout=PATIENCE).request("POST", url, body=b'{"a": 1}').data


def with_httpx(url: str) -> Any:
    import httpx

    return httpx.post(url, json={"a": 1}, timeout=PATIENCE).content


def with_httpx2(url: str) -> Any:
    import httpx2

    return httpx2.post(url, json={"a": 1}, timeout=PATIENCE).content


def with_aiohttp(url: str) -> Any:
    import aiohttp

    async def ask() -> bytes:
        patience = aiohttp.ClientTimeout(sock_read=PATIENCE)
        async with aiohttp.ClientSession(timeout=patience) as session, session.post(url, json={"a": 1}) as reply:
            return await reply.read()

    return asyncio.run(ask())


def with_aiohttp_in_pieces(url: str) -> Any:
    import aiohttp

    async def ask() -> list[bytes]:
        patience = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=patience) as session, session.post(url, json={"a": 1}) as reply:
            return [piece async for piece in reply.content.iter_any()]

    return asyncio.run(ask())


def with_openai(url: str) -> Any:
    import openai

    client = openai.OpenAI(api_key="x", base_url=url.removesuffix("/chat/completions"), max_retries=0, timeout=PATIENCE)
    return client.chat.completions.create(model="m", messages=[])


CLIENTS: list[Callable[[str], Any]] = [
    with_requests, with_requests_in_pieces, with_urllib, with_urllib3, with_httpx, with_httpx2, with_aiohttp,
    with_aiohttp_in_pieces, with_openai,
]  # fmt: skip


def raised(ask: Callable[[str], Any], url: str) -> list[str]:
    try:
        ask(url)
    except Exception as error:
        return [kind.__name__ for kind in type(error).__mro__]
    return []


def of_all(url: str) -> dict[str, list[str]]:
    with ThreadPoolExecutor(len(CLIENTS)) as threads:
        found = threads.map(lambda ask: raised(ask, url), CLIENTS)
        return {ask.__name__: kinds for ask, kinds in zip(CLIENTS, found, strict=True)}


def intercepted(how: str) -> dict[str, list[str]]:
    reply = _sent(WireReply(200, {"content-type": "application/json"}, (BODY[:5],))) | {"broken": how}
    with intercept.intercepted(lambda *_: reply):
        return of_all("http://127.0.0.1:9/v1/chat/completions")


def real(how: str) -> dict[str, list[str]]:
    with breaking(how) as url:
        return of_all(url)


def main(where: str) -> dict[str, dict[str, list[str]]]:
    if where == "intercepted":
        intercept.prepare()
    return {how: (real if where == "real" else intercepted)(how) for how in ("reset", "timeout", "cut", "stall")}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
