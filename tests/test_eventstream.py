"""Amazon's event framing: against botocore's own reader, under damage, and when secrets are taken out of it."""

import base64
import json
import struct
from typing import Any
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st
from sdks import cut

from agentcheck.clean import cleaned, secrets_in, spread_over_stream
from agentcheck.dialects import bedrock, bedrock_converse, bedrock_invoke, eventstream
from agentcheck.dialects.eventstream import Frame
from agentcheck.foreign import exchanges
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.wire import Exchange, WireError, WireReply, WireRequest, json_bytes

TEXTS = st.text(max_size=30)
NAMES = st.text(min_size=1, max_size=9)
FRAMES = st.builds(Frame, st.dictionaries(NAMES, TEXTS, max_size=3), st.binary(max_size=60))
# Every type of header that Amazon's framing has, as (type, value) and as bytes.
TYPED: dict[int, Any] = {
    2: st.integers(-(2**7), 2**7 - 1).map(lambda n: struct.pack("!b", n)),
    3: st.integers(-(2**15), 2**15 - 1).map(lambda n: struct.pack("!h", n)),
    4: st.integers(-(2**31), 2**31 - 1).map(lambda n: struct.pack("!i", n)),
    5: st.integers(-(2**63), 2**63 - 1).map(lambda n: struct.pack("!q", n)),
    6: st.binary(max_size=20).map(lambda raw: struct.pack("!H", len(raw)) + raw),
    7: TEXTS.map(lambda text: struct.pack("!H", len(text.encode())) + text.encode()),
    8: st.integers(0, 2**62).map(lambda n: struct.pack("!q", n)),
    9: st.binary(min_size=16, max_size=16),
}  # fmt: skip
KEY = "AKIA" + "Z7Q2M4X9T1B8K3W5"


@st.composite
def foreign_frames(draw: st.DrawFn) -> bytes:
    """Frames with headers of every type, written by the letter of Amazon's page and not by us."""
    headers = b""
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        kind = draw(st.integers(0, 9))
        value = draw(TYPED[kind]) if kind in TYPED else b""
        headers += bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value
    payload = draw(st.binary(max_size=60))
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack("!I", crc32(prelude))
    whole = prelude + headers + payload
    return whole + struct.pack("!I", crc32(whole))


def by_botocore(body: bytes, size: int = 0) -> list[Frame]:
    buffer, found = EventStreamBuffer(), []
    for piece in cut(body, size):
        buffer.add_data(piece)
        found += list(buffer)
    return [Frame({k: v for k, v in m.headers.items() if isinstance(v, str)}, m.payload) for m in found]


@given(sent=st.lists(FRAMES, max_size=4), size=st.sampled_from([0, 1, 7, -1]))
def test_botocore_reads_our_frames_and_we_do(sent, size):
    body = b"".join(map(eventstream.encoded, sent))
    assert by_botocore(body, size) == sent
    assert list(eventstream.frames(body)) == sent


@given(several=st.lists(foreign_frames(), max_size=3))
def test_we_read_what_botocore_reads_with_headers_of_every_type(several):
    body = b"".join(several)
    assert list(eventstream.frames(body)) == by_botocore(body)
    assert eventstream.split(body) == tuple(several)
    assert eventstream.reframed(body, lambda payload: payload) == body


