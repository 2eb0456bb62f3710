"""A framework of a few lines, for the example adapter beside it: an agent whose whole state is a list of messages.

agent = Agent("You deploy.", tools=[deploy], ask_first={"deploy"})
run = agent.start("Deploy v1.")        # goes on until it is done, or waits for a yes to a call
run = agent.go_on(run, {"call_1": True})
"""

import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openai import OpenAI

MOST_STEPS = 10
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass
class Agent:
    instructions: str
    tools: Sequence[Callable[..., Any]]
    ask_first: Collection[str] = field(default_factory=set)
    after_step: Callable[[list[Any]], None] = lambda messages: None  # hears of the messages after each step

    def start(self, task: str) -> list[Any]:
        messages = [{"role": "system", "content": self.instructions}, {"role": "user", "content": task}]
        self.after_step(messages)
        return self.go_on(messages, {})

    def go_on(self, messages: list[Any], answers: Mapping[str, bool]) -> list[Any]:
        """Go on from these messages: until the model has no more calls, or one waits for an answer."""
        for _ in range(MOST_STEPS):
            calls = self.open_calls(messages)
            if not calls and messages[-1]["role"] == "assistant":
                return messages
            if not calls:
                messages = [*messages, self._ask(messages)]
            elif self.waits(calls[0]) and calls[0]["id"] not in answers:
                return messages
            else:
                messages = [*messages, self._carry_out(calls[0], answers)]
            self.after_step(messages)
        return [*messages, {"role": "assistant", "content": f"Stopped after {MOST_STEPS} steps."}]

    def open_calls(self, messages: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The calls that have no result yet."""
        done = {m["tool_call_id"] for m in messages if m["role"] == "tool"}
        return [c for m in messages for c in m.get("tool_calls") or () if c["id"] not in done]

    def waits(self, call: Mapping[str, Any]) -> bool:
        return call["function"]["name"] in self.ask_first

    def _ask(self, messages: list[Any]) -> dict[str, Any]:
        tools: Any = [_described(tool) for tool in self.tools]
        reply = OpenAI().chat.completions.create(model="gpt-4.1-mini", messages=messages, tools=tools)
        return reply.choices[0].message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)

    def _carry_out(self, call: Mapping[str, Any], answers: Mapping[str, bool]) -> dict[str, Any]:
        if not answers.get(call["id"], True):
            return {"role": "tool", "tool_call_id": call["id"], "content": "A human said no: it did not run."}
        try:
            known = {tool.__name__: tool for tool in self.tools}
            said = known[call["function"]["name"]](**json.loads(call["function"]["arguments"]))
        except Exception as error:
            said = f"{call['function']['name']} failed: {type(error).__name__}: {error}"[:400]
        return {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(said)[:2_000]}


def _described(tool: Callable[..., Any]) -> dict[str, Any]:
    names = inspect.signature(tool).parameters
    properties = {n: {"type": _TYPES[p.annotation], "description": n} for n, p in names.items()}
    schema = {"type": "object", "properties": properties, "required": list(names), "additionalProperties": False}
    about = {"name": tool.__name__, "description": tool.__doc__, "parameters": schema}
    return {"type": "function", "function": about}
