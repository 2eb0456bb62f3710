"""deploybot's runner: tools with deadlines, the model over the openai SDK, and the real tools."""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentcheck.fixtures.deploybot import tools
from agentcheck.fixtures.deploybot.memory import Agent
from agentcheck.fixtures.deploybot.model import ChatModel, retry_after
from agentcheck.fixtures.deploybot.reducer import DeployBot
from agentcheck.fixtures.deploybot.runner import Function, Runner
from agentcheck.messages import Message, ToolCall
from agentcheck.reducer import CallModel, CallTool, ModelFailed, ModelReplied, ToolFailed, ToolReturned


def call(function: Callable[..., Any], deadline: float | None = None) -> Any:
    runner = Runner({"t": Function(function)}, model=lambda command: ModelReplied(""))
    return runner.carry_out(CallTool(ToolCall("t", "{}", "1"), {}, deadline), "run")


def test_a_tool_that_hangs_is_left_at_its_deadline() -> None:
    released = threading.Event()
    assert call(released.wait, 0.01) == ToolFailed("1", "timeout", "no answer within 0.01 seconds")
    released.set()


def _exit() -> None:
    raise SystemExit(3)


def test_whatever_a_tool_raises_is_a_failure_of_that_tool() -> None:
    assert call(_exit) == ToolFailed("1", "SystemExit", "3")
    assert call(lambda: 5) == ToolReturned("1", 5)


class Provider(BaseHTTPRequestHandler):
    """Answers each request with the next of what its server holds, and keeps the bodies."""

    answers: "queue.SimpleQueue[tuple[int, dict[str, str], bytes]]"
    bodies: list[Any]

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, headers, body = self.answers.get()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Provider]]:
    kind = type("OneProvider", (Provider,), {"answers": queue.SimpleQueue(), "bodies": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    yield kind
    server.shutdown()
    server.server_close()
    thread.join()


def completion(message: dict[str, Any], finish: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    data = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return json.dumps(data).encode()


CALLED = {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "t", "arguments": "{"}}]}
EXCHANGES: dict[str, tuple[tuple[int, dict[str, str], bytes], Any]] = {
    "a call, raw": ((200, {}, completion(CALLED, "tool_calls")), ModelReplied("", (ToolCall("t", "{", "1"),), "calls")),
    "prose": ((200, {}, completion({"content": "Hi."}, "stop")), ModelReplied("Hi.")),
    "cut off": ((200, {}, completion({"content": "H"}, "length")), ModelReplied("H", (), "length")),
    "filtered": ((200, {}, completion({"content": None}, "content_filter")), ModelReplied("", (), "filter")),
    "no choices": ((200, {}, b'{"choices": []}'), "the provider's answer holds no message"),
    "not JSON": ((200, {}, b'{"choices": ['), "JSONDecodeError"),
    "overloaded": ((529, {}, b'{"error": {"message": "busy"}}'), "529"),
}


@pytest.mark.parametrize(("answer", "expected"), EXCHANGES.values(), ids=EXCHANGES.keys())
def test_what_a_provider_says_becomes_an_event(provider: type[Provider], answer: Any, expected: Any) -> None:
    provider.answers.put(answer)
    event = ChatModel()(CallModel([Message("user", "go")], DeployBot.tools, settings=DeployBot.settings))
    if isinstance(expected, str):
        assert isinstance(event, ModelFailed)
        assert expected in f"{event.status} {event.message}"
    else:
        assert event == expected
    assert len(provider.bodies) == 1


def test_retry_after_is_read_and_nothing_is_retried_by_the_sdk(provider: type[Provider]) -> None:
    provider.answers.put((429, {"Retry-After": "7"}, b"{}"))
    event = ChatModel()(CallModel([Message("user", "go")]))
    assert isinstance(event, ModelFailed)
    assert (event.status, event.retry_after, len(provider.bodies)) == (429, 7.0, 1)


def test_an_agent_without_tools_sends_no_empty_list_of_them(provider: type[Provider]) -> None:
    provider.answers.put((200, {}, completion({"content": "Hi."}, "stop")))
    ChatModel()(CallModel([Message("user", "go")]))
    assert provider.bodies == [{"model": None, "messages": [{"role": "user", "content": "go"}]}]


def test_retry_after_may_be_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_763_913_600.0)
    assert retry_after({"retry-after": "Sun, 23 Nov 2025 16:00:30 GMT"}) == 30.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_provider_that_is_not_there_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    event = ChatModel()(CallModel([Message("user", "go")]))
    assert isinstance(event, ModelFailed)
    assert event.status is None


def test_the_window_on_the_wire(provider: type[Provider]) -> None:
    for reply in (completion(CALLED, "tool_calls"), completion({"content": "Hi."}, "stop")):
        provider.answers.put((200, {}, reply))
    assert Agent(DeployBot())("go")["message"] == "Hi."
    first, second = provider.bodies
    assert [t["function"]["name"] for t in first["tools"]] == [t.name for t in DeployBot.tools]
    assert second["messages"][2:] == [
        {"role": "assistant", **CALLED},
        {"role": "tool", "tool_call_id": "1", "content": second["messages"][-1]["content"]},
    ]


def test_list_git_tags_reads_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "x"], ["tag", "v1"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setenv("DEPLOY_REPOSITORY", str(tmp_path))
    assert tools.list_git_tags() == ["v1"]


def test_deploy_backend_sends_the_idempotency_key(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def post(url: str, **request: Any) -> Any:
        sent.append((url, request))
        return httpx.Response(200, json={"status": "queued"}, request=httpx.Request("POST", url))

    monkeypatch.setenv("DEPLOY_URL", "http://deploy.invalid/")
    monkeypatch.setattr(httpx, "post", post)
    assert tools.deploy_backend("v1", "staging", idempotency_key="k") == {"status": "queued"}
    assert sent[0][0] == "http://deploy.invalid/deployments"
    assert sent[0][1]["headers"] == {"Idempotency-Key": "k"}
