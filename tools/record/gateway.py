"""A gateway between an agent that speaks native tool calls and a small model whose server does not.

The request's tools become a grammar: a union of {"tool": name, "arguments": {…}}. What the model
writes under it is handed to the agent as a tool call. Its words are never changed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.dialects import openai_chat
from agentcheck.live import Live
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.wire import Exchange, WireReply, WireRequest, json_bytes
from tools.record.narrowing import ANSWER, Option

LONGEST_REPLY: Final = 300  # tokens


class GatewayError(Exception):
    """The model's server answered with what is no reply; one sentence."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Answers Chat Completions requests by way of the server behind `live`.

    `options` says which decisions are open at each turn; `model` is the name that replies carry.
    """

    live: Live
    options: Callable[[Request], list[Option]]
    model: str
    temperature: float
    seed: int

    def exchange(self, wire: WireRequest) -> Exchange:
        """The agent's request with the reply made of the model's decision. Raises GatewayError or LiveError."""
        request = openai_chat.parse(wire)
        options = self.options(request)
        body = {
            **(_to_say(request) if _only_answer(options) else _to_decide(request, options)),
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": LONGEST_REPLY,
        }
        asked = WireRequest("POST", "/v1/chat/completions", {"content-type": "application/json"}, json_bytes(body))
        answered = self.live.exchange(asked)
        if answered.reply.status != 200:
            raise GatewayError(f"the model's server answered {answered.reply.status}: {answered.reply.body[:300]!r}")
        said = json.loads(answered.reply.body)
        decision = _spoken(said) if _only_answer(options) else decided(said)
        return Exchange(wire, self._reply(said, decision, request), answered.times[-1:])

    def _reply(self, said: dict[str, Any], decision: Decision, request: Request) -> WireReply:
        """The server's reply in the form that the agent reads; id, time and usage stay as they were."""
        reply = openai_chat.reply(decision, request)
        body = json.loads(reply.body) | {key: said[key] for key in ("id", "created", "usage")} | {"model": self.model}
        return WireReply(200, reply.headers, (json_bytes(body),))


# --- what the model wrote --------------------------------------------------------------


def decided(said: dict[str, Any]) -> Decision:
    """A decision written under the grammar; one that the length limit cut off stays text."""
    try:
        written = json.loads(said["choices"][0]["message"]["content"])
    except ValueError:
        return _spoken(said)
    tool, arguments = written["tool"], written["arguments"]
    if tool == ANSWER:
        return Decision(arguments["text"])
    id = f"call_{said['id'].rpartition('-')[2]}"
    return Decision("", (ToolCall(tool, json.dumps(arguments, ensure_ascii=False), id),), "calls")


def _spoken(said: dict[str, Any]) -> Decision:
    choice = said["choices"][0]
    return Decision(choice["message"]["content"].strip(), (), choice["finish_reason"])


# --- what the model is asked -----------------------------------------------------------


def _only_answer(options: list[Option]) -> bool:
    return [option.name for option in options] == [ANSWER]


def _to_say(request: Request) -> dict[str, Any]:
    """Nothing is left to decide: the model is asked for a sentence, and no grammar holds it."""
    told = "\n".join(message["content"] for message in _conversation(request))
    return {"messages": [{"role": "user", "content": f"{told}\n\nThe job is done. Say in one sentence what was done."}]}


def _to_decide(request: Request, options: list[Option]) -> dict[str, Any]:
    offered = "\n".join(f"- {o.name}({', '.join(o.parameters['properties'])}): {o.description}" for o in options)
    form = 'Reply with one JSON object: {"tool": "<name>", "arguments": {…}}'
    system = f"{request.text('system')}\n\nTools:\n{offered}\n\n{form}"
    union = [_decision_schema(option) for option in options]
    return {
        "messages": [{"role": "system", "content": system}, *_conversation(request)],
        "response_format": {"type": "json_object", "schema": {"anyOf": union}},
    }


def _decision_schema(option: Option) -> dict[str, Any]:
    properties = {"tool": {"const": option.name}, "arguments": option.parameters}
    return {
        "type": "object",
        "properties": properties,
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def _conversation(request: Request) -> list[dict[str, str]]:
    """Plain texts alone: the server knows neither tool calls nor their results."""
    names = {call.id: call.name for message in request.messages for call in message.calls}
    return [_plain(message, names) for message in request.messages if message.role != "system"]


def _plain(message: Message, names: dict[str, str]) -> dict[str, str]:
    if message.role == "tool":
        return {"role": "user", "content": f"Result of {names.get(message.call_id or '', 'a tool')}: {message.text}"}
    said = [message.text] if message.text else []
    said += [f'{{"tool": "{call.name}", "arguments": {call.arguments}}}' for call in message.calls]
    return {"role": message.role, "content": "\n".join(said)}
