"""Doing once in the zygote what an SDK puts off until its first call, so that no fork has to do it again."""

import json
import sys
from typing import Any

_REPLY = {
    "id": "chatcmpl-warm",
    "object": "chat.completion",
    "created": 0,
    "model": "warm",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
_FUNCTION: dict[str, Any] = {"name": "f", "description": "f", "parameters": {"type": "object"}}
_TOOL = {"type": "function", "function": _FUNCTION}
_RESPONSE = {
    "id": "resp_warm",
    "object": "response",
    "created_at": 0,
    "model": "warm",
    "status": "completed",
    "output": [{"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"}],
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "tools": [],
}
_MESSAGES = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "u"},
    {"role": "assistant", "tool_calls": _REPLY["choices"][0]["message"]["tool_calls"]},  # type: ignore[index]
    {"role": "tool", "tool_call_id": "c", "content": "r"},
]


def warm_up() -> None:
    """Make one call through each SDK that the target has imported, on a transport that answers by itself."""
    if "openai" in sys.modules:
        _openai(sys.modules["openai"])


def _openai(openai: Any) -> None:
    library = sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]

    def answer(request: Any) -> Any:
        reply = _RESPONSE if request.url.path.endswith("/responses") else _REPLY
        return library.Response(200, content=json.dumps(reply), headers={"content-type": "application/json"})

    transport = library.MockTransport(answer)
    with openai.DefaultHttpxClient(transport=transport) as http:
        client = openai.OpenAI(api_key="warm", base_url="http://warm.invalid/v1", http_client=http)
        client.chat.completions.create(model="warm", messages=_MESSAGES, tools=[_TOOL])
        if hasattr(client, "responses"):
            client.responses.create(model="warm", input="u", tools=[{"type": "function", **_FUNCTION}])
