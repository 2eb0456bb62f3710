"""Recordings across formats: those of others are read, ours are written as vcrpy's and replayed by vcrpy itself."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import vcr
from hypothesis import given
from hypothesis import strategies as st

from agentcheck.cassette import Cassette, CassetteError
from agentcheck.secrets import find
from agentcheck.wire import Exchange, WireReply, WireRequest

URL = "https://api.openai.com/v1/chat/completions?api-version=1"
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}
KEY = "sk-proj-" + "a1B2c3D4e5F6" * 4
EVENTS = (b'data: {"n": "\xc3\xa9"}\n\n', b"data: [DONE]\n\n")


def asking(**body: Any) -> WireRequest:
    return WireRequest("POST", URL, JSON, json.dumps(body).encode())


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """Our recording of a JSON reply, a stream and a binary body, as vcrpy's YAML."""
    with Cassette.create(tmp_path / "c.jsonl", provenance={}) as cassette:
        cassette.append(asking(n=1), WireReply(200, JSON, (b'{"said": "one"}',)), times=(0.5,))
        cassette.append(asking(n=2, stream=True), WireReply(200, SSE, EVENTS), times=(0.5, 0.7))
        cassette.append(asking(n=3), WireReply(429, {"retry-after": "2"}, (b"\xff\x00",)))
    return Cassette.write(tmp_path / "c.yaml", cassette.exchanges, provenance={}).path


@pytest.mark.parametrize("client", ["httpx", "requests"])
def test_vcrpy_itself_replays_what_was_converted(client: str, converted: Path) -> None:
    post = httpx.post if client == "httpx" else requests.post
    matched = ["method", "scheme", "host", "path", "query", "body"]
    with vcr.use_cassette(str(converted), record_mode="none", match_on=matched) as played:
        replies = [post(URL, json=body) for body in ({"n": 1}, {"n": 2, "stream": True}, {"n": 3})]
    assert played.all_played
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].json() == {"said": "one"}
    assert replies[1].content == b"".join(EVENTS)
    assert (replies[2].content, replies[2].headers["retry-after"]) == (b"\xff\x00", "2")


def test_a_stream_is_replayed_by_vcrpy_as_a_stream(converted: Path) -> None:
    with (
        vcr.use_cassette(str(converted), record_mode="none", match_on=["method", "uri", "body"]),
        httpx.stream("POST", URL, json={"n": 2, "stream": True}) as reply,
    ):
        assert [line for line in reply.iter_lines() if line] == ['data: {"n": "é"}', "data: [DONE]"]


@given(st.lists(st.tuples(st.binary(max_size=30), st.text(max_size=30)), max_size=3))
def test_any_body_survives_the_way_to_vcrpy_and_back(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[tuple[bytes, str]]
) -> None:
    path = tmp_path_factory.mktemp("c") / "c.yaml"
    exchanges = [
        Exchange(WireRequest("POST", URL, JSON, text.encode()), WireReply(200, {}, (b"." + raw,)))
        for raw, text in bodies
    ]
    Cassette.write(path, exchanges, provenance={})
    assert Cassette.read(path).exchanges == exchanges


# --- the recordings of others ----------------------------------------------------------

TYPED = [
    ({"type": "json", "content": {"q": [1, "é"]}}, json.dumps({"q": [1, "é"]}).encode()),
    ({"type": "text", "content": "data: a\n\n"}, b"data: a\n\n"),
    ({"type": "binary", "content": "00ff"}, b"\x00\xff"),
    ({"type": "empty"}, b""),
]


@pytest.mark.parametrize(("body", "raw"), TYPED)
def test_cassetters_typed_bodies_are_read(body: dict[str, Any], raw: bytes, tmp_path: Path) -> None:
    request = {"method": "POST", "uri": URL, "headers": {"accept": ["*/*"]}, "body": body}
    path = tmp_path / "c.yaml"
    pair = {"request": request, "response": {"status": 201, "headers": {}, "body": body}}
    path.write_text(json.dumps({"version": 1, "interactions": [pair]}))
    read = Cassette.read(path).exchanges
    assert read == [Exchange(WireRequest("POST", URL, {"accept": "*/*"}, raw), WireReply(201, {}, (raw,)))]


def test_cassetters_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        """
        version = 1
        [[interactions]]
        request = {method = "POST", uri = "u", body_type = "json", body_content = '{"q":1}', headers = {}}
        response = {status = 200, body_type = "binary", body_content = "ff", headers = {}}
        """
    )
    assert Cassette.read(path).exchanges == [
        Exchange(WireRequest("POST", "u", {}, b'{"q":1}'), WireReply(200, {}, (b"\xff",)))
    ]
    path.write_text("version = ")
    with pytest.raises(CassetteError, match="truncated, or not TOML"):
        Cassette.read(path)


@pytest.mark.parametrize("raw", [b'{"choices": []}', b"\x00\x01\xff", b""])
def test_ddapms_exchange_is_read(raw: bytes, tmp_path: Path) -> None:
    """A file of one exchange; what is not text, or holds a NUL, is in base64 behind a mark."""
    body = raw.decode() if raw.isascii() and b"\0" not in raw else "base64:" + base64.b64encode(raw).decode()
    path = tmp_path / "openai_chat_completions_post_ab12cd34.json"
    halves = {
        "request": {"method": "POST", "url": URL, "headers": {"Accept": "*/*"}, "body": "base64 is a word"},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": body},
    }
    path.write_text(json.dumps(halves, indent=2))
    assert Cassette.read(path).exchanges == [
        Exchange(WireRequest("POST", URL, {"Accept": "*/*"}, b"base64 is a word"), WireReply(200, {}, (raw,)))
    ]


# --- the headers that a reader needs ---------------------------------------------------


def test_what_explains_a_body_is_kept_and_what_names_an_account_is_not(tmp_path: Path) -> None:
    asked = {"Anthropic-Version": "2023-06-01", "API-Version": "2", "X-Amz-Security-Token": "t", "X-Goog-Api-Key": "k"}
    said = {"X-Amzn-ErrorType": "ThrottlingException", "X-Amzn-RequestId": "r", "x-amzn-bedrock-content-type": "a/b"}
    with Cassette.create(tmp_path / "c.jsonl", provenance={}) as cassette:
        kept = cassette.append(WireRequest("POST", URL, asked, b""), WireReply(429, said, ()))
    assert kept.request.headers == {"anthropic-version": "2023-06-01", "api-version": "2"}
    assert set(kept.reply.headers) == {"x-amzn-errortype", "x-amzn-bedrock-content-type"}


def test_a_whole_recording_is_written_clean_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text("as it was")
    halves = (
        f'data: {{"choices": [{{"delta": {{"content": "{half}"}}}}]}}\n\n'.encode() for half in (KEY[:9], KEY[9:])
    )
    spread = Exchange(asking(model="m", messages=[], stream=True), WireReply(200, SSE, tuple(halves)))
    with pytest.raises(CassetteError, match=r"exchange 2 not written to .* still holds a credential"):
        Cassette.write(path, [Exchange(asking(n=1), WireReply(200, {}, ())), spread], provenance={})
    assert path.read_text() == "as it was"
    Cassette.write(path, [Exchange(asking(key=KEY), WireReply(200, {}, (KEY.encode(),)))], provenance={})
    assert find(path.read_text()) == []
    assert len(Cassette.read(path).exchanges) == 1
