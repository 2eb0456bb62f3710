"""A connection to the model that breaks, as each client sees it: its own exception, before the reply or in its body.

httpx and httpx2 have errors of their own for it. Beneath urllib3, and what builds on it (requests, botocore), the
standard library's exceptions are raised before the reply, of which it makes its own; in the body it would have made
them already. vcrpy's stand-ins for replies hold the whole body, and so get an end that raises.
"""

import http.client
import importlib.util
import sys
from types import FrameType
from typing import Any, Final

IN_BODY: Final = ("cut", "stall")  # some of the reply arrives before it breaks
# What is raised: in plain code, which urllib3 wraps; in httpx; in aiohttp.
_KINDS: Final = {
    "refused": (ConnectionRefusedError, "ConnectError", "ClientConnectionError"),
    "reset": (ConnectionResetError, "ReadError", "ClientOSError"),
    "timeout": (TimeoutError, "ReadTimeout", "SocketTimeoutError"),
    "cut": (ConnectionResetError, "RemoteProtocolError", "ClientPayloadError"),
    "stall": (TimeoutError, "ReadTimeout", "SocketTimeoutError"),
}


def error(reply: dict[str, Any], client: Any) -> Exception:
    """The exception of a broken connection; `client` is httpx or httpx2 where it is one of them."""
    builtin, of_httpx, of_aiohttp = _KINDS[reply["broken"]]
    why = reply.get("why") or f"agentcheck: the connection to the model is broken ({reply['broken']})"
    if client is not None:
        return getattr(client, of_httpx)(why)  # type: ignore[no-any-return]
    asking = _asked_by_aiohttp()
    return builtin(why) if asking is None else _of_aiohttp(of_aiohttp, asking, why)


def install() -> None:
    """Let vcrpy's replies break in their body where the lab says so."""
    import vcr.stubs

    vcr.stubs.VCRHTTPResponse = _response(vcr.stubs.VCRHTTPResponse)
    if importlib.util.find_spec("aiohttp"):
        import vcr.stubs.aiohttp_stubs as stubs

        stubs.build_response = _builder(stubs)


def _response(plain: Any) -> Any:
    """The reply of http.client and urllib3, with an end that raises."""
    if hasattr(plain, "agentchecks_own"):
        return plain

    class Breaking(plain):  # type: ignore[misc]
        agentchecks_own = True

        def _whole(self, data: Any, wanted: int | None) -> Any:
            """What was read, where the body holds it; raises at its end."""
            broken = self.recorded_response.get("broken")
            if broken and (not data or wanted is None or wanted < 0):
                raise _in_body(broken, getattr(self, "_pool", None))
            return data

        def read(self, amt: int | None = None, *args: Any, **named: Any) -> Any:
            return self._whole(super().read(amt, *args, **named), amt)

        def read1(self, amt: int | None = None, *args: Any, **named: Any) -> Any:
            return self._whole(super().read1(-1 if amt is None else amt), amt or 1)

        def readinto(self, buffer: Any) -> Any:
            return self._whole(super().readinto(buffer), len(buffer))

        def readall(self) -> Any:
            return self._whole(super().readall(), None)

        def readline(self, limit: int = -1, *args: Any) -> Any:
            line = super().readline(limit, *args)
            return line if line.endswith(b"\n") else self._whole(line, limit)

        def readlines(self, *args: Any) -> Any:
            return self._whole(super().readlines(*args), None)

        def close(self) -> None:
            """vcrpy's returns True, with which a `with` block would swallow whatever is raised in it."""
            super().close()

        @property
        def data(self) -> Any:
            return self._whole(super().data, None)

    return Breaking


def _in_body(broken: str, pool: Any) -> Exception:
    if pool is None:  # urllib and http.client
        return http.client.IncompleteRead(b"") if broken == "cut" else TimeoutError("timed out")
    import urllib3.exceptions

    if broken == "stall":
        return urllib3.exceptions.ReadTimeoutError(pool, "", "Read timed out.")
    incomplete = http.client.IncompleteRead(b"")
    return urllib3.exceptions.ProtocolError(f"Connection broken: {incomplete!r}", incomplete)


def _builder(stubs: Any) -> Any:
    """aiohttp's replies, whose stream ends in an exception."""
    plain = stubs.build_response
    if hasattr(plain, "agentchecks_own"):
        return plain

    class Breaking(stubs.MockClientResponse):  # type: ignore[misc]
        async def read(self) -> Any:
            return await self.content.read()

        async def text(self, *args: Any, **named: Any) -> Any:
            return await self.read()

        async def json(self, *args: Any, **named: Any) -> Any:
            return await self.read()

    def build(vcr_request: Any, vcr_response: Any, history: Any) -> Any:
        response = plain(vcr_request, vcr_response, history)
        if vcr_response.get("broken"):
            response.__class__ = Breaking
            response.content._eof = False
            response.content.set_exception(error(vcr_response, None))
        return response

    build.agentchecks_own = True  # type: ignore[attr-defined]
    return build


def _of_aiohttp(kind: str, asking: FrameType, why: str) -> Exception:
    """aiohttp has an error of its own for a slow socket, and none for a request that takes too long in all."""
    given, session = asking.f_locals.get("kwargs", {}).get("timeout"), asking.f_locals.get("self")
    patience = given if hasattr(given, "sock_read") else getattr(session, "_timeout", None)
    if kind == "SocketTimeoutError" and getattr(patience, "sock_read", None) is None:
        return TimeoutError(why)
    return getattr(sys.modules["aiohttp"], kind)(why)  # type: ignore[no-any-return]


def _asked_by_aiohttp() -> FrameType | None:
    """The call of vcrpy's stand-in for aiohttp's request that is on the stack; None where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module, function = frame.f_globals.get("__name__"), frame.f_code.co_name
        if (module, function) == ("vcr.stubs.aiohttp_stubs", "new_request"):
            return frame
        frame = frame.f_back
    return None
