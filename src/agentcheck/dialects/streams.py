"""Streamed Chat Completions messages: taking one apart, and putting one together."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentcheck.dialects.reading import arguments_text, pieces
from agentcheck.messages import ToolCall


def deltas(message: Mapping[str, Any], *, whole_calls: bool = False) -> Iterator[dict[str, Any]]:
    """A message in the pieces in which OpenAI sends it: who speaks, then text, then each call, name first.

    `whole_calls`: each call in one piece, as Mistral sends it.
    """
    text = message["content"]
    yield {"role": "assistant", "content": text and "", "refusal": None}
    yield from ({"content": piece} for piece in pieces(text or ""))
    if legacy := message.get("function_call"):
        yield {"function_call": legacy | {"arguments": ""}}
        yield from ({"function_call": {"arguments": piece}} for piece in pieces(legacy["arguments"]))
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        if whole_calls:
            yield {"tool_calls": [{"index": index, **call}]}
            continue
        yield {"tool_calls": [{"index": index, **call, "function": function | {"arguments": ""}}]}
        for piece in pieces(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


_LEGACY: Final = "function_call"


class Calls:
    """Tool calls that arrive in pieces.

    OpenAI numbers them. Look-alikes leave the index out, or number every call 0: a piece with another
    id and a name of its own begins another call.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, str]] = []
        self._at: dict[str, int] = {}

    def add(self, delta: Mapping[str, Any]) -> None:
        """Take in one delta of a choice."""
        pieces = delta.get("tool_calls")
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                self._take(piece, piece.get("function"))
        self._take({"index": _LEGACY}, delta.get("function_call"))

    def all(self) -> tuple[ToolCall, ...]:
        legacy = self._at.get(repr(_LEGACY)) if len(self._calls) > 1 else None  # llama-cpp-python sends both forms
        numbered = (call for at, call in enumerate(self._calls) if at != legacy)
        return tuple(ToolCall(c["name"], c["arguments"], c["id"]) for c in numbered)

    def _take(self, piece: Mapping[str, Any], function: Any) -> None:
        if not isinstance(function, dict):
            return
        call = self._slot(repr(piece.get("index")), str(piece.get("id") or ""), function.get("name"))
        if (name := function.get("name")) and name != call["name"]:
            call["name"] += str(name)
        arguments = function.get("arguments")
        if arguments is not None:
            call["arguments"] += arguments_text(arguments)

    def _slot(self, index: str, id: str, name: Any) -> dict[str, str]:
        at = self._at.get(index)
        begins = bool(id and name and at is not None and self._calls[at]["id"] not in ("", id))
        if at is None or begins:
            self._calls.append({"id": id, "name": "", "arguments": ""})
            at = self._at[index] = len(self._calls) - 1
        self._calls[at]["id"] = self._calls[at]["id"] or id
        return self._calls[at]
