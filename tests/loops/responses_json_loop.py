import json

from openai import OpenAI
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = OpenAI()
TOOLS = [
    {"type": "function", "name": n, "description": f.__doc__, "parameters": SCHEMAS[n], "strict": False}
    for n, f in FUNCTIONS.items()
]


def run(task: str) -> str:
    items = [{"role": "user", "content": task}]
    for _ in range(12):
        r = client.responses.create(model="gpt-5", instructions=SYSTEM, input=items, tools=TOOLS)
        items += r.output
        calls = [o for o in r.output if o.type == "function_call"]
        if not calls or r.status == "incomplete":
            return r.output_text
        for c in calls:
            try:
                result = call(c.name, json.loads(c.arguments))
            except ValueError as e:
                result = f"{c.name}: arguments are not JSON: {e}"
            items.append({"type": "function_call_output", "call_id": c.call_id, "output": result})
    return "stopped after 12 steps"
