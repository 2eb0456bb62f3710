"""`agentcheck cassette show|check|scrub|convert`: what is said, what is written, how it exits."""

import json
from pathlib import Path

import pytest

from agentcheck.cassette import Cassette
from agentcheck.cli import main
from agentcheck.dialects import openai_chat
from agentcheck.messages import Decision, ToolCall
from agentcheck.secrets import find
from agentcheck.wire import WireReply, WireRequest

URL = "https://api.openai.com/v1/chat/completions"
JSON = {"content-type": "application/json"}
TOKEN = "ghp_" + "a1B2c3" * 6


def asking(text: str, **more: object) -> WireRequest:
    body = {"model": "gpt-x", "messages": [{"role": "user", "content": text}], **more}
    return WireRequest("POST", URL, JSON, json.dumps(body).encode())


def deciding(request: WireRequest) -> WireReply:
    return openai_chat.reply(
        Decision("", (ToolCall("deploy", '{"tag": "v1"}', "c1"),), "calls"), openai_chat.parse(request)
    )


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    with Cassette.create(tmp_path / "run.jsonl", provenance={"recorded": "2026-01-02"}) as cassette:
        cassette.append(asking("deploy it\x1b[31m"), deciding(asking("deploy it")), times=(1.25,))
        streamed = asking("again", stream=True)
        cassette.append(streamed, deciding(streamed), times=(0.1, 0.2))
        cassette.append(WireRequest("GET", "https://api.openai.com/v1/models", {}, b""), WireReply(200, JSON, (b"{}",)))
    return cassette.path


def leaky(folder: Path) -> Path:
    """A recording of vcrpy's with a token in a body and a cookie."""
    path = folder / "leaky.yaml"
    pair = {
        "request": {"method": "POST", "uri": URL, "body": asking(TOKEN).body.decode(), "headers": {"Cookie": ["a=b"]}},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "{}"}},
    }
    path.write_text(json.dumps({"interactions": [pair], "version": 1}))
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str | Path, status: int = 0) -> str:
    assert main(["cassette", *map(str, words)]) == status
    return capsys.readouterr().out


# --- show ------------------------------------------------------------------------------


def test_show_lists_what_was_asked_and_decided(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "show", recording).splitlines()
    assert lines[0] == "run.jsonl: 3 exchanges, recorded 2026-01-02"
    assert lines[2] == "1 openai-chat, gpt-x, status 200, 1.250 s"
    assert lines[3] == "   asked:   user: deploy it\\x1b[31m (1 message, 0 tools)"
    assert lines[4] == '   decided: deploy({"tag": "v1"})'
    assert lines[6].startswith("2 openai-chat, gpt-x, status 200, 0.200 s in ")
    assert lines[10] == "3 GET https://api.openai.com/v1/models, status 200"


def test_show_call_prints_the_exact_messages_and_the_reply(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages, reply = said(capsys, "show", recording, "--call", "1").split("\n\n--- reply, status 200 ---\n")
    assert json.loads(messages) == [{"role": "user", "content": "deploy it\x1b[31m"}]
    called = json.loads(reply)["choices"][0]["message"]["tool_calls"][0]["function"]
    assert called == {"name": "deploy", "arguments": '{"tag": "v1"}'}
    assert "data: [DONE]" in said(capsys, "show", recording, "--call", "2")
    assert "\x1b" not in messages


def test_show_names_what_there_is_not(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cassette", "show", str(recording), "--call", "4"]) == 2
    assert "there is no exchange 4: the recording holds 1 to 3" in capsys.readouterr().err
    assert main(["cassette", "show", str(recording.with_name("absent"))]) == 2
    assert "there is no recording at" in capsys.readouterr().err


# --- check -----------------------------------------------------------------------------


def test_check_says_one_line_for_each_recording_and_fails_on_problems(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "check", recording) == f"ok      {recording}: 3 exchanges (2 openai-chat)\n"
    folder = tmp_path / "cassettes" / "test_module"
    folder.mkdir(parents=True)
    leaky(folder)
    (folder / "torn.jsonl").write_bytes(recording.read_bytes()[:-20])
    (folder / "broken.yaml").write_text("interactions:\n- request: {method")
    (folder / "other.yaml").write_text("a: 1\n")
    lines = said(capsys, "check", tmp_path, status=1).splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["PROBLEM", "PROBLEM", "PROBLEM", "ok"]
    for line, words in zip(
        lines, ("broken.yaml is truncated", "holds a credential: GitHub token", "torn", "3 ex"), strict=True
    ):
        assert words in line
    assert TOKEN not in "".join(lines)


def test_check_remarks_on_what_is_no_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cassette.create(tmp_path / "run.jsonl", provenance={}) as cassette:
        for _ in range(3):
            cassette.append(asking("hi"), WireReply(200, JSON, (b"{}",)))
    assert said(capsys, "check", cassette.path).endswith("; 2 recorded twice, request and reply alike\n")


def test_check_names_a_folder_without_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cassette", "check", str(tmp_path)]) == 2
    assert "there is no recording in" in capsys.readouterr().err


# --- scrub and convert -----------------------------------------------------------------


def test_scrub_takes_credentials_out_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = leaky(tmp_path)
    lines = said(capsys, "scrub", path).splitlines()
    assert lines[0].startswith("exchange 1: request body: GitHub token (ghp_… at character")
    assert lines[1] == "exchange 1: request headers: cookie"
    assert TOKEN not in "".join(lines)
    assert find(path.read_text()) == []
    assert "a=b" not in path.read_text()
    assert said(capsys, "check", path).startswith("ok")
    assert said(capsys, "scrub", path) == f"{path}: nothing was to be removed\n"


def test_scrub_writes_elsewhere_and_leaves_the_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = leaky(tmp_path), tmp_path / "clean.jsonl"
    said(capsys, "scrub", path, "-o", out)
    assert TOKEN in path.read_text()
    assert len(Cassette.read(out).exchanges) == 1


def test_scrub_never_drops_a_torn_line(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn = recording.read_bytes()[:-20]
    recording.write_bytes(torn)
    assert main(["cassette", "scrub", str(recording)]) == 2
    assert "delete the line to use them" in capsys.readouterr().err
    assert recording.read_bytes() == torn


def test_convert_goes_both_ways_and_overwrites_nothing(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yaml, back = tmp_path / "run.yaml", tmp_path / "back.jsonl"
    said(capsys, "convert", recording, yaml)
    said(capsys, "convert", yaml, back)
    ours, others = Cassette.read(recording).exchanges, Cassette.read(back).exchanges
    assert [(e.request, e.reply.body) for e in ours] == [(e.request, e.reply.body) for e in others]
    assert Cassette.read(back).provenance["converted"] == "run.yaml"
    for out, words in ((back, "exists already"), (tmp_path / "x.json", r"ends in .jsonl")):
        assert main(["cassette", "convert", str(yaml), str(out)]) == 2
        assert words in capsys.readouterr().err
