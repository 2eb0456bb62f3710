"""The gateway: what clients of every provider get from it, what it refuses, and what it writes down."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import boto3
import cohere
import httpx
import ollama
import openai
import pytest
from google import genai

from agentcheck.cassette import Cassette
from agentcheck.cli import main
from agentcheck.gateway import Gateway, Passed, Played, Scripted
from agentcheck.live import Live
from agentcheck.model import Script
from agentcheck.scenario import Call, Scenario, Turn, finish
from agentcheck.wire import WireReply, WireRequest, json_bytes

CHAT = {"model": "m", "messages": [{"role": "user", "content": "go"}]}


def scripted(*turns: Turn) -> Scripted:
    return Scripted(Script(turns or (finish("Deployed to production."),), Scenario()))


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(scripted()) as started:
        yield started


@pytest.fixture
def around(gateway, monkeypatch) -> Gateway:
    """The gateway, found by its variables alone."""
    for name, value in gateway.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CO_API_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    return gateway


def by_openai() -> str:
    with openai.OpenAI() as client:
        return str(client.chat.completions.create(**CHAT).choices[0].message.content)


def by_openai_streamed() -> str:
    with openai.OpenAI() as client, client.responses.stream(model="m", input="go") as events:
        return events.get_final_response().output_text


def by_anthropic() -> str:
    with anthropic.Anthropic() as client:
        asked: dict[str, Any] = {"model": "m", "messages": CHAT["messages"]}
        assert client.messages.count_tokens(**asked).input_tokens > 0
        with client.messages.stream(max_tokens=5, **asked) as events:
            return events.get_final_text()


def by_google() -> str:
    with genai.Client() as client:
        assert client.models.count_tokens(model="m", contents="go").total_tokens > 0
        return "".join(part.text for part in client.models.generate_content_stream(model="m", contents="go"))


def by_boto3() -> str:
    client = boto3.client("bedrock-runtime", region_name="us-east-1")
    told = [{"role": "user", "content": [{"text": "go"}]}]
    stream = client.converse_stream(modelId="anthropic.claude:0", messages=told)["stream"]
    said = "".join(event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for event in stream)
    client.close()
    return said


def by_cohere() -> str:
    with httpx.Client() as http:
        return str(cohere.ClientV2(httpx_client=http).chat(**CHAT).message.content[0].text)


def by_ollama() -> str:
    client = ollama.Client()
    assert client.list().models[0].model == "agentcheck"
    said = "".join(piece.message.content for piece in client.chat(**CHAT, stream=True))
    client._client.close()
    return said


@pytest.mark.parametrize(
    "ask",
    [by_openai, by_openai_streamed, by_anthropic, by_google, by_boto3, by_cohere, by_ollama],
    ids=lambda f: f.__name__,
)
def test_every_sdk_finds_it_by_its_variables(around, ask):
    assert ask() == "Deployed to production."
    asked = around.trace.first("model_request")
    assert around.trace.first("model_reply", after=asked).decision.text == "Deployed to production."
    assert around.trace.of("refused", "miss") == []


def test_a_client_in_another_language_gets_its_stream(around):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")
    code = """
        const url = process.env.OPENAI_BASE_URL + "/chat/completions";
        const body = JSON.stringify({model: "m", stream: true, messages: [{role: "user", content: "go"}]});
        const reply = await fetch(url, {method: "POST", body, headers: {"content-type": "application/json"}});
        let text = "";
        for await (const piece of reply.body.pipeThrough(new TextDecoderStream())) text += piece;
        console.log(text);
    """
    done = subprocess.run(
        [node, "--input-type=module", "-e", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip().endswith("data: [DONE]")
    assert len(around.trace.of("model_reply")) == 1


def test_nobody_without_the_token_is_answered(gateway):
    for path in ("/", "/v1/chat/completions", "/wrong/v1/chat/completions", f"{gateway.url[:-1].partition('://')[2]}x"):
        reply = httpx.post(f"http://127.0.0.1:{gateway.port}/{path.lstrip('/')}", json=CHAT)
        assert reply.status_code == 403
    assert len(gateway.trace.of("refused")) == 4
    assert gateway.trace.of("model_request") == []


def test_it_listens_on_the_loopback_interface_alone(gateway):
    assert gateway._socket.getsockname()[0] == "127.0.0.1"


def test_bodies_are_unpacked_and_bounded(gateway, monkeypatch):
    url, packed = f"{gateway.url}/v1/chat/completions", zlib.compressobj(wbits=31)
    body = packed.compress(json_bytes(CHAT)) + packed.flush()
    assert httpx.post(url, content=body, headers={"content-encoding": "gzip"}).status_code == 200
    assert httpx.post(url, content=body, headers={"content-encoding": "snappy"}).status_code == 400
    assert httpx.post(url, content=b"no gzip", headers={"content-encoding": "gzip"}).status_code == 400
    monkeypatch.setattr("agentcheck.gateway.app.LARGEST", 10)
    assert httpx.post(url, json=CHAT).status_code == 413


def test_what_is_no_model_call_gets_the_providers_own_error(gateway):
    reply = httpx.post(f"{gateway.url}/v1/embeddings", json={"input": "x"})
    assert (reply.status_code, "embeddings" in reply.json()["error"]["message"]) == (400, True)
    assert len(gateway.misses) == 1
    assert httpx.get(f"{gateway.url}/api/unheard-of").status_code == 404
    assert httpx.head(gateway.url).status_code == 200


def test_many_at_once_are_all_written_down():
    with Gateway(scripted()) as gateway, httpx.Client() as client:
        url = f"{gateway.url}/v1/chat/completions"
        threads = [threading.Thread(target=client.post, args=(url,), kwargs={"json": CHAT}) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(gateway.trace.of("model_reply")) == 40
        assert sorted(e["n"] for e in gateway.trace.of("model_request")) == list(range(1, 41))


def test_it_leaves_neither_a_thread_nor_a_socket():
    before = set(threading.enumerate())
    with Gateway(scripted()) as gateway:
        httpx.post(f"{gateway.url}/v1/chat/completions", json=CHAT)
        port = gateway.port
    assert [t.name for t in set(threading.enumerate()) - before if t.name.startswith("agentcheck")] == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)


# --- recordings, and a model behind it ---------------------------------------------------------


def recorded(path: Path) -> Path:
    wire = WireRequest("POST", "https://api.openai.com/v1/chat/completions", {}, json_bytes(CHAT))
    message = {"role": "assistant", "content": "as recorded"}
    body = {"id": "c", "created": 1, "object": "chat.completion", "model": "m"}
    body |= {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    reply = WireReply(200, {"content-type": "application/json"}, (json_bytes(body),))
    Cassette.create(path, provenance={}).append(wire, reply)
    return path


def test_a_recording_is_played_and_what_it_does_not_hold_is_a_miss(tmp_path):
    player = Cassette.read(recorded(tmp_path / "run.jsonl")).player()
    with Gateway(Played(player)) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        assert httpx.post(url, json=CHAT).json()["choices"][0]["message"]["content"] == "as recorded"
        other = httpx.post(url, json={**CHAT, "model": "another"})
        assert other.status_code == 400
        assert 'model: recorded "m", now "another"' in gateway.misses[0]
        assert httpx.get(f"{gateway.url}/v1/models").status_code == 200


def test_a_live_model_is_passed_on_and_recorded_through_another_proxy(tmp_path):
    """Gateway before gateway: the one in front records what the one behind it says."""
    cassette = Cassette.create(tmp_path / "live.jsonl", provenance={})
    turns = Turn((Call("deploy", {"tag": "v1"}),)), finish("Deployed to production.")
    with (
        Gateway(scripted(*turns)) as behind,
        Live(behind.url, timeout=20) as live,
        Gateway(Passed(live, cassette)) as before,
        openai.OpenAI(base_url=f"{before.url}/v1", api_key="sk-live-1234567890abcdefghij") as client,
    ):
        tools: Any = [{"type": "function", "function": {"name": "deploy", "parameters": {"type": "object"}}}]
        with client.chat.completions.stream(**CHAT, tools=tools) as events:  # type: ignore[call-overload]
            calls = events.get_final_completion().choices[0].message.tool_calls
        assert calls[0].function.arguments == '{"tag": "v1"}'
        kept = Cassette.read(tmp_path / "live.jsonl").exchanges
        assert [c.name for c in before.trace.first("model_reply").decision.calls] == ["deploy"]
    assert len(kept) == 1
    assert len(kept[0].times) == len(kept[0].reply.chunks) > 1
    assert "sk-live" not in (tmp_path / "live.jsonl").read_text()


def test_a_live_model_that_is_not_there_is_a_miss_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Live(f"http://127.0.0.1:{port}/v1", timeout=5) as live, Gateway(Passed(live)) as gateway:
        assert httpx.post(f"{gateway.url}/v1/chat/completions", json=CHAT).status_code == 400
        assert "gave no whole reply: ConnectError" in gateway.misses[0]


# --- by hand -------------------------------------------------------------------------------------


def by_hand(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    command = [sys.executable, "-m", "agentcheck.cli", "gateway", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("#"):
            break
        name, _, value = line.removeprefix("export ").strip().partition("=")
        found[name] = value
    return process, found


def test_the_command_prints_its_variables_and_ends_with_what_was_missed(tmp_path):
    process, variables = by_hand(
        "--cassette", str(recorded(tmp_path / "run.jsonl")), "--trace", str(tmp_path / "t.jsonl")
    )
    try:
        reply = httpx.post(f"{variables['OPENAI_BASE_URL']}/chat/completions", json={**CHAT, "model": "x"})
        assert reply.status_code == 400
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "MISS, the nearest recorded request is number 1" in said
    assert "1 recorded exchanges were not asked for" in said
    assert '"model_request"' in (tmp_path / "t.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cassette", "nowhere.jsonl"], "there is no recording at nowhere.jsonl"),
        (["--script", "nowhere.toml"], "nowhere.toml: cannot be read: No such file or directory"),
        (["--upstream", "api.openai.com"], "'api.openai.com' is no base URL of a model"),
        (["--script", "s.toml", "--record", "x"], "--record needs --upstream"),
    ],
)
def test_wrong_input_gets_one_sentence(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["gateway", *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_a_port_that_is_taken_gets_one_sentence(capsys, tmp_path):
    (tmp_path / "s.toml").write_text('[[model]]\nfinish = "Done."\n')
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert main(["gateway", "--script", str(tmp_path / "s.toml"), "--port", port]) == 2
    assert f"port {port} cannot be used" in capsys.readouterr().err
