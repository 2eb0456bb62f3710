"""The gateway: what clients of every provider get from it, what it refuses, and what it writes down."""

import gzip
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import boto3
import brotli
import httpx
import ollama
import openai
import pytest
from google import genai

from agentcheck.cassette import Cassette
from agentcheck.cli import main
from agentcheck.gateway import Gateway, Played, Scripted
from agentcheck.gateway.bodies import TooLarge, unpacked
from agentcheck.model import Script
from agentcheck.scenario import Scenario, Turn, finish
from agentcheck.wire import WireError, WireReply, WireRequest, json_bytes

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
    for name in (
        "OPENAI_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "CO_API_KEY",
        "AWS_ACCESS_KEY_ID",
    ):
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


def by_openai_on_azure() -> str:
    with openai.AzureOpenAI(api_version="2026-01-01") as client:
        return str(client.chat.completions.create(**CHAT).choices[0].message.content)


def by_anthropic_on_bedrock() -> str:
    with anthropic.AnthropicBedrock(aws_region="us-east-1") as client:
        told: dict[str, Any] = {"model": "anthropic.claude-x", "messages": CHAT["messages"], "max_tokens": 5}
        with client.messages.stream(**told) as events:
            return events.get_final_text()


def by_anthropic_on_vertex() -> str:
    with anthropic.AnthropicVertex(region="global", project_id="p", access_token="any") as client:
        told: dict[str, Any] = {"model": "claude-x", "messages": CHAT["messages"], "max_tokens": 5}
        return client.messages.create(**told).content[0].text


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
    """In a process of its own, since the SDK reads its variable when it is imported."""
    code = f"import cohere; print(cohere.ClientV2().chat(**{CHAT!r}).message.content[0].text)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def by_ollama() -> str:
    client = ollama.Client()
    assert client.list().models[0].model == "agentcheck"
    said = "".join(piece.message.content for piece in client.chat(**CHAT, stream=True))
    client._client.close()
    return said


