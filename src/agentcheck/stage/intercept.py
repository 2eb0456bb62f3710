"""Every HTTP request of the agent's process becomes a question to the lab.

vcrpy patches the clients of the Python world. Its cassette is replaced by one that asks the lab;
httpx and httpx2 get a transport of our own beside it, since vcrpy hands a stream over in one piece.
See the facts in vcrpy's own documentation: `custom_patches`, `skip_patchers`.
"""

import base64
import contextlib
import http.client
import importlib
import importlib.util
import json
import logging
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from agentcheck.stage import breaking

_plain_init = http.client.HTTPConnection.__init__  # before vcrpy puts its own class there
Ask = Callable[[str, str, dict[str, str], bytes], dict[str, Any]]  # method, url, headers, body -> the lab's reply


def prepare() -> None:
    """Import the interception machinery beforehand."""
    for name in ("vcr", "vcr.patch", "vcr.stubs.httpx_stubs", "pydantic", "time_machine", "gzip"):
        importlib.import_module(name)
    with intercepted(lambda *_: {}):
        """Enter once: vcrpy imports the clients that it finds when it patches them."""
    # Every client of every process would read 200 kB of certificates, and no connection is ever made.
    ssl.SSLContext.load_verify_locations = _certify_nothing  # type: ignore[method-assign]


def _certify_nothing(self: ssl.SSLContext, *locations: Any, **named: Any) -> None:
    """Stands for `load_verify_locations`."""


class _Unconnected(http.client.HTTPSConnection):
    """What urllib's https connection holds beneath; its own `__init__` finds vcrpy's class under its name."""

    def __init__(self, host: str, port: int | None = None, **_: Any):
        _plain_init(self, host, port)


def intercepted(ask: Ask) -> contextlib.AbstractContextManager[Any]:
    """All HTTP clients that vcrpy knows ask `ask` instead of the network."""
    import vcr
    import vcr.patch
    import vcr.stubs
    from vcr.cassette import Cassette, CassetteContextDecorator

    logging.getLogger("vcr").setLevel(logging.ERROR)  # at INFO it prints whole bodies
    # vcrpy un-patches every client for all threads whenever a connection is made; see its issue 295.
    vcr.patch.force_reset = contextlib.nullcontext
    vcr.stubs.VCRHTTPSConnection._baseclass = _Unconnected
    breaking.install()

    class Asking(Cassette):  # type: ignore[misc]  # vcrpy has no types
        def can_play_response_for(self, request: Any) -> bool:
            return True

        def play_response(self, request: Any) -> dict[str, Any]:
            return _vcr_response(_decided(request, ask))

        def __contains__(self, request: Any) -> bool:
            return True

        def _save(self, force: bool = False) -> None:
            """Nothing is recorded on this side."""

    modules = [importlib.import_module(name) for name in ("httpx", "httpx2") if importlib.util.find_spec(name)]
    patches = tuple(patch for module in modules for patch in _transports(module, ask))
    config = vcr.VCR(custom_patches=patches, skip_patchers=[m.__name__ for m in modules]).get_merged_config(
        path=os.devnull, record_mode="none"
    )
    context: contextlib.AbstractContextManager[Any] = CassetteContextDecorator.from_args(Asking, **config)
    return context


def _decided(request: Any, ask: Ask) -> dict[str, Any]:
    """The lab's reply; kept on the request, since some of vcrpy's stubs ask twice."""
    if not hasattr(request, "_agentcheck_reply"):
        raw = sent_bytes(request.body)
        headers = {str(k).lower(): str(v) for k, v in request.headers.items()}
        request._agentcheck_reply = ask(request.method, request.uri, headers, raw)
    return request._agentcheck_reply  # type: ignore[no-any-return]


def sent_bytes(body: Any) -> bytes:
    """A body as it would have gone out. Of aiohttp's `json=…` vcrpy keeps the value itself."""
    match body:
        case None:
            return b""
        case bytes():
            return body
        case str():
            return body.encode()
        case [bytes(), *_]:
            return b"".join(body)
        case dict() | list() | int() | float():
            return json.dumps(body).encode()
    return b"".join(body)


def _vcr_response(reply: dict[str, Any]) -> dict[str, Any]:
    failure = _failure(reply, None)
    if failure is not None:
        raise failure
    return {
        "status": {"code": reply["status"], "message": ""},
        "headers": {name: [value] for name, value in reply["headers"].items()},
        "body": {"string": b"".join(_chunks(reply))},
        "broken": reply.get("broken"),
    }


def _chunks(reply: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(chunk) for chunk in reply["chunks"]]


def _failure(reply: dict[str, Any], client: Any) -> Exception | None:
    """The exception that stands for a connection that breaks before any of the reply has come."""
    return breaking.error(reply, client) if reply.get("broken") not in (None, *breaking.IN_BODY) else None


def _transports(module: Any, ask: Ask) -> Iterator[tuple[Any, str, Any]]:
    class Stream(module.SyncByteStream, module.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, reply: dict[str, Any]):
            self.reply = reply

        def __iter__(self) -> Iterator[bytes]:
            yield from _chunks(self.reply)
            if self.reply.get("broken"):
                raise breaking.error(self.reply, module)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self:
                yield chunk

    def respond(request: Any, body: bytes) -> Any:
        headers = {k.lower(): v for k, v in request.headers.items()}
        reply = ask(request.method, str(request.url), headers, body)
        failure = _failure(reply, module)
        if failure is not None:
            raise failure
        return module.Response(reply["status"], headers=reply["headers"], stream=Stream(reply), request=request)

    def handle_request(self: Any, request: Any) -> Any:
        return respond(request, request.read())

    async def handle_async_request(self: Any, request: Any) -> Any:
        return respond(request, await request.aread())

    yield module.HTTPTransport, "handle_request", handle_request
    yield module.AsyncHTTPTransport, "handle_async_request", handle_async_request


def in_its_own_thread(work: Callable[[], None]) -> None:
    """Run `work` to its end in another thread, so that it has a context and an event loop of its own."""
    thread = threading.Thread(target=work, name="agentcheck-session", daemon=True)
    thread.start()
    thread.join()
