import json

import cohere
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call, deploy_backend, list_git_tags  # noqa: F401

client = cohere.ClientV2()
TOOLS = [
    {"type": "function", "function": {"name": n, "description": f.__doc__, "parameters": SCHEMAS[n]}}
    for n, f in FUNCTIONS.items()
]


def run(task: str) -> str:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]
    for _ in range(12):
        text, plan, calls, reason = "", "", [], None
        for e in client.chat_stream(model="m", messages=messages, tools=TOOLS):
            if e.type == "content-delta":
                text += e.delta.message.content.text
            elif e.type == "tool-plan-delta":
                plan += e.delta.message.tool_plan
            elif e.type == "tool-call-start":
                calls.append(e.delta.message.tool_calls.model_dump(exclude_none=True))
            elif e.type == "tool-call-delta":
                calls[-1]["function"]["arguments"] += e.delta.message.tool_calls.function.arguments
            elif e.type == "message-end":
                reason = e.delta.finish_reason
        if not calls or reason == "MAX_TOKENS":
            return text
        messages.append({"role": "assistant", "tool_plan": plan, "tool_calls": calls})
        for c in calls:
            try:
                result = call(c["function"]["name"], json.loads(c["function"]["arguments"]))
            except ValueError as error:
                result = f"{c['function']['name']}: arguments are not JSON: {error}"
            messages.append({"role": "tool", "tool_call_id": c["id"], "content": result})
    return "stopped after 12 steps"