@pytest.mark.parametrize(
    "ask",
    [
        by_openai,
        by_openai_streamed,
        by_openai_on_azure,
        by_anthropic,
        by_anthropic_on_bedrock,
        by_anthropic_on_vertex,
        by_google,
        by_boto3,
        by_cohere,
        by_ollama,
    ],
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


def exchanged(gateway: Gateway, sent: str) -> bytes:
    """What comes back on a raw connection until the gateway closes it."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(sent.replace("\n", "\r\n").encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "line", ["CONNECT api.openai.com:443", "OPTIONS *", "GET http://api.openai.com/v1/models", "GET /%ff", "GET //"]
)
def test_an_odd_address_is_refused_like_any_other(gateway, line):
    assert exchanged(gateway, f"{line} HTTP/1.1\nhost: x\nconnection: close\n\n").startswith(b"HTTP/1.1 403 ")
    assert "lacks the token" in gateway.trace.first("refused")["detail"]


def test_a_websocket_is_refused_with_a_clean_answer_and_the_client_may_go_on_over_http(gateway):
    path = gateway.url.partition(str(gateway.port))[2]
    upgrade = "upgrade: websocket\nconnection: upgrade\nsec-websocket-version: 13\nsec-websocket-key: eA==\n"
    first = f"GET {path}/v1/responses HTTP/1.1\nhost: x\n{upgrade}\n"
    second = f"GET {path}/v1/models HTTP/1.1\nhost: x\nconnection: close\n\n"
    got = exchanged(gateway, first + second)
    assert got.startswith(b"HTTP/1.1 426 ")
    assert b"HTTP/1.1 200 " in got
    assert "without an upgrade" in gateway.trace.first("refused")["detail"]


def test_a_connection_is_kept_and_closed_as_the_client_wants(gateway):
    path, body = gateway.url.partition(str(gateway.port))[2], json_bytes(CHAT).decode()
    one = f"POST {path}/v1/chat/completions HTTP/1.1\nhost: x\ncontent-length: {len(body)}\n"
    got = exchanged(gateway, f"{one}\n{body}" * 3 + f"{one}connection: close\n\n{body}")
    assert got.count(b"HTTP/1.1 200 ") == 4
    assert got.endswith(b"}")
    assert [e["n"] for e in gateway.trace.of("model_request")] == [1, 2, 3, 4]


def test_it_listens_on_the_loopback_interface_alone(gateway):
    assert gateway._socket.getsockname()[0] == "127.0.0.1"


def raw_deflate(body: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(body) + engine.flush()


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip of two members": ("GZIP", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    "deflate": ("deflate", zlib.compress),
    "deflate, raw": ("deflate", raw_deflate),
    "brotli": ("br", brotli.compress),
    "one in the other": ("gzip, br", lambda body: brotli.compress(gzip.compress(body))),
    "none": ("identity", bytes),
}


@pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED)
def test_bodies_are_unpacked(gateway, encoding, pack):
    reply = httpx.post(
        f"{gateway.url}/v1/chat/completions", content=pack(json_bytes(CHAT)), headers={"content-encoding": encoding}
    )
    assert reply.status_code == 200
    assert gateway.trace.first("model_request").request.messages[0].text == "go"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, brotli.compress], ids=["gzip", "deflate", "br"])
def test_a_body_that_is_cut_off_or_swells_is_refused(pack):
    encoding = {gzip.compress: "gzip", zlib.compress: "deflate", brotli.compress: "br"}[pack]
    named, whole = {"content-encoding": encoding}, pack(json_bytes(CHAT) * 50)
    for end in range(1, len(whole)):
        with pytest.raises(WireError, match="the body is not"):
            unpacked(whole[:end], named)
    size = len(json_bytes(CHAT) * 50)
    assert len(unpacked(whole, named, largest=size)) == size
    with pytest.raises(TooLarge):
        unpacked(whole, named, largest=size - 1)
    with pytest.raises(TooLarge):
        unpacked(pack(bytes(70 * 2**20)), named)


def test_a_body_that_cannot_be_unpacked_is_a_miss_in_the_providers_words(gateway):
    url = f"{gateway.url}/v1/messages"
    for encoding, body in (("snappy", b"x"), ("gzip", b"no gzip")):
        reply = httpx.post(url, content=body, headers={"content-encoding": encoding, "anthropic-version": "2023-06-01"})
        assert (reply.status_code, reply.json()["type"]) == (400, "error")
    assert "'snappy' cannot be read" in gateway.misses[0]
    assert "the body is not gzip" in gateway.misses[1]


def test_a_body_beyond_the_bound_is_refused_and_named(gateway):
    reply = httpx.post(f"{gateway.url}/v1/chat/completions", content=bytes(64 * 2**20 + 1), timeout=60)
    assert (reply.status_code, reply.text) == (413, "agentcheck: a request of more than 64 MiB\n")
    assert gateway.trace.first("refused")["detail"] == "POST /v1/chat/completions: a request of more than 64 MiB"
    assert gateway.trace.of("model_request") == []


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/v1/unheard-of", {}, {"error"}),
        ("/v1/unheard-of", {"anthropic-version": "2023-06-01"}, {"type", "error", "request_id"}),
        ("/v1beta/unheard-of", {}, {"error"}),
        ("/api/unheard-of", {}, {"error"}),
        ("/model/x/unheard-of", {}, {"message"}),
        ("/v2/unheard-of", {}, {"message", "id"}),
    ],
)
def test_what_is_looked_up_in_vain_gets_the_providers_own_404(gateway, path, headers, shape):
    reply = httpx.get(gateway.url + path, headers=headers)
    assert reply.status_code == 404
    assert set(reply.json()) == shape
    assert gateway.trace.first("probe")["value"] == f"GET {path}"
    assert gateway.misses == []


def test_a_key_in_the_address_does_not_reach_the_trace(gateway):
    body = {"contents": [{"role": "user", "parts": [{"text": "go"}]}]}
    url = f"{gateway.url}/v1beta/models/m:generateContent?key=AIzaSyA1234567890abcdefghijklmnopqrstuv"
    assert httpx.post(url, json=body).status_code == 200
    assert "AIza" not in str(gateway.trace.first("model_request")["raw"])


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


# --- recordings ------------------------------------------------------------------------------


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
    assert "1 recorded exchanges were not asked for:\n  number 1, POST /v1/chat/completions" in said
    assert '"model_request"' in (tmp_path / "t.jsonl").read_text()


def test_by_hand_before_a_live_model_it_records_and_ends_well(gateway, tmp_path):
    path = tmp_path / "live.jsonl"
    process, variables = by_hand("--upstream", f"{gateway.url}/v1", "--record", str(path))
    try:
        with openai.OpenAI(base_url=variables["OPENAI_BASE_URL"], api_key="x") as client:
            said = client.chat.completions.create(**CHAT).choices[0].message.content
    finally:
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "Deployed to production.")
    assert "call 1, openai-chat, 1 messages: 'Deployed to production.'" in printed
    cassette = Cassette.read(path)
    assert len(cassette.exchanges) == 1
    assert cassette.provenance["by"] == "agentcheck gateway"
    assert gateway.url.rpartition("/")[2] not in path.read_text()  # the token of the one behind


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cassette", "nowhere.jsonl"], "there is no recording at nowhere.jsonl"),
        (["--script", "nowhere.toml"], "nowhere.toml: cannot be read: No such file or directory"),
        (["--upstream", "api.openai.com"], "'api.openai.com' is no base URL of a model"),
        (["--script", "s.toml", "--record", "x"], "--record needs --upstream"),
        (["--script", "empty.toml"], "empty.toml: decides nothing; give it [[model]] tables"),
        (["--upstream", "http://127.0.0.1:9/v1", "--record", "there.jsonl"], "there.jsonl exists already"),
        (["--upstream", "http://127.0.0.1:9/v1", "--trace", "no/t.jsonl"], "the trace no/t.jsonl cannot be written"),
        (["--upstream", "http://127.0.0.1:9/v1", "--port", "99999"], "port 99999 cannot be used"),
    ],
)
def test_wrong_input_gets_one_sentence(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.toml").write_text('trigger = "go"\n')
    (tmp_path / "there.jsonl").touch()
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
