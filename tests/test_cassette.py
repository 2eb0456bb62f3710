"""Recordings: what is written, what is refused, how they replay, and what a live model adds to them."""

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcheck.cassette import Cassette, CassetteError
from agentcheck.dialects import openai_chat
from agentcheck.live import Live, LiveError
from agentcheck.messages import Decision
from agentcheck.replay import Player
from agentcheck.secrets import find, scrub, scrub_url
from agentcheck.wire import Exchange, WireReply, WireRequest

URL = "https://api.openai.com/v1/chat/completions"
OK = WireReply(200, {"content-type": "application/json"}, (b'{"choices": []}',))


def ask(text: str = "go", *, url: str = URL, headers: dict[str, str] | None = None, **body: Any) -> WireRequest:
    content = {"model": "m", "messages": [{"role": "user", "content": text}]} | body
    return WireRequest("POST", url, headers or {}, json.dumps(content).encode())


def saying(text: str) -> WireReply:
    return openai_chat.reply(Decision(text), openai_chat.parse(ask(stream=True)))


# --- writing and reading back ----------------------------------------------------------


@given(st.lists(st.binary(max_size=40), max_size=4), st.text(max_size=40))
def test_an_exchange_comes_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], text: str
) -> None:
    cassette = Cassette.create(tmp_path_factory.mktemp("c") / "c.jsonl", provenance={"model": "m"})
    written = cassette.append(ask(text), WireReply(200, {}, tuple(chunks)), times=[0.5] * len(chunks))
    read = Cassette.read(cassette.path)
    assert read.exchanges == [written] == [Exchange(ask(text), WireReply(200, {}, tuple(chunks)), (0.5,) * len(chunks))]
    assert read.provenance == {"model": "m"}


def test_it_is_json_lines_with_a_header(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "sub" / "c.jsonl", provenance={"licence": "Apache-2.0"})
    cassette.append(ask(), WireReply(200, {}, (b"\xff\xfe", "é".encode())), times=(0.1, 0.2))
    head, line = (json.loads(line) for line in cassette.path.read_text(encoding="utf-8").splitlines())
    assert head == {"agentcheck": "cassette/1", "provenance": {"licence": "Apache-2.0"}}
    assert line["reply"] == {"status": 200, "headers": {}, "chunks": [{"base64": "//4="}, "é"], "times": [0.1, 0.2]}


