"""A provider on the loopback, for recording: it has a tool called once, then says the end; streamed where asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agentcheck.dialects import openai_chat
from agentcheck.messages import Decision, ToolCall
from agentcheck.wire import WireReply, WireRequest

KEY = "sk-proj-" + "r3aLk3Y0" * 6  # what this provider takes for a real key
PLAIN_KEY = "open sesame and nothing else"  # another, which only who knows it can recognise


class Provider(ThreadingHTTPServer):
    """`asked` holds (path, authorization, body) of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.refuses = ""  # a user message at which the connection is cut

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def paths(self) -> list[str]:
        return [path.removeprefix("/v1") for path, _, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers.get("authorization", "")
        self.server.asked.append((self.path, key, body))
        if key not in (f"Bearer {KEY}", f"Bearer {PLAIN_KEY}"):
            self.reply(WireReply(401, {"content-type": "application/json"}, (b'{"error": {"message": "who?"}}',)))
        elif self.path.endswith("/embeddings"):
            vector = {"object": "list", "data": [{"embedding": [0.5], "index": 0}], "said": body["input"]}
            self.reply(WireReply(200, {"content-type": "application/json"}, (json.dumps(vector).encode(),)))
        elif self.server.refuses and self.server.refuses in json.dumps(body):
            self.close_connection = True
        else:
            request = openai_chat.parse(WireRequest("POST", self.path, {}, json.dumps(body).encode()))
            results = sum(message.role == "tool" for message in request.messages)
            call = Decision("", (ToolCall("look", '{"where": "north"}', "c1"),), "calls")
            self.reply(openai_chat.reply(Decision("The end.") if results else call, request))

    def reply(self, reply: WireReply) -> None:
        self.send_response(reply.status)
        for name, value in {**reply.headers, "set-cookie": "a=b", "transfer-encoding": "chunked"}.items():
            if name != "content-length":
                self.send_header(name, value)
        self.end_headers()
        for chunk in reply.chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the test's output is not the server's log."""


@contextmanager
def serving() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
