import json

import cohere
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call, deploy_backend, list_git_tags  # noqa: F401  found by their names

client = cohere.ClientV2()
TOOLS = [
    {"type": "function", "function": {"name": n, "description": f.__doc__, "parameters": SCHEMAS[n]}}
    for n, f in FUNCTIONS.items()
]


def run(task: str) -> str:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]
    for _ in range(12):
        reply = client.chat(model="m", messages=messages, tools=TOOLS)
        said = reply.message
        calls = [c.model_dump(exclude_none=True) for c in said.tool_calls or ()]
        if not calls or reply.finish_reason == "MAX_TOKENS":
            return "".join(part.text for part in said.content or ())
        messages.append({"role": "assistant", "tool_plan": said.tool_plan, "tool_calls": calls})
        for c in said.tool_calls:
            try:
                result = call(c.function.name, json.loads(c.function.arguments))
            except ValueError as error:
                result = f"{c.function.name}: arguments are not JSON: {error}"
            messages.append({"role": "tool", "tool_call_id": c.id, "content": result})
    return "stopped after 12 steps"
