"""The events in which a whole response of OpenAI's Responses is streamed, without their numbers.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentcheck.dialects.reading import pieces

ARGUMENTS: Final = {"function_call": "arguments", "custom_tool_call": "input"}  # where a kind of call has them


def events(whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """In OpenAI's order; of a response that is cut off, the last has the type response.incomplete."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(whole["output"]):
        at = {"output_index": index}
        yield {"type": "response.output_item.added", **at, "item": {**item, **_empty(item), "status": "in_progress"}}
        yield from _said(item, at) if item["type"] == "message" else _called(item, at)
        yield {"type": "response.output_item.done", **at, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _empty(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": []} if item["type"] == "message" else {ARGUMENTS[item["type"]]: ""}


def _said(item: Mapping[str, Any], at: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    at = {"item_id": item["id"], **at, "content_index": 0}
    part = item["content"][0]
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _called(item: Mapping[str, Any], at: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    field = ARGUMENTS[item["type"]]
    kind = f"response.{item['type']}_{field}"
    at = {"item_id": item["id"], **at}
    for piece in pieces(item[field]):
        yield {"type": f"{kind}.delta", **at, "delta": piece}
    named = {"name": item["name"]} if item["type"] == "function_call" else {}
    yield {"type": f"{kind}.done", **at, **named, field: item[field]}