@given(whole=foreign_frames(), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_frame_is_refused_as_botocore_refuses_it(whole, at, flip):
    body = bytearray(whole)
    body[at % len(body)] ^= flip
    with pytest.raises(WireError):
        list(eventstream.frames(bytes(body)))
    with pytest.raises(ParserError):
        by_botocore(bytes(body))


@given(several=st.lists(FRAMES, min_size=1, max_size=3), at=st.integers(1, 10_000))
def test_a_cut_frame_is_refused_and_those_before_it_are_kept(several, at):
    pieces = tuple(map(eventstream.encoded, several))
    rest = pieces[-1][: at % len(pieces[-1])]
    body = b"".join(pieces[:-1]) + rest
    assert eventstream.split(body) == (*pieces[:-1], *([rest] if rest else []))
    if rest:
        with pytest.raises(WireError, match="cut off"):
            list(eventstream.frames(body))


@pytest.mark.parametrize(
    "lengths", [(15, 0), (16, 1), (2**32 - 1, 0), (16 + 24 * 2**20 + 1, 0), (2**18, 128 * 2**10 + 1)]
)
def test_a_frame_of_a_size_that_cannot_be_is_refused_before_it_is_awaited(lengths):
    prelude = struct.pack("!II", *lengths)
    with pytest.raises(WireError, match="cannot be"):
        list(eventstream.frames(prelude + struct.pack("!I", crc32(prelude)) + b"x" * 40))


@pytest.mark.parametrize(
    "headers", [b"\x05ab", b"\x01a\x0a", b"\x01\xff\x07\x00\x00", b"\x01a\x07\x00\x09x", b"\x01a\x05x"]
)
def test_headers_that_cannot_be_read_are_refused(headers):
    prelude = struct.pack("!II", 16 + len(headers), len(headers))
    whole = prelude + struct.pack("!I", crc32(prelude)) + headers
    with pytest.raises(WireError, match="headers cannot be read"):
        list(eventstream.frames(whole + struct.pack("!I", crc32(whole))))


# --- recordings of others ---------------------------------------------------------------


def test_a_recorded_stream_is_dealt_frame_by_frame(tmp_path):
    """Also where the recording has lost what type of body it is."""
    sent = bedrock_converse.reply(Decision("hello there, in more than one piece"), asked(bedrock_converse))
    recorded = {"base64_string": base64.b64encode(sent.body).decode()}
    request = {"method": "POST", "uri": "http://x/", "headers": {}, "body": ""}
    response = {"status": {"code": 200}, "headers": {"Content-Type": ["**REDACTED**"]}, "body": recorded}
    found = exchanges(json.dumps({"interactions": [{"request": request, "response": response}]}), tmp_path / "a.json")
    assert found[0].reply.chunks == sent.chunks
    assert found[0].reply.is_stream


# --- secrets ----------------------------------------------------------------------------


def asked(dialect: Any) -> Request:
    return Request(dialect.name, (Message("user", "hi"),), settings={"model": "m"}, stream=True)


def exchange_of(dialect: Any, decision: Decision) -> Exchange:
    path = "converse-stream" if dialect is bedrock_converse else "invoke-with-response-stream"
    body = {"messages": [{"role": "user", "content": []}], "anthropic_version": "bedrock-2023-05-31"}
    request = WireRequest("POST", f"http://x/model/m/{path}", {}, json_bytes(body))
    return Exchange(request, dialect.reply(decision, asked(dialect)))


BOTH = pytest.mark.parametrize("dialect", [bedrock_converse, bedrock_invoke], ids=lambda d: d.name)


@BOTH
def test_a_secret_is_taken_out_of_a_frame_and_the_checksum_holds(dialect, tmp_path):
    """In the plain JSON of Converse and in the base64 of an invoked model alike."""
    exchange = exchange_of(dialect, Decision("", (ToolCall(f"use {KEY}", "{}", "a"),), "calls"))
    assert len(secrets_in([exchange], tmp_path)) == 1
    after = cleaned(exchange)
    assert secrets_in([after], tmp_path) == []
    assert dialect.parse_reply(after.reply).calls[0].name == "use [AWS access key removed]"
    assert len(after.reply.chunks) == len(exchange.reply.chunks)


@BOTH
def test_a_stream_without_secrets_stays_byte_for_byte(dialect):
    exchange = exchange_of(dialect, Decision("Grüße, a text in several pieces", (ToolCall("a", "{}", "a"),), "calls"))
    assert cleaned(exchange).reply.chunks == exchange.reply.chunks


@BOTH
def test_a_secret_over_several_frames_is_seen(dialect):
    decision = Decision("x" * 6 + " " + KEY + " and more to say")
    kinds = {kind for kind, _ in spread_over_stream(exchange_of(dialect, decision), ())}
    assert kinds == {"AWS access key"}


@BOTH
def test_a_secret_is_taken_out_of_a_stream_that_was_cut_and_delivered_in_any_pieces(dialect, tmp_path):
    exchange = exchange_of(dialect, Decision("", (ToolCall(f"use {KEY}", "{}", "a"),), "calls"))
    reply = exchange.reply
    cut_off = WireReply(200, reply.headers, tuple(cut(reply.body[:-9], 50)))
    assert secrets_in([Exchange(exchange.request, cut_off)], tmp_path) != []
    after = cleaned(Exchange(exchange.request, cut_off))
    assert secrets_in([after], tmp_path) == []
    *whole, rest = eventstream.split(after.reply.body)
    assert len(whole) == len(reply.chunks) - 1
    assert rest == reply.chunks[-1][:-9]
    assert b"".join(whole) == b"".join(cleaned(exchange).reply.chunks[:-1])


@given(st.binary(max_size=200), st.lists(FRAMES, max_size=2))
def test_whatever_the_bytes_are_they_can_be_looked_at_and_stay(noise, several):
    body = b"".join(map(eventstream.encoded, several)) + b"\0" + noise
    assert isinstance(bedrock.readable(body), str)
    assert bedrock.rewritten(body, lambda said: said) == body