def test_only_allowed_headers_are_kept(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "c.jsonl", provenance={})
    headers = {
        "Authorization": "Bearer x",
        "Cookie": "a=b",
        "Content-Type": "application/json",
        "OpenAI-Organization": "o",
    }
    reply = WireReply(429, {"Set-Cookie": "a=b", "Retry-After": "3", "openai-project": "p"}, (b"{}",))
    kept = cassette.append(ask(headers=headers), reply)
    assert kept.request.headers == {"content-type": "application/json"}
    assert kept.reply.headers == {"retry-after": "3"}


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "c.jsonl", provenance={})
    with pytest.raises(CassetteError, match="exists already; delete it"):
        Cassette.create(cassette.path, provenance={})
    with pytest.raises(CassetteError, match="was opened to be read"):
        Cassette.read(cassette.path).append(ask(), OK)


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    program = f"""
import itertools
from pathlib import Path
from agentcheck.cassette import Cassette
from agentcheck.wire import WireReply, WireRequest
cassette = Cassette.create(Path({str(tmp_path / "c.jsonl")!r}), provenance={{}})
for n in itertools.count(1):
    reply = WireReply(200, {{}}, (b"ok" * 5000,))
    cassette.append(WireRequest("POST", "http://x/v1/chat/completions", {{}}, b"%d" % n), reply)
    print(n, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(40)]
    child.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in child.communicate()[0].split()]
    read = Cassette.read(tmp_path / "c.jsonl", lenient=True)
    assert [int(e.request.body) for e in read.exchanges][: len(acknowledged)] == acknowledged


def test_threads_lose_nothing(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "c.jsonl", provenance={})

    def record(name: int) -> None:
        for turn in range(20):
            cassette.append(ask(f"{name}-{turn}"), OK)

    threads = [threading.Thread(target=record, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    player = Cassette.read(cassette.path).player()
    assert all(player.answer(ask(f"{name}-{turn}")) for name in range(4) for turn in range(20))
    assert player.unused() == []


# --- secrets ---------------------------------------------------------------------------

CREDENTIALS = {
    "OpenAI-style key": "sk-proj-" + "a1B2c3D4e5F6" * 4,
    "Anthropic key": "sk-ant-api03-" + "a1B2c3D4e5" * 5,
    "AWS access key": "AKIA" + "Q4WERTYUIO2PASDF",
    "AWS secret key": 'aws_secret_access_key = "' + "aB3/" * 10 + '"',
    "GitHub token": "ghp_" + "a1B2c3" * 6,
    "Google key": "AIza" + "SyD-9tSrke72_" * 2 + "abcdefghi",
    "Slack token": "xoxb-" + "123456789012-abcDEF",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA75x\n" * 4 + "-----END RSA PRIVATE KEY-----",
    "bearer token": "Authorization: Bearer 0123456789abcdef0123456789",
    "basic credentials": "Authorization: Basic QWxhZGRpbjpvcGVuLWNvZGU=",
    "password in a URL": "postgresql://deploy:hunter2hunter2@db.internal/prod",
    "key in a query": "https://api.corp.net/v1?api_key=0a1b2c3d4e5f6a7b",
}
HARMLESS = [
    "task-based-risk-analysis-of-a-long-hyphenated-word-1",
    "sk-circle-fade-dot-before-something-long",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "Authorization: Bearer $OPENAI_API_KEY",
    "Authorization: Bearer YOUR_API_KEY_HERE_0123456789",
    "the bearer of this letter-of-recommendation-and-praise",
    "postgresql://user:password@localhost/db",
    "https://example.com/a?key=REDACTED_REDACTED_1",
    "https://example.com/?token={token}&next=1",
    "the line -----BEGIN PRIVATE KEY----- opens a key file and nothing else",
    "a basic implementation of a tokenizer",
]


@pytest.mark.parametrize(("kind", "text"), CREDENTIALS.items())
def test_each_known_shape_is_found_and_removed(kind: str, text: str) -> None:
    for dressed in (text, json.dumps({"content": f"first\n{text}\nlast"}), json.dumps(json.dumps(f"x\n{text}"))):
        if kind in ("AWS secret key", "private key") and dressed.count("\\") > 20:
            continue
        assert [k for k, _ in find(dressed)] == [kind], dressed
        assert find(scrub(dressed)) == []
        assert f"[{kind} removed]" in scrub(dressed)
        if dressed is not text:
            json.loads(scrub(dressed))
    assert all(text[5:40] not in where for _, where in find(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_resembles_a_credential_is_left_alone(text: str) -> None:
    assert find(text) == []
    assert scrub(text) == text


@given(st.lists(st.one_of(st.sampled_from([*CREDENTIALS.values(), *HARMLESS]), st.text(max_size=8)), max_size=6))
def test_nothing_is_left_after_scrubbing(pieces: list[str]) -> None:
    clean = scrub("".join(pieces))
    assert find(clean) == []
    assert scrub(clean) == clean


def test_a_url_loses_its_user_and_its_keys_and_nothing_else() -> None:
    url = "https://me:hunter2@host:8443/v1/models?key=short&api-version=2024-01-01&sig=a%2Fb"
    assert scrub_url(url) == "https://host:8443/v1/models?key=removed&api-version=2024-01-01&sig=removed"
    assert scrub_url(URL + "?a=%20b&c") == URL + "?a=%20b&c"


def test_no_secret_reaches_the_file(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "c.jsonl", provenance={}, secrets=["correct horse"])
    every = " ".join(CREDENTIALS.values())
    url = "https://me:hunter2hunter2@host/v1/chat/completions?key=0a1b2c3d4e5f6a7b"
    request = ask(f"{every} correct horse", url=url, headers={"accept": "correct horse"})
    half = len(CREDENTIALS["GitHub token"]) // 2
    token = CREDENTIALS["GitHub token"].encode()
    cassette.append(request, WireReply(200, {}, (token[:half], token[half:] + b" \xff", every.encode())))
    written = cassette.path.read_text(encoding="utf-8")
    assert find(written) == []
    for value in ("correct horse", "hunter2", "0a1b2c3d4e5f6a7b", "a1B2c3", "QWxhZGRpbjpvcGVuLWNvZGU"):
        assert value not in written
    assert Cassette.read(cassette.path).player().answer(request) is None, "a value known at recording alone"


def test_a_request_with_a_secret_still_finds_its_recording(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "c.jsonl", provenance={})
    cassette.append(ask(CREDENTIALS["GitHub token"]), OK)
    assert Cassette.read(cassette.path).player().answer(ask(CREDENTIALS["GitHub token"])) == OK


def test_a_secret_in_pieces_over_a_stream_is_not_recorded(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "c.jsonl", provenance={})
    with pytest.raises(CassetteError, match=r"still holds a credential .GitHub token.* of the streamed text"):
        cassette.append(ask(stream=True), saying(f"it is {CREDENTIALS['GitHub token']}"))
    assert Cassette.read(cassette.path).exchanges == []


def test_a_recording_that_holds_a_secret_is_refused_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    Cassette.create(path, provenance={}).append(ask("swap me"), OK)
    path.write_text(path.read_text().replace("swap me", CREDENTIALS["GitHub token"]))
    with pytest.raises(CassetteError, match=r"holds a credential: GitHub token .* in the request body of exchange 1"):
        Cassette.read(path)
    assert len(Cassette.read(path, lenient=True).warnings) == 1


# --- replay ----------------------------------------------------------------------------


def player(*pairs: tuple[WireRequest, str], volatile: tuple[str, ...] = ()) -> Player:
    return Player(
        [Exchange(request, WireReply(200, {}, (text.encode(),))) for request, text in pairs], volatile=volatile
    )


def answered(replay: Player, request: WireRequest) -> str | None:
    reply = replay.answer(request)
    return reply.body.decode() if reply else None


def test_equal_requests_get_the_replies_in_order_and_then_none() -> None:
    replay = player((ask("a"), "1"), (ask("b"), "2"), (ask("a"), "3"))
    assert [e.reply.body for e in replay.unused()] == [b"1", b"2", b"3"]
    assert [answered(replay, ask(x)) for x in "aab"] == ["1", "3", "2"]
    assert answered(replay, ask("a")) is None
    assert replay.unused() == []
    assert "have been given already" in replay.nearest(ask("a"))


def test_host_and_order_of_keys_do_not_count_but_every_value_does() -> None:
    recorded = WireRequest("POST", URL, {}, b'{"a": 1, "b": [true, "x"]}')
    for body, found in [
        (b'{"b":[true,"x"],"a":1}', "1"),
        (b'{"b":[1,"x"],"a":1}', None),
        (b'{"b":["x",true],"a":1}', None),
    ]:
        elsewhere = WireRequest("post", "http://127.0.0.1:9/v1/chat/completions?x", {}, body)
        assert answered(player((recorded, "1")), elsewhere) == found
    other_path = WireRequest("POST", "https://api.openai.com/v1/other", {}, recorded.body)
    assert answered(player((recorded, "1")), other_path) is None


def test_volatile_fields_do_not_count() -> None:
    replay = player((ask(metadata={"id": 1, "x": 1}), "1"), volatile=("metadata.id", "messages.*.name", "seed"))
    assert answered(replay, ask(metadata={"id": 2, "x": 2})) is None
    messages = [{"role": "user", "content": "go", "name": "n"}]
    assert answered(replay, ask(metadata={"id": 2, "x": 1}, messages=messages, seed=4)) == "1"


def test_a_miss_names_the_nearest_request_and_what_differs() -> None:
    long = "You are a deployment agent. " * 30
    replay = player((ask("other", temperature=1), "1"), (ask(long + "Be kind.", temperature=0), "2"))
    story = replay.nearest(ask(long + "Be rude.", top_p=1))
    assert story.splitlines()[0].startswith("the nearest recorded request is number 2 (POST /v1/chat/completions)")
    assert 'Be kind."' in story
    assert 'Be rude."' in story
    assert "temperature: only recorded, 0" in story
    assert "top_p: only now, 1" in story
    assert len(story) < 600
    assert player().nearest(ask()) == "the recording is empty"
    not_json, too_deep = (WireRequest("POST", URL, {}, body) for body in (b"\xff1", b"[" * 99999))
    assert "body: recorded" in player((not_json, "1")).nearest(too_deep)


def test_the_work_per_answer_does_not_grow_with_the_recording() -> None:
    """Counted in calls of Python functions, since seconds on a shared machine prove nothing."""
    work = {}
    for size in (10, 1000):
        replay = player(*((ask(str(n)), str(n)) for n in range(size)))
        calls = 0

        def count(*_: Any) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        replay.answer(ask(str(size - 1)))
        sys.setprofile(None)
        work[size] = calls
    assert work[1000] <= work[10] + 5


# --- bad input -------------------------------------------------------------------------

HEAD = '{"agentcheck": "cassette/1", "provenance": {}}\n'
LINE = (
    '{"request": {"method": "POST", "url": "u", "headers": {}, "body": ""}, '
    '"reply": {"status": 200, "headers": {}, "chunks": []}}\n'
)
VCR = "interactions:\n- request: {method: POST, uri: u, body: x, headers: {}}\n  response: %s\nversion: 1\n"
BAD = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "not text": (b"\x80\x81\x82", "not UTF-8 text at byte 0"),
    "prose": (b"hello world", "it holds a str"),
    "a list": (b"- 1\n- 2\n", "it holds a list"),
    "other YAML": (b"a: 1\n", "neither `interactions` nor"),
    "neither": (b"a: [1, 2\nb: {", "truncated, or neither YAML nor JSON: in line"),
    "control characters": (b"a: \x01\n", "neither YAML nor JSON"),
    "truncated JSON": (b'{"interactions": [{"request"', "truncated, or neither"),
    "deep JSON": (b'{"a":' * 90000, "refused|truncated|nested"),
    "deep YAML": (b"[" * 90000, "nested more than 100 levels|maximum nesting depth"),
    "version of ours": (
        b'{"agentcheck": "cassette/9"}\n',
        "of version 'cassette/9'; this agentcheck reads 'cassette/1'",
    ),
    "version of vcrpy": (b"interactions: []\nversion: 7\n", "of version 7"),
    "alias": (b"interactions: &a []\nb: *a\n", "line 1 has a YAML anchor or alias"),
    "Python object": (
        b"interactions: !!python/object/apply:os.mknod [x]\n",
        "line 1 it tries to construct a Python object",
    ),
    "Python name": (b"a: !!python/name:os.system\n", "construct a Python object"),
    "impossible date": (b"a: 2020-99-99\n", "not valid YAML"),
    "interaction of no shape": (b"interactions: [1]\n", "interaction 1 is not one of vcrpy's"),
    "response of no shape": ((VCR % "{status: x}").encode(), "interaction 1"),
    "odd numbers": (b"requests: [{}]\nresponses: []\n", "1 requests, but 0 responses"),
    "not gzip": (b"\x1f\x8b rubbish", "truncated or not gzip"),
    "truncated gzip": (gzip.compress(b"interactions: []\n" * 50)[:-12], "truncated or not gzip"),
    "a broken line": ((HEAD + "{oops}\n" + LINE).encode(), ":2 is not an exchange"),
    "a line of no shape": ((HEAD + '{"request": {}}\n').encode(), ":2 is not an exchange: KeyError"),
    "a status of no kind": ((HEAD + LINE.replace("200", '"x"')).encode(), "'x' is no int"),
    "broken base64": (
        (HEAD + LINE.replace('"chunks": []', '"chunks": [{"base64": "?"}]')).encode(),
        ":2 is not an exchange",
    ),
    "a torn last line": ((HEAD + LINE * 2 + LINE[:50]).encode(), ":4 is torn: .* the 2 exchanges before it are whole"),
    "a torn header": (HEAD[:30].encode(), ":1 is not the header"),
}


@pytest.mark.parametrize(("content", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_gives_one_clear_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(CassetteError, match=sentence) as caught:
        Cassette.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value).strip()
    assert len(str(caught.value)) < 500


def test_a_torn_recording_can_be_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_text(HEAD + LINE + LINE[:-1])
    assert len(Cassette.read(path).exchanges) == 2, "a line that lacks only its newline is whole"
    path.write_text(HEAD + LINE + LINE[:-9])
    salvaged = Cassette.read(path, lenient=True)
    assert (len(salvaged.exchanges), len(salvaged.warnings)) == (1, 1)


def test_missing_and_forbidden_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="there is no recording at"):
        Cassette.read(tmp_path / "absent")
    with pytest.raises(CassetteError, match="cannot read the recording"):
        Cassette.read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CassetteError, match="cannot write the recording"):
        Cassette.create(tmp_path / "file" / "c.jsonl", provenance={})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_no_permission_is_named(tmp_path: Path) -> None:
    cassette = Cassette.create(tmp_path / "c.jsonl", provenance={})
    cassette.path.chmod(0)
    with pytest.raises(CassetteError, match=r"cannot read the recording .*: Permission denied"):
        Cassette.read(cassette.path)
    cassette.close()
    with pytest.raises(CassetteError, match=r"cannot write the recording .*: Permission denied"):
        Cassette.open(cassette.path, provenance={})


WHOLE = [HEAD + LINE * 3, VCR % "{status: {code: 200}, body: {string: x}}"]


@given(st.binary(max_size=30), st.integers(0, 10_000), st.sampled_from(WHOLE))
def test_a_recording_with_a_wound_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, wound: bytes, at: int, whole: str
) -> None:
    path = tmp_path_factory.mktemp("c") / "c"
    at %= len(whole)
    path.write_bytes(whole[:at].encode() + wound + whole[at + len(wound) :].encode())
    with contextlib.suppress(CassetteError):
        assert all(isinstance(e, Exchange) for e in Cassette.read(path, lenient=True).exchanges)


# --- the recordings of others ----------------------------------------------------------


def test_vcrpy_in_json_is_read_and_its_bodies_unpacked(tmp_path: Path) -> None:
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": {"Content-Encoding": ["gzip"], "Content-Type": ["text/plain"], "Content-Length": ["9"]},
        "body": {"base64_string": "H4sIAAAAAAAC/8tIzcnJVyjPL8pJAQCFEUoNCwAAAA=="},
    }
    pair = {"request": {"method": "POST", "uri": URL, "body": "x", "headers": {"A": ["b", "c"]}}, "response": response}
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"interactions": [pair], "version": 1}))
    exchange = Cassette.read(path).exchanges[0]
    assert exchange.reply == WireReply(200, {"Content-Type": "text/plain"}, (b"hello world",))
    assert exchange.request == WireRequest("POST", URL, {"A": "b, c"}, b"x")


def test_a_stream_is_dealt_event_by_event(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    headers, body = "{content-type: [text/event-stream]}", r'{string: "data: a\n\ndata: b\n\n"}'
    path.write_text(VCR % f"{{status: {{code: 200}}, headers: {headers}, body: {body}}}")
    assert Cassette.read(path).exchanges[0].reply.chunks == (b"data: a\n\n", b"data: b\n\n")


# --- live ------------------------------------------------------------------------------


class Upstream(BaseHTTPRequestHandler):
    """Sends back, event by event, what it was sent; the path /cut breaks off."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        seen = {"path": self.path, "key": self.headers["authorization"], "body": body.decode()}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.event(json.dumps(seen))
        if self.path.endswith("/cut"):
            self.close_connection = True
            return
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, text: str) -> None:
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the test's output is not the server's log."""


@pytest.fixture
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/base/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_live_passes_on_and_keeps_the_pieces(upstream: str) -> None:
    with Live(upstream, timeout=5, headers={"Authorization": "Bearer own"}) as live:
        url = "http://agent/base/v1/chat/completions?a=1"
        exchange = live.exchange(ask("hi", url=url, headers={"authorization": "old"}))
    assert len(exchange.reply.chunks) == len(exchange.times) == 2
    assert exchange.reply.headers["content-type"] == "text/event-stream"
    seen = json.loads(exchange.reply.chunks[0].removeprefix(b"data: "))
    assert seen == {"path": "/base/v1/chat/completions?a=1", "key": "Bearer own", "body": ask("hi").body.decode()}


def test_live_says_when_the_model_breaks_off_or_is_not_there(upstream: str) -> None:
    with Live(upstream, timeout=5) as live, pytest.raises(LiveError, match="gave no whole reply: RemoteProtocolError"):
        live.answer(ask(url="http://agent/cut"))
    with Live("http://127.0.0.1:9/v1", timeout=5) as live, pytest.raises(LiveError, match="ConnectError"):
        live.answer(ask())
    with pytest.raises(ValueError, match="no base URL"):
        Live("localhost:80", timeout=1)
