"""The server: on the loopback interface, on a free port, behind a token that only the agent's environment knows."""

import asyncio
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final

from agentcheck.gateway.answering import Answering
from agentcheck.gateway.app import App
from agentcheck.gateway.sockets import SocketFault
from agentcheck.trace import Trace

_START: Final = 10.0  # seconds until the server must listen
_STOP: Final = 10.0  # seconds until its thread must have ended
_GRACE: Final = 1.0  # seconds that answers on their way have when the gateway closes
_IDLE: Final = 3600  # seconds that a connection is kept open between two requests
_HEAD: Final = 2**18  # bytes of a request's head
# Variables by which SDKs, frameworks and programs find a model, and what each wants behind the base: the providers'
# own SDKs, openai's for Azure and Bedrock, anthropic's for Bedrock and Vertex, LangChain's and LiteLLM's.
VARIABLES: Final = {
    "OPENAI_BASE_URL": "/v1",
    "OPENAI_API_BASE": "/v1",
    "ANTHROPIC_BASE_URL": "",
    "ANTHROPIC_API_BASE": "",
    "ANTHROPIC_BEDROCK_BASE_URL": "",
    "ANTHROPIC_VERTEX_BASE_URL": "/v1",
    "GOOGLE_GEMINI_BASE_URL": "",
    "GOOGLE_VERTEX_BASE_URL": "",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "",
    "AWS_BEDROCK_BASE_URL": "/v1",
    "AZURE_OPENAI_ENDPOINT": "",
    "AZURE_API_BASE": "",
    "OLLAMA_HOST": "",
    "OLLAMA_BASE_URL": "",
    "OLLAMA_API_BASE": "",
    "CO_API_URL": "",
    "MISTRAL_BASE_URL": "/v1",
    "MISTRAL_API_BASE": "/v1",
    "GROQ_BASE_URL": "",
    "GROQ_API_BASE": "/openai/v1",
    "TOGETHER_BASE_URL": "/v1",
    "CEREBRAS_BASE_URL": "",
    "DEEPSEEK_BASE_URL": "/v1",
    "DEEPSEEK_API_BASE": "/v1",
    "OPENROUTER_BASE_URL": "/v1",
    "OPENROUTER_API_BASE": "/v1",
    "XAI_API_BASE": "/v1",
    "LITELLM_PROXY_API_BASE": "",
}
_LOCAL: Final = "127.0.0.1,localhost"


class GatewayError(RuntimeError):
    """The gateway cannot be started; the message is one sentence."""


class Gateway:
    """Answers every process that knows its address. Use it as a context manager.

    `fault` is asked with the number of each model call (from 1) and says what goes wrong on its socket, if anything.
    All that crosses is in `trace` before it is answered.

    Raises:
        GatewayError: the port is taken, or the server does not start.
    """

    def __init__(
        self,
        answering: Answering,
        *,
        trace: Trace | None = None,
        port: int = 0,
        fault: Callable[[int], SocketFault | None] = lambda number: None,
        heard: Callable[[str], None] = lambda line: None,
    ):
        self.trace = trace if trace is not None else Trace()
        self._token = secrets.token_urlsafe(18)
        self._app = App(answering, self.trace, self._token, fault, heard)
        self._socket = _bound(port)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agentcheck-gateway", daemon=True)
        self._failed: BaseException | None = None

    @property
    def url(self) -> str:
        """The base of all addresses, with the token: what no process guesses."""
        return f"http://127.0.0.1:{self.port}/{self._token}"

    @property
    def misses(self) -> list[str]:
        """Why requests had no answer, each in words."""
        return [event["reason"] for event in self.trace.of("miss")]

    def environment(self) -> dict[str, str]:
        """The variables that lead a process here, and past any proxy."""
        found = {name: self.url + path for name, path in VARIABLES.items()}
        return found | {"NO_PROXY": _LOCAL, "no_proxy": _LOCAL}

    def __enter__(self) -> "Gateway":
        self._thread.start()
        if not self._started.wait(_START) or self._failed is not None:
            self.close()
            raise GatewayError(f"the gateway did not start: {self._failed or f'not within {_START:.0f} s'}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End all connections and the server's thread."""
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._end.set)
        if self._thread.ident is not None:
            self._thread.join(_STOP)
        else:
            self._loop.close()
        self._socket.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # told by whoever waits for the start
            self._failed = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        from agentcheck.gateway.transport import serving

        async with serving(self._app, self._socket, idle=_IDLE, head=_HEAD, grace=_GRACE):
            self._started.set()
            await self._end.wait()
            self._app.give_up()
        await self._app.ended()


def _bound(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named: else each reply waits 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise GatewayError(f"port {port} cannot be used: {error}; leave --port out to get a free one") from None
    bound.listen(1024)
    return bound
