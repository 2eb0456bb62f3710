"""A real model behind a base URL: requests passed on as they are, replies with the pieces as they came."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

import httpx

from agentcheck.wire import Exchange, WireReply, WireRequest

# Of one connection (RFC 9110, 7.6.1), or set anew by the client that passes the request on.
_OWN: Final = frozenset(
    {"host", "content-length", "connection", "keep-alive", "te", "trailer", "upgrade", "accept-encoding"}
    | {"transfer-encoding", "content-encoding", "proxy-authorization", "proxy-authenticate", "proxy-connection"}
)


class LiveError(OSError):
    """The model could not be reached, or broke off; the message is one sentence."""


class Live:
    """Passes requests on to the model at `base_url` (such as `http://127.0.0.1:8080/v1`).

    `timeout` is in seconds, for connecting and for each piece of a reply. Not for use where vcrpy's patches are active.
    """

    def __init__(self, base_url: str, *, timeout: float, headers: Mapping[str, str] | None = None):
        if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).netloc:
            raise ValueError(f"{base_url!r} is no base URL of a model; it looks like http://127.0.0.1:8080/v1")
        self.timeout = timeout
        self._base = base_url.rstrip("/")
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def answer(self, request: WireRequest) -> WireReply:
        """The model's reply. Raises LiveError."""
        return self.exchange(request).reply

    def exchange(self, request: WireRequest) -> Exchange:
        """As `answer`, with the seconds from the request to each piece of the reply."""
        with self.opened(request) as (status, headers, arriving):
            came = list(arriving)
        return Exchange(request, WireReply(status, headers, tuple(p for _, p in came)), tuple(t for t, _ in came))

    @contextmanager
    def opened(self, request: WireRequest) -> Iterator[tuple[int, dict[str, str], Iterator[tuple[float, bytes]]]]:
        """A reply that is on its way: status, headers, and each piece with its seconds. Raises LiveError."""
        url, started = self.address(request), time.monotonic()
        sent = {"headers": self.headers(request), "content": request.body}
        try:
            with self._client.stream(request.method, url, **sent) as response:  # type: ignore[arg-type]
                pieces = ((time.monotonic() - started, piece) for piece in response.iter_bytes())
                yield response.status_code, kept(response.headers), pieces
        except httpx.HTTPError as error:
            raise LiveError(broken_off(url, error)) from error

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def address(self, request: WireRequest) -> str:
        """Where a request goes. The path that base URL and request share (`/v1`) is not doubled."""
        base, asked = urlsplit(self._base), urlsplit(request.url)
        shared = base.path + "/"
        rest = asked.path[len(base.path) :] if asked.path.startswith(shared) else asked.path
        return self._base + rest + (f"?{asked.query}" if asked.query else "")

    def headers(self, request: WireRequest) -> dict[str, str]:
        """What goes along with a request: its own headers, and those of this model."""
        sent = {name.lower(): value for name, value in request.headers.items()}
        return {name: value for name, value in (sent | self._headers).items() if name not in _OWN}


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a reply that are not of one connection alone."""
    return {name.lower(): value for name, value in headers.items() if name.lower() not in _OWN}


def broken_off(url: str, error: Exception) -> str:
    """What went wrong with a model, in one sentence, without what its address may hold of credentials."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"the model at {where} gave no whole reply: {type(error).__name__}, {str(error) or 'no detail'}"
