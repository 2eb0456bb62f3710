import anthropic
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = anthropic.Anthropic()
TOOLS = [{"name": n, "description": f.__doc__, "input_schema": SCHEMAS[n]} for n, f in FUNCTIONS.items()]


def run(task: str) -> str:
    messages = [{"role": "user", "content": task}]
    for _ in range(12):
        reply = client.messages.create(model="m", max_tokens=1000, system=SYSTEM, messages=messages, tools=TOOLS)
        messages.append({"role": "assistant", "content": reply.content})
        uses = [b for b in reply.content if b.type == "tool_use"]
        if not uses or reply.stop_reason == "max_tokens":
            return "".join(b.text for b in reply.content if b.type == "text")
        messages.append(
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": u.id, "content": call(u.name, u.input)} for u in uses
                ],
            }
        )
    return "stopped after 12 steps"
