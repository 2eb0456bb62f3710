"""Every failure of a model, in every format: as bytes, as clients report it, and through the gateway."""

import base64
import contextlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from agentcheck import dialects
from agentcheck.faults import (
    CutStream,
    DoubleEncoded,
    EmptyReply,
    Http,
    LengthLimit,
    ModelFails,
    ModelFailure,
    Refusal,
    Reset,
    SameIds,
    Spoilt,
    StallStream,
    TimesOut,
    UnknownFinish,
    faults,
)  # fmt: skip
from agentcheck.gateway import Faulty, Gateway, Passed, Scripted
from agentcheck.live import Live
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.model import Script
from agentcheck.replies import broken_off, carried, spoilt
from agentcheck.scenario import Call, Scenario, Turn, finish
from agentcheck.wire import Uncarriable, WireError

DECISION = Decision("", (ToolCall("deploy", '{"tag": "v1.2.3", "environment": "production"}', "call_1"),), "calls")
TOOL = ToolSpec("deploy", "Deploys.", {"type": "object", "properties": {"tag": {"type": "string"}}})
SPOILT: list[Spoilt] = [LengthLimit(), EmptyReply(), Refusal(), UnknownFinish(), SameIds(), DoubleEncoded()]

every_format = pytest.mark.parametrize("dialect", dialects.known(), ids=lambda d: d.name)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


def asked(name: str, stream: bool) -> Request:
    settings = {"model": "m", "alt": "sse"}
    return Request(name, (Message("user", "go"),), (TOOL,), settings=settings, stream=stream)


def cannot_say(name: str, how: Spoilt) -> bool:
    """Where arguments are an object, or checked, none is a string; and two providers have no word for a refusal."""
    as_text = name in ("openai-chat", "openai-responses", "cohere")
    if isinstance(how, Refusal):
        return name in ("cohere", "ollama")
    return isinstance(how, DoubleEncoded) and not as_text


@every_format
@both_ways
@pytest.mark.parametrize("how", SPOILT, ids=lambda how: type(how).__name__)
def test_a_spoilt_reply_says_in_every_format_what_went_wrong(dialect, stream, how):
    decision, request = spoilt(DECISION, how), asked(dialect.name, stream)
    if cannot_say(dialect.name, how):
        with pytest.raises(Uncarriable):
            carried(decision, dialect, request)
        return
    reply, said = carried(decision, dialect, request)
    read = dialect.parse_reply(reply)
    assert (read.text, read.finish) == (said.text, said.finish)
    match how:
        case LengthLimit():
            assert read.finish == "length"
            assert read.calls[-1].arguments != DECISION.calls[0].arguments
        case EmptyReply():
            assert (read.text, read.calls) == ("", ())
        case SameIds():
            assert len(read.calls) == 2
            assert len({call.id for call in read.calls}) == 1
        case DoubleEncoded():
            assert isinstance(read.calls[0].parsed(), str)
        case UnknownFinish():
            assert read.finish == "unknown"


DEPLOY = ToolCall("deploy", '{"tag": "abcdefghijklmnopqrstuvwxyz"}', "call_2")
BROKEN_OFF = {
    "a call": Decision("", (DEPLOY,), "calls"),
    "two calls": Decision("", (ToolCall("look", "{}", "call_1"), DEPLOY), "calls"),
    "the same call twice": Decision("", (replace(DEPLOY, arguments="{}", id="call_1"), DEPLOY), "calls"),
    "a call after words": Decision('I will "deploy" now, as you asked me to. ' * 5, (DEPLOY,), "calls"),
}


@every_format
@both_ways
@pytest.mark.parametrize("alt", ["sse", "json"])
@pytest.mark.parametrize("decision", BROKEN_OFF.values(), ids=list(BROKEN_OFF))
def test_a_reply_breaks_off_inside_the_arguments_of_its_last_call(dialect, stream, alt, decision):
    request = asked(dialect.name, stream)
    reply = broken_off(decision, dialect, replace(request, settings={**request.settings, "alt": alt}))
    with pytest.raises(WireError):
        dialect.parse_reply(reply)
    before, call, arguments = _in_the_clear(reply.body).rpartition('"name":"deploy"')
    assert call, before
    assert "ab" in arguments
    assert "yz" not in arguments


def _in_the_clear(body: bytes) -> str:
    """What is said, with what is packed in it as base64 opened."""
    packed = re.findall(rb'"bytes":"([^"]+)"', body)
    return "".join(part.decode("latin-1") for part in [body, *map(base64.b64decode, packed)])


