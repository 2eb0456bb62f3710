"""The wire layer over recordings of real providers: ../shared/cassettes, or $AGENTCHECK_SHARED/cassettes."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agentcheck.cassette import Cassette, Exchange
from agentcheck.dialects import openai_chat
from agentcheck.secrets import find, scrub
from agentcheck.wire import WireError

SHARED = Path(os.environ.get("AGENTCHECK_SHARED") or Path(__file__).resolve().parents[2] / "shared")
MANIFEST = SHARED / "cassettes" / "MANIFEST.json"

pytestmark = pytest.mark.skipif(
    not MANIFEST.is_file(),
    reason="the shared recordings are not here; AGENTCHECK_SHARED names the folder that holds cassettes/",
)


@cache
def recordings() -> dict[str, tuple[dict[str, Any], Cassette]]:
    entries = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return {entry["file"]: (entry, Cassette.read(SHARED / "cassettes" / entry["file"])) for entry in entries}


def chats() -> list[tuple[str, Exchange]]:
    every = ((file, exchange) for file, (_, cassette) in recordings().items() for exchange in cassette.exchanges)
    return [(file, exchange) for file, exchange in every if openai_chat.recognises(exchange.request)]


def test_every_file_is_read_whole() -> None:
    assert len(recordings()) == 136
    for file, (entry, cassette) in recordings().items():
        assert len(cassette.exchanges) == entry["interactions"], file
        assert sorted({exchange.reply.status for exchange in cassette.exchanges}) == sorted(entry["statuses"]), file


def test_every_chat_is_recognised_where_the_manifest_names_one() -> None:
    named = {file for file, (entry, _) in recordings().items() if "openai-chat" in entry["dialects"]}
    assert {file for file, _ in chats()} == named


def test_every_chat_request_says_what_its_raw_bytes_say() -> None:
    assert len(chats()) > 100
    for file, exchange in chats():
        raw, read = json.loads(exchange.request.body), openai_chat.parse(exchange.request)
        assert len(read.messages) == len(raw["messages"]), file
        assert len(read.tools) == len(raw.get("tools") or raw.get("functions") or ()), file
        counted = sum(len(m.get("tool_calls") or ()) or bool(m.get("function_call")) for m in raw["messages"])
        assert sum(len(m.calls) for m in read.messages) == counted, file
        results = sum(message["role"] in ("tool", "function") for message in raw["messages"])
        assert sum(message.role == "tool" for message in read.messages) == results, file
        assert all(openai_chat.schema_error(tool.parameters) is None for tool in read.tools), file


def test_every_successful_chat_reply_is_a_decision_and_every_other_is_refused() -> None:
    counts = {"decisions": 0, "refused": 0}
    for file, exchange in chats():
        if exchange.reply.status >= 400:
            with pytest.raises(WireError, match=str(exchange.reply.status)):
                openai_chat.parse_reply(exchange.reply)
            counts["refused"] += 1
        else:
            decision = openai_chat.parse_reply(exchange.reply)
            assert len(decision.calls) == raw_calls(exchange.reply.body.decode()), file
            counts["decisions"] += 1
    assert counts["decisions"] > 100
    assert counts["refused"] > 0


def raw_calls(body: str) -> int:
    """How many tool calls a reply holds, counted on its text: each has one `name` that is not null."""
    arguments = r'(?:\s*"arguments":\s*"(?:[^"\\]|\\.)*",)?'
    return len(re.findall(r'"function(?:_call)?":\s*\{' + arguments + r'\s*"name":\s*"[^"]+', body))


def test_what_was_decided_is_what_the_next_request_says_was_decided() -> None:
    """parse_reply and parse agree on real traffic: a reply's calls are in the history of the request after it.

    Some frameworks drop all but the first of parallel calls; what they do send must be what was decided.
    """
    agreed = 0
    for (file, first), (other, second) in zip(chats(), chats()[1:], strict=False):
        if file != other or first.reply.status >= 400:
            continue
        decision, before = openai_chat.parse_reply(first.reply), openai_chat.parse(first.request)
        after = openai_chat.parse(second.request).messages[len(before.messages) :]
        decided = {call.id: (call.name, call.parsed()) for call in decision.calls}
        echoed = [call for message in after for call in message.calls if call.id in decided]
        for call in echoed:
            assert (call.name, call.parsed()) == decided[call.id], file
            assert [m.call_id for m in after].count(call.id) == 1, file
        agreed += bool(echoed)
    assert agreed >= 25


def test_nothing_in_them_looks_like_a_credential() -> None:
    """They were chosen free of secrets, so whatever is found here is a false alarm."""
    for file, (_, cassette) in recordings().items():
        for exchange in cassette.exchanges:
            text = "\n".join([exchange.request.url, *(b.decode("utf-8", "replace") for b in bodies(exchange))])
            assert find(text) == [], file
            assert scrub(text) == text, file


def bodies(exchange: Exchange) -> tuple[bytes, bytes]:
    return exchange.request.body, exchange.reply.body


def test_every_recording_replays_and_survives_our_own_format(tmp_path: Path) -> None:
    for number, (file, (_, cassette)) in enumerate(recordings().items()):
        ours = Cassette.create(tmp_path / f"{number}.jsonl", provenance={"from": file})
        for exchange in cassette.exchanges:
            ours.append(exchange.request, exchange.reply)
        player = Cassette.read(ours.path).player()
        for exchange in cassette.exchanges:
            reply = player.answer(exchange.request)
            assert reply is not None, file
            assert (reply.status, reply.chunks) == (exchange.reply.status, exchange.reply.chunks), file
        assert player.unused() == []
