import json

import anthropic
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = anthropic.Anthropic()
TOOLS = [{"name": n, "description": f.__doc__, "input_schema": SCHEMAS[n]} for n, f in FUNCTIONS.items()]


def run(task: str) -> str:
    return talk(task, TOOLS)


def talk(task, tools, **more):
    messages = [{"role": "user", "content": task}]
    for _ in range(12):
        blocks, reason = {}, None
        for e in client.messages.create(
            model="m", max_tokens=1000, system=SYSTEM, messages=messages, tools=tools, stream=True, **more
        ):
            if e.type == "content_block_start":
                blocks[e.index] = e.content_block.model_dump(exclude_none=True) | {"json": ""}
            elif e.type == "content_block_delta" and e.delta.type == "text_delta":
                blocks[e.index]["text"] += e.delta.text
            elif e.type == "content_block_delta" and e.delta.type == "input_json_delta":
                blocks[e.index]["json"] += e.delta.partial_json
            elif e.type == "message_delta":
                reason = e.delta.stop_reason
        content, results = [], []
        for b in blocks.values():
            raw = b.pop("json")
            if b["type"] == "tool_use":
                try:
                    b["input"] = json.loads(raw or "{}")
                    said = None
                except ValueError as error:
                    b["input"], said = {}, f"{b['name']}: arguments are not JSON: {error}"
                if reason != "max_tokens":
                    said = said or call(b["name"], b["input"])
                results.append({"type": "tool_result", "tool_use_id": b["id"], "content": said})
            content.append(b)
        if not results or reason == "max_tokens":
            return "".join(b["text"] for b in content if b["type"] == "text")
        messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return "stopped after 12 steps"