@every_format
@pytest.mark.parametrize("status", [429, 500, 529])
def test_failures_are_in_the_providers_own_words(dialect, status):
    reply = dialect.failure(status, "too much", retry_after=3.0)
    assert reply.status == status
    assert reply.headers["retry-after"] == "3"
    assert "too much" in json.dumps(json.loads(reply.body))


@pytest.mark.parametrize("script", ["broken_clients.py", "broken_sdks.py"])
def test_clients_and_sdks_raise_exactly_what_they_raise_of_a_real_connection(script):
    """The class, and of an SDK whether some of the reply had arrived; reset, timed out, cut and stalled."""
    real, intercepted = (_said(script, where) for where in ("real", "intercepted"))
    assert intercepted == real
    assert all(outcome for outcomes in real.values() for outcome in outcomes.values())


def _said(script: str, where: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name(script)), where]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found: dict[str, Any] = json.loads(said)
    return found


# --- through the gateway -----------------------------------------------------------------------


def gateway_with(how: ModelFailure) -> Gateway:
    turns = Turn((Call("deploy", {"tag": "v1.2.3"}),)), finish("Deployed.")
    return Gateway(Faulty(Scripted(Script(turns, Scenario())), faults(ModelFails(how))))


OFFERED: Any = [{"type": "function", "function": {"name": "deploy", "parameters": TOOL.parameters}}]


def by_openai(gateway: Gateway) -> openai.types.chat.ChatCompletion:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0, timeout=1.0) as client:
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "go"}], "tools": OFFERED}
        with client.chat.completions.stream(**asked) as s:
            return s.get_final_completion()


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (Http(429, retry_after=2.0), openai.RateLimitError),
        (Http(529), openai.InternalServerError),
        (Reset(), openai.APIConnectionError),
        (TimesOut(), openai.APITimeoutError),
        (CutStream(), openai.APIConnectionError),
        (StallStream(), openai.APITimeoutError),
    ],
    ids=lambda how: getattr(how, "__name__", str(how)),
)
def test_the_gateway_breaks_as_the_provider_would_and_the_next_try_gets_the_reply(how, error):
    with gateway_with(how) as gateway:
        with pytest.raises(error):
            by_openai(gateway)
        assert by_openai(gateway).choices[0].message.tool_calls[0].function.name == "deploy"
        assert [e["fault"] for e in gateway.trace.of("fault_fired")] == [str(ModelFails(how))]


def heard_by_openai(gateway: Gateway) -> list[str]:
    """What came of a stream before it broke, without the ids that each reply makes anew."""
    heard: list[str] = []
    asked: Any = {"model": "m", "messages": [{"role": "user", "content": "go"}], "tools": OFFERED, "stream": True}
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0, timeout=1.0) as client,
        contextlib.suppress(openai.APIConnectionError),
    ):
        for chunk in client.chat.completions.create(**asked):
            heard.append(chunk.choices[0].delta.model_dump_json(exclude={"tool_calls": {"__all__": {"id"}}}))
    return heard


@pytest.mark.parametrize("passed_on", [False, True], ids=["at once", "through another"])
def test_a_stall_comes_after_all_the_pieces_after_which_a_cut_would(passed_on):
    heard = []
    for how in (CutStream(), StallStream()):
        with contextlib.ExitStack() as stack:
            near = far = stack.enter_context(gateway_with(how))
            if passed_on:
                near = stack.enter_context(Gateway(Passed(stack.enter_context(Live(f"{far.url}/v1", timeout=20)))))
            heard.append(heard_by_openai(near))
    assert heard[0] == heard[1]
    assert len(heard[0]) == 3


@pytest.mark.parametrize("how", [SameIds(), DoubleEncoded(), EmptyReply()], ids=lambda how: type(how).__name__)
def test_the_gateway_gives_spoilt_replies(how):
    with gateway_with(how) as gateway:
        message = by_openai(gateway).choices[0].message
        read = gateway.trace.first("model_reply").decision
    assert len(message.tool_calls or ()) == len(read.calls) == {SameIds: 2, DoubleEncoded: 1, EmptyReply: 0}[type(how)]


def test_the_gateway_speaks_of_faults_to_anthropics_client_too():
    with (
        gateway_with(Http(529)) as gateway,
        anthropic.Anthropic(base_url=gateway.url, api_key="x", max_retries=0) as client,
        pytest.raises(anthropic.OverloadedError),
    ):
        client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "go"}])


def test_what_a_format_cannot_say_is_a_miss():
    with gateway_with(DoubleEncoded()) as gateway:
        body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "go"}]}
        body |= {"tools": [{"name": "deploy", "input_schema": TOOL.parameters}]}
        assert httpx.post(f"{gateway.url}/v1/messages", json=body).status_code == 400
        assert "Anthropic's Messages" in gateway.misses[0]
