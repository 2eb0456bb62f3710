import anthropic
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = anthropic.Anthropic()
TOOLS = [{"name": n, "description": f.__doc__, "input_schema": SCHEMAS[n]} for n, f in FUNCTIONS.items()]


def run(task: str) -> str:
    return talk(task, client.messages.stream)


def talk(task, stream, **more):
    """The SDK puts the stream together, and closes JSON that is not whole."""
    messages = [{"role": "user", "content": task}]
    for _ in range(12):
        with stream(model="m", max_tokens=1000, system=SYSTEM, messages=messages, tools=TOOLS, **more) as events:
            reply = events.get_final_message()
        content = [b.model_dump(include={"type", "text", "id", "name", "input"}) for b in reply.content]
        uses = [b for b in content if b["type"] == "tool_use"]
        if not uses or reply.stop_reason == "max_tokens":
            return "".join(b["text"] for b in content if b["type"] == "text")
        results = [
            {"type": "tool_result", "tool_use_id": u["id"], "content": call(u["name"], u["input"])} for u in uses
        ]
        messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return "stopped after 12 steps"
