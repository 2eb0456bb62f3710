"""Recordings written for the tests of the audit: vcrpy's YAML, of exchanges that are described by hand."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from agentcheck import catalog
from agentcheck.audit import Audit
from agentcheck.dialects import openai_chat
from agentcheck.finding import Finding
from agentcheck.messages import Decision, Request, ToolCall
from agentcheck.target import Limits
from agentcheck.wire import WireReply

URL = "https://api.openai.com/v1/chat/completions"
SYSTEM = {"role": "system", "content": "You deploy."}
DONE = Decision("Done.")
JSON = {"content-type": ["application/json"]}
LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look at a place.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string", "description": "The place."}}},
    },
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def call(id: str, tool: str = "look", arguments: str = '{"at": "home"}') -> Decision:
    return Decision("", (ToolCall(tool, arguments, id),), "calls")


def made(decision: Decision, *results: str) -> list[dict[str, Any]]:
    """A decision and its results, as the next request tells them."""
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in decision.calls
    ]
    told = [
        {"role": "tool", "tool_call_id": c.id, "content": result}
        for c, result in zip(decision.calls, results, strict=True)
    ]
    return [{"role": "assistant", "content": decision.text or None, "tool_calls": calls}, *told]


def steps(*results: str, start: Sequence[dict[str, Any]] = (SYSTEM, {"role": "user", "content": "go"})) -> list[Any]:
    """The exchanges of one run in which `look` returns these results, one after the other."""
    messages, exchanges = list(start), []
    for number, result in enumerate(results):
        decision = call(f"call_{number}", arguments=json.dumps({"at": f"place {number}"}))
        exchanges.append((list(messages), decision))
        messages += made(decision, result)
    return [*exchanges, (messages, DONE)]


def chat(messages: Iterable[Any], answer: Decision | WireReply, **body: Any) -> dict[str, Any]:
    """One interaction as vcrpy writes it."""
    sent = {"model": "m", "messages": list(messages), **body}
    reply = answer if isinstance(answer, WireReply) else openai_chat.reply(answer, Request("openai-chat", ()))
    return interaction(URL, sent, reply.status, reply.body.decode())


def interaction(url: str, body: Any, status: int, answer: str, method: str = "POST") -> dict[str, Any]:
    return {
        "request": {"method": method, "uri": url, "headers": dict(JSON), "body": json.dumps(body)},
        "response": {"status": {"code": status, "message": ""}, "headers": dict(JSON), "body": {"string": answer}},
    }


def write(path: Path, *interactions: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = json.loads(json.dumps({"interactions": interactions, "version": 1}))  # without YAML's aliases
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return path


def chats(path: Path, exchanges: Iterable[tuple[Any, Any]], **body: Any) -> Path:
    """A recording of these exchanges, each with the same tools and settings."""
    return write(path, *(chat(messages, answer, **body) for messages, answer in exchanges))


def audit(*paths: Path, start: Path, **limits: Any) -> Audit:
    return Audit(paths, catalog.load_all(), limits=replace(Limits(), **limits), start=start)


def finding(check: str, *paths: Path, start: Path, **limits: Any) -> Finding:
    """What one check finds over these recordings."""
    return audit(*paths, start=start, **limits).judge(catalog.find(check, catalog.load_all()))
