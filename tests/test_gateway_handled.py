"""The world of a run as what answers at the gateway: it decides, breaks and writes down; the gateway carries."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import openai
import pytest

from agentcheck.conditions import CutOff, Stop
from agentcheck.faults import NO_FAULTS, CutStream, Faults, Http, ModelFails, Reset, StallStream, TimesOut, faults
from agentcheck.gateway import Gateway, Handled
from agentcheck.model import Script
from agentcheck.scenario import Call, Scenario, Turn, finish
from agentcheck.target import Target
from agentcheck.trace import Trace
from agentcheck.world import World

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "go"}]}
TOOLS: Any = [{"type": "function", "function": {"name": "deploy", "parameters": {"type": "object"}}}]


def world(*turns: Turn, struck: Faults = NO_FAULTS, stop: Stop | None = None) -> World:
    return World(Target(), Scenario(), Trace(), Script(turns, Scenario()), faults=struck, stop=stop)


def asked(gateway: Gateway, **more: Any) -> Any:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0, timeout=1.0) as client:
        if "stream" in more:
            return list(client.chat.completions.create(**CHAT, **more))
        return client.chat.completions.create(**CHAT, **more)


def test_the_world_decides_and_its_trace_is_the_only_one():
    run = world(finish("Deployed."))
    with Gateway(Handled(run.handle, session="a", pid=7)) as gateway:
        assert asked(gateway).choices[0].message.content == "Deployed."
        assert [(e.type, e.session, e.pid) for e in run.trace] == [("model_request", "a", 7), ("model_reply", "a", 7)]
        assert httpx.get(f"{gateway.url}/v1/models").status_code == 200
        assert [e.type for e in gateway.trace] == ["probe"]


def test_tools_that_the_world_does_not_know_are_bound_before_it_decides():
    told: list[Any] = []

    def bound(tools: Any) -> dict[str, Any]:
        told.append(list(tools))
        return {tool: {"bound": True, "value": True, "why": ""} for tool in tools}

    run = world(Turn((Call("deploy", {"tag": "v1"}),)), finish())
    with Gateway(Handled(run.handle, bound=bound)) as gateway:
        calls = asked(gateway, tools=TOOLS).choices[0].message.tool_calls
    assert (told, calls[0].function.name) == ([["deploy"]], "deploy")


def test_a_tool_that_nothing_stands_for_ends_the_run_before_it_is_called():
    ended: list[CutOff] = []
    run = world(Turn((Call("deploy", {"tag": "v1"}),)))
    with Gateway(Handled(run.handle, cut_off=ended.append)) as gateway, pytest.raises(openai.APIConnectionError):
        asked(gateway, tools=TOOLS)
    assert [str(one) for one in ended] == ["the model would call deploy, which may not run: nothing stands for it"]


@pytest.mark.parametrize(
    ("how", "stream", "error"),
    [
        (Http(429), False, openai.RateLimitError),
        (Reset(), False, openai.APIConnectionError),
        (TimesOut(), False, openai.APITimeoutError),
        (CutStream(), True, openai.APIConnectionError),
        (StallStream(), True, openai.APITimeoutError),
    ],
    ids=str,
)
def test_its_faults_of_the_model_are_real_on_the_socket(how, stream, error):
    run = world(finish("Deployed."), struck=faults(ModelFails(how)))
    with Gateway(Handled(run.handle)) as gateway:
        with pytest.raises(openai.OpenAIError) as caught:
            asked(gateway, **({"stream": True} if stream else {}))
        assert type(caught.value) is error
        assert asked(gateway).choices[0].message.content == "Deployed."
    assert [e.type for e in run.trace][:3] == ["model_request", "fault_fired", "model_failed"]


def test_it_hears_that_the_agent_is_to_be_stopped():
    stopped: list[bool] = []
    run = world(finish("Deployed."), stop=Stop(1, "after", ask=True))
    with Gateway(Handled(run.handle, stop=lambda: stopped.append(True))) as gateway:
        asked(gateway)
    assert stopped == [True]


def test_what_the_world_lets_out_nowhere_is_refused():
    run = world(finish())
    with Gateway(Handled(run.handle)) as gateway:
        reply = httpx.post(f"{gateway.url}/v1/embeddings", json={"input": "x"})
        assert (reply.status_code, "lets nothing out" in reply.json()["error"]["message"]) == (403, True)
        assert len(run.trace.of("refused")) == 1


@pytest.mark.parametrize(
    "handle", [lambda message: 1 / 0, lambda message: {"do": "reply", "broken": "unheard-of"}], ids=["raises", "odd"]
)
def test_a_handler_that_breaks_is_a_miss_and_no_reply(handle: Callable[[Mapping[str, Any]], Any]):
    with Gateway(Handled(handle)) as gateway:
        assert httpx.post(f"{gateway.url}/v1/chat/completions", json=CHAT).status_code == 400
        assert "agentcheck itself failed on this request" in gateway.misses[0]
