import boto3
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = boto3.client("bedrock-runtime", region_name="us-east-1")
TOOLS = [
    {"toolSpec": {"name": n, "description": f.__doc__, "inputSchema": {"json": SCHEMAS[n]}}}
    for n, f in FUNCTIONS.items()
]


def run(task: str) -> str:
    messages = [{"role": "user", "content": [{"text": task}]}]
    for _ in range(12):
        r = client.converse(
            modelId="anthropic.claude", system=[{"text": SYSTEM}], messages=messages, toolConfig={"tools": TOOLS}
        )
        m = r["output"]["message"]
        messages.append(m)
        uses = [b["toolUse"] for b in m["content"] if "toolUse" in b]
        if not uses or r["stopReason"] == "max_tokens":
            return "".join(b.get("text", "") for b in m["content"])
        messages.append(
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": u["toolUseId"], "content": [{"text": call(u["name"], u["input"])}]}}
                    for u in uses
                ],
            }
        )
    return "stopped after 12 steps"
