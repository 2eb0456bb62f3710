"""What each provider's SDK does when the model's connection breaks: python broken_sdks.py intercepted|real

Prints JSON: way to break → call → the class of the exception, and whether any of the reply had arrived.
"""

import asyncio
import inspect
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import boto3
import botocore.config
import cohere
import ollama
import openai
from google import genai
from google.genai import types

from agentcheck.dialects import dialect_of
from agentcheck.messages import Decision, ToolCall
from agentcheck.model_side import _sent
from agentcheck.replies import broken_off
from agentcheck.stage import intercept
from agentcheck.wire import WireReply, WireRequest

PATIENCE = 3.0  # seconds of each client
ARGUMENTS = {"tag": "v1.2.3-alpha", "environment": "production", "why": "because somebody asked for it"}
SCHEMA = {"type": "object", "properties": {"tag": {"type": "string"}}}
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "go"}],
    "tools": [{"type": "function", "function": {"name": "deploy", "description": "Deploys.", "parameters": SCHEMA}}],
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": "go",
    "tools": [{"type": "function", "name": "deploy", "parameters": SCHEMA, "strict": False}],
}
MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "messages": CHAT["messages"],
    "tools": [{"name": "deploy", "input_schema": SCHEMA}],
}
CONVERSE: dict[str, Any] = {
    "modelId": "anthropic.claude",
    "messages": [{"role": "user", "content": [{"text": "go"}]}],
    "toolConfig": {"tools": [{"toolSpec": {"name": "deploy", "inputSchema": {"json": SCHEMA}}}]},
}
DECLARED = types.Tool(function_declarations=[types.FunctionDeclaration(name="deploy", parameters_json_schema=SCHEMA)])
GEMINI: dict[str, Any] = {
    "model": "gemini-3-flash",
    "contents": "go",
    "config": types.GenerateContentConfig(
        tools=[DECLARED], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    ),
}


def calls(base: str) -> dict[str, Callable[[], Any]]:
    """Name → a call that gives a reply, its pieces, or a coroutine of one of both; no client tries again."""
    openai_args: dict[str, Any] = {"base_url": f"{base}/v1", "max_retries": 0, "timeout": PATIENCE}
    anthropic_args: dict[str, Any] = {"base_url": base, "max_retries": 0, "timeout": PATIENCE}
    one, many = openai.OpenAI(**openai_args), openai.AsyncOpenAI(**openai_args)
    claude, claudes = anthropic.Anthropic(**anthropic_args), anthropic.AsyncAnthropic(**anthropic_args)
    google = genai.Client(
        http_options=types.HttpOptions(
            base_url=base,
            timeout=int(PATIENCE * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
        )
    )
    amazon = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=base,
        config=botocore.config.Config(read_timeout=PATIENCE, retries={"total_max_attempts": 1}),
    )
    north = cohere.ClientV2(base_url=base, timeout=PATIENCE)
    local = ollama.Client(host=base, timeout=PATIENCE)
    quiet: Any = {"request_options": {"max_retries": 0}}
    return {
        "openai": lambda: one.chat.completions.create(**CHAT),
        "openai stream": lambda: one.chat.completions.create(**CHAT, stream=True),
        "openai async": lambda: many.chat.completions.create(**CHAT),
        "openai async stream": lambda: many.chat.completions.create(**CHAT, stream=True),
        "responses": lambda: one.responses.create(**RESPONSES),
        "responses stream": lambda: one.responses.create(**RESPONSES, stream=True),
        "anthropic": lambda: claude.messages.create(**MESSAGES),
        "anthropic stream": lambda: claude.messages.create(**MESSAGES, stream=True),
        "anthropic async": lambda: claudes.messages.create(**MESSAGES),
        "anthropic async stream": lambda: claudes.messages.create(**MESSAGES, stream=True),
        "gemini": lambda: google.models.generate_content(**GEMINI),
        "gemini stream": lambda: google.models.generate_content_stream(**GEMINI),
        "gemini async": lambda: google.aio.models.generate_content(**GEMINI),
        "gemini async stream": lambda: google.aio.models.generate_content_stream(**GEMINI),
        "bedrock": lambda: amazon.converse(**CONVERSE),
        "bedrock stream": lambda: amazon.converse_stream(**CONVERSE)["stream"],
        "cohere": lambda: north.chat(**CHAT, **quiet),
        "cohere stream": lambda: north.chat_stream(**CHAT, **quiet),
        "ollama": lambda: local.chat(**CHAT),
        "ollama stream": lambda: local.chat(**CHAT, stream=True),
    }


def outcome(call: Callable[[], Any]) -> list[Any]:
    """What the call raised, and whether anything had arrived before; empty where it raised nothing."""
    seen: list[Any] = []
    try:
        asyncio.run(_exhaust(call, seen))
    except Exception as error:
        return [f"{type(error).__module__}.{type(error).__qualname__}", bool(seen)]
    return []


async def _exhaust(call: Callable[[], Any], seen: list[Any]) -> None:
    reply = call()
    reply = await reply if inspect.isawaitable(reply) else reply
    if hasattr(reply, "__aiter__"):
        async for piece in reply:
            seen.append(piece)
    else:
        for piece in reply:
            seen.append(piece)


def _answer(wire: WireRequest) -> WireReply:
    """What arrives of the reply before it breaks off."""
    dialect = dialect_of(wire)
    assert dialect is not None, wire.url
    decision = Decision("", (ToolCall("deploy", json.dumps(ARGUMENTS), "call_1"),), "calls")
    return broken_off(decision, dialect, dialect.parse(wire))


class Breaking(BaseHTTPRequestHandler):
    """A provider whose every connection breaks in one way."""

    protocol_version = "HTTP/1.1"
    how = ""
    over = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.how in ("cut", "stall"):
            self._begin(_answer(WireRequest("POST", f"http://127.0.0.1{self.path}", dict(self.headers), body)))
        if self.how in ("timeout", "stall"):
            self.over.wait()
        if self.how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _begin(self, reply: WireReply) -> None:
        self.send_response(reply.status)
        for name, value in {**reply.headers, "transfer-encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in reply.chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the script's output is JSON."""


class Provider(ThreadingHTTPServer):
    daemon_threads = True

    def shutdown_request(self, request: Any) -> None:
        """Without the orderly end that would come before a reset."""
        request.close()


def outcomes(base: str) -> dict[str, Any]:
    """Of each call, all at the same time."""
    called = calls(base)
    with ThreadPoolExecutor(len(called)) as threads:
        return dict(zip(called, threads.map(outcome, called.values()), strict=True))


def intercepted(how: str) -> dict[str, Any]:
    with intercept.intercepted(lambda *asked: _sent(_answer(WireRequest(*asked))) | {"broken": how}):
        return outcomes("http://127.0.0.1:9")


def real(how: str) -> dict[str, Any]:
    Breaking.how, Breaking.over = how, threading.Event()
    with Provider(("127.0.0.1", 0), Breaking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = outcomes(f"http://127.0.0.1:{server.server_port}")
        Breaking.over.set()
        server.shutdown()
    return found


def main(where: str) -> dict[str, Any]:
    keys = "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CO_API_KEY"
    os.environ |= dict.fromkeys((*keys, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x")
    if where == "intercepted":
        intercept.prepare()
    return {how: (real if where == "real" else intercepted)(how) for how in ("reset", "timeout", "cut", "stall")}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
