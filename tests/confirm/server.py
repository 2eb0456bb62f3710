"""A model of a few lines, without agentcheck: each request is kept, and answered with the next reply of a list.

Speaks OpenAI's chat completions, plain and streamed, on the loopback interface; for the scripts beside it, which show
by themselves what a scorecard says of a framework. A script prints what it sees and ends with 0 where the violation is
there, 1 where it is not, 2 where it could not be tried.
"""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def call(name: str, arguments: Any, id: str = "") -> dict[str, Any]:
    """A reply that calls a tool, by default with another id each time; arguments that are text go out as they are."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"calls": [{"id": id, "type": "function", "function": {"name": name, "arguments": text}}]}


def say(text: str) -> dict[str, Any]:
    return {"text": text}


def fail(status: int) -> dict[str, Any]:
    return {"status": status}


class Model:
    """What was asked (`requests`: bodies in order), and what is answered; the last reply is given ever after."""

    def __init__(self, replies: Sequence[dict[str, Any]]):
        self.replies = list(replies)
        self.requests: list[dict[str, Any]] = []

    def next(self, body: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(body)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if "calls" not in reply:
            return reply
        return {"calls": [{**one, "id": one["id"] or f"call_{len(self.requests)}"} for one in reply["calls"]]}

    def told(self, nth: int) -> str:
        """The text of a request, from 1."""
        return json.dumps(self.requests[nth - 1], ensure_ascii=False)


@contextmanager
def model(*replies: dict[str, Any]) -> Iterator[Model]:
    """A model on the loopback interface; OPENAI_BASE_URL and OPENAI_API_KEY lead to it."""
    played = Model(replies)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"played": played}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": "none"}
    try:
        yield played
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    played: Model
    wbufsize = 1 << 16

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.played.next(body)
        if "status" in reply:
            self._send(reply["status"], "application/json", json.dumps({"error": {"message": "overloaded"}}))
        elif body.get("stream"):
            self._send(200, "text/event-stream", _streamed(reply))
        else:
            self._send(200, "application/json", json.dumps(_whole(reply)))

    def _send(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def _message(reply: dict[str, Any]) -> tuple[dict[str, Any], str]:
    calls = reply.get("calls")
    message = {"role": "assistant", "content": reply.get("text"), **({"tool_calls": calls} if calls else {})}
    return message, "tool_calls" if calls else "stop"


def _whole(reply: dict[str, Any]) -> dict[str, Any]:
    message, reason = _message(reply)
    choice = {"index": 0, "message": message, "finish_reason": reason}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


def _streamed(reply: dict[str, Any]) -> str:
    message, reason = _message(reply)
    for nth, one in enumerate(message.get("tool_calls", ())):
        one["index"] = nth
    steps = [{"index": 0, "delta": message, "finish_reason": None}, {"index": 0, "delta": {}, "finish_reason": reason}]
    base = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return "".join(f"data: {json.dumps({**base, 'choices': [s]})}\n\n" for s in steps) + "data: [DONE]\n\n"
