import json

import boto3
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = boto3.client("bedrock-runtime", region_name="us-east-1")
TOOLS = [
    {"toolSpec": {"name": n, "description": f.__doc__, "inputSchema": {"json": SCHEMAS[n]}}}
    for n, f in FUNCTIONS.items()
]


def run(task: str) -> str:
    return talk(task)


def talk(task, **more):
    messages = [{"role": "user", "content": [{"text": task}]}]
    for _ in range(12):
        r = client.converse_stream(
            modelId="anthropic.claude",
            system=[{"text": SYSTEM}],
            messages=messages,
            toolConfig={"tools": TOOLS},
            **more,
        )
        text, uses, reason = "", [], None
        for e in r["stream"]:
            if "contentBlockStart" in e and "toolUse" in e["contentBlockStart"]["start"]:
                uses.append(e["contentBlockStart"]["start"]["toolUse"] | {"input": ""})
            elif "contentBlockDelta" in e:
                delta = e["contentBlockDelta"]["delta"]
                text += delta.get("text", "")
                if "toolUse" in delta:
                    uses[-1]["input"] += delta["toolUse"]["input"]
            elif "messageStop" in e:
                reason = e["messageStop"]["stopReason"]
        if not uses or reason == "max_tokens":
            return text
        results = []
        for u in uses:
            try:
                u["input"] = json.loads(u["input"] or "{}")
                said = call(u["name"], u["input"])
            except ValueError as error:
                u["input"], said = {}, f"{u['name']}: arguments are not JSON: {error}"
            results.append({"toolResult": {"toolUseId": u["toolUseId"], "content": [{"text": said}]}})
        content = ([{"text": text}] if text else []) + [{"toolUse": u} for u in uses]
        messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return "stopped after 12 steps"
