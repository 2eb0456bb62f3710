"""Small agents for tests, written as files of a user's project; the model is reached with urllib, which starts fast."""

from pathlib import Path
from textwrap import dedent

from agentcheck.config import load
from agentcheck.lab import Lab

MODEL = """
import json, urllib.request

TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look.", "parameters":
    {"type": "object", "properties": {"where": {"type": "string", "description": "Where."}}, "required": ["where"]}}}]


def look(where: str) -> str:
    raise AssertionError("the real tool ran")


def ask(messages, tools=TOOLS):
    body = json.dumps({"model": "m", "messages": messages, **({"tools": tools} if tools else {})}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request("http://localhost:9/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)["choices"][0]["message"]


def loop(task):
    messages = [{"role": "system", "content": "You look around."}, {"role": "user", "content": str(task)}]
    for _ in range(10):
        said = ask(messages)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            result = look(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""


def written(folder: Path, code: str, name: str = "my_agent") -> None:
    """Write an agent's module; the names of MODEL are there."""
    (folder / f"{name}.py").write_text(dedent(MODEL) + dedent(code), encoding="utf-8")


def lab_of(folder: Path, target: str = "my_agent:run", **declared: object) -> Lab:
    """A lab for an agent in this folder."""
    config = load(folder, target=target, **declared)
    return Lab(config, rootdir=folder, reports=folder / "reports")
