import ollama
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call, deploy_backend, list_git_tags  # noqa: F401  found by their names

TOOLS = [
    {"type": "function", "function": {"name": n, "description": f.__doc__, "parameters": SCHEMAS[n]}}
    for n, f in FUNCTIONS.items()
]


def run(task: str) -> str:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]
    for _ in range(12):
        pieces = list(ollama.Client().chat(model="m", messages=messages, tools=TOOLS, stream=True))
        text = "".join(piece.message.content or "" for piece in pieces)
        calls = [c for piece in pieces for c in piece.message.tool_calls or ()]
        if not calls or pieces[-1].done_reason == "length":
            return text
        messages.append({"role": "assistant", "content": text, "tool_calls": [c.model_dump() for c in calls]})
        for c in calls:
            result = call(c.function.name, dict(c.function.arguments))
            messages.append({"role": "tool", "tool_name": c.function.name, "content": result})
    return "stopped after 12 steps"
