import json

from openai import AsyncOpenAI
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = AsyncOpenAI()
TOOLS = [
    {"type": "function", "function": {"name": n, "description": f.__doc__, "parameters": SCHEMAS[n]}}
    for n, f in FUNCTIONS.items()
]


async def run(task: str) -> str:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]
    for _ in range(12):
        text, calls, reason = "", {}, None
        stream = await client.chat.completions.create(model="m", messages=messages, tools=TOOLS, stream=True)
        async for chunk in stream:
            if not chunk.choices:
                continue
            delta, reason = chunk.choices[0].delta, chunk.choices[0].finish_reason
            text += delta.content or ""
            for part in delta.tool_calls or []:
                c = calls.setdefault(
                    part.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                )
                c["id"] = part.id or c["id"]
                c["function"]["name"] += part.function.name or ""
                c["function"]["arguments"] += part.function.arguments or ""
        if not calls or reason == "length":
            return text
        messages.append({"role": "assistant", "content": text, "tool_calls": list(calls.values())})
        for c in calls.values():
            try:
                result = call(c["function"]["name"], json.loads(c["function"]["arguments"]))
            except ValueError as error:
                result = f"{c['function']['name']}: arguments are not JSON: {error}"
            messages.append({"role": "tool", "tool_call_id": c["id"], "content": result})
    return "stopped after 12 steps"
