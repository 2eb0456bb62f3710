"""Messages between the lab and the stage, and the JSON text that may come beside one."""

import socket
import struct

import pytest

from agentcheck import framing
from agentcheck.framing import Beside, Closed


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("text", ["", '{"n": 1}', '"\\ud800"', '"é \ud800"'])
def test_a_text_comes_beside_its_message(ends, text):
    framing.send(ends[0], Beside({"op": "x"}, text=text))
    framing.send(ends[0], {"op": "y"})
    got = framing.receive(ends[1])
    assert (got, framing.beside(got)) == ({"op": "x"}, text)
    assert framing.beside(framing.receive(ends[1])) is None


def test_the_text_is_read_when_it_is_asked_for():
    message = Beside({"state": 1}, text='{"n": [1]}')
    assert "json" not in message
    assert message["json"] == {"n": [1]}
    assert Beside({})["json"] is None
    with pytest.raises(KeyError):
        message["other"]


def test_a_text_that_is_no_json_is_the_end_of_the_connection():
    with pytest.raises(Closed, match="not JSON"):
        Beside({}, text="{")["json"]


@pytest.mark.parametrize("body", [b"", b"\x00\x00", struct.pack("!I", 99) + b"{}", struct.pack("!I", 2) + b"{}\xff"])
def test_a_message_that_lies_about_its_text_is_refused(ends, body):
    ends[0].sendall(struct.pack("!I", len(body) | 1 << 31) + body)
    with pytest.raises(Closed, match="not JSON"):
        framing.receive(ends[1])
