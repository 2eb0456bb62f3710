"""What real clients ask beside their model calls, answered as the provider would."""

import re
from collections.abc import Callable
from typing import Any, Final

from agentcheck.dialects import named
from agentcheck.dialects.reading import CREATED, json_reply
from agentcheck.spending import CHARACTERS
from agentcheck.wire import Dialect, WireReply, WireRequest, header

MODEL: Final = "agentcheck"
_DATE: Final = "2026-01-01T00:00:00Z"


def side_reply(wire: WireRequest) -> tuple[str, WireReply] | None:
    """The name of a side request and its answer; None where nobody knows what to say."""
    for name, methods, ending, answer in _ROUTES:
        if wire.method.upper() in methods and (found := re.search(f"{ending}$", wire.path.rstrip("/"))):
            return name, answer(wire, found)
    return None


def _alive(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return WireReply(200, {"content-type": "text/plain"}, (b"" if wire.method.upper() == "HEAD" else b"agentcheck",))


def _models(wire: WireRequest, found: re.Match[str]) -> WireReply:
    """In OpenAI's shape, Anthropic's, or Google's, by how it was asked."""
    if header(wire.headers, "anthropic-version"):
        models = [_anthropic_model(MODEL)]
        return json_reply(200, {"data": models, "has_more": False, "first_id": MODEL, "last_id": MODEL})
    if "/v1beta/" in wire.path:
        return json_reply(200, {"models": [_google_model(MODEL)]})
    return json_reply(200, {"object": "list", "data": [_openai_model(MODEL)]})


def _model(wire: WireRequest, found: re.Match[str]) -> WireReply:
    asked = found["id"]
    if header(wire.headers, "anthropic-version"):
        return json_reply(200, _anthropic_model(asked))
    return json_reply(200, _google_model(asked) if "/v1beta/" in wire.path else _openai_model(asked))


def _openai_model(id: str) -> dict[str, Any]:
    return {"id": id, "object": "model", "created": CREATED, "owned_by": "agentcheck"}


def _anthropic_model(id: str) -> dict[str, Any]:
    return {"id": id, "type": "model", "display_name": id, "created_at": _DATE}


def _google_model(id: str) -> dict[str, Any]:
    limits = {"inputTokenLimit": 1_000_000, "outputTokenLimit": 65_536}
    methods = ["generateContent", "countTokens"]
    return {"name": f"models/{id}", "displayName": id, "supportedGenerationMethods": methods, **limits}


def _tokens(wire: WireRequest) -> int:
    return max(1, len(wire.body) // CHARACTERS)


def _anthropic_count(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return json_reply(200, {"input_tokens": _tokens(wire)})


def _google_count(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return json_reply(200, {"totalTokens": _tokens(wire)})


def _ollama_tags(wire: WireRequest, found: re.Match[str]) -> WireReply:
    model = {"name": MODEL, "model": MODEL, "modified_at": _DATE, "size": 1, "digest": "0" * 64, "details": {}}
    return json_reply(200, {"models": [model]})


def _ollama_version(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return json_reply(200, {"version": "0.12.0"})


def _ollama_show(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return json_reply(
        200, {"details": {"family": "agentcheck"}, "model_info": {}, "capabilities": ["completion", "tools"]}
    )


def _bedrock_count(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return json_reply(200, {"inputTokens": _tokens(wire)})


def _openai_count(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return json_reply(200, {"object": "response.input_tokens", "input_tokens": _tokens(wire)})


def _cohere_count(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return json_reply(200, {"tokens": list(range(_tokens(wire))), "token_strings": []})


def _not_found(wire: WireRequest, found: re.Match[str]) -> WireReply:
    return speaker_of(wire).failure(404, f"there is no {wire.path} here")


def speaker_of(wire: WireRequest) -> Dialect:
    """In whose words a request is refused that no dialect recognises, by its headers and path."""
    if header(wire.headers, "anthropic-version") or "/messages" in wire.path:
        return named("anthropic")
    if header(wire.headers, "x-goog-api-key") or wire.path.startswith("/v1beta/") or "/v1beta1/" in wire.path:
        return named("gemini")
    if wire.path.startswith("/api/"):
        return named("ollama")
    if wire.path.startswith(("/model/", "/foundation-models", "/inference-profiles")):
        return named("bedrock-converse")
    return named("cohere" if wire.path.startswith("/v2/") else "openai-chat")


_Answer = Callable[[WireRequest, re.Match[str]], WireReply]
_ROUTES: Final[tuple[tuple[str, tuple[str, ...], str, _Answer], ...]] = (
    ("a sign of life", ("GET", "HEAD"), r"^/?", _alive),
    ("a count of tokens", ("POST",), r"/messages/count_tokens", _anthropic_count),
    ("a count of tokens", ("POST",), r":countTokens", _google_count),
    ("a count of tokens", ("POST",), r"/responses/input_tokens", _openai_count),
    ("a count of tokens", ("POST",), r"/model/[^/]+/count-tokens", _bedrock_count),
    ("a count of tokens", ("POST",), r"/v1/tokenize", _cohere_count),
    ("a list of models", ("GET", "HEAD"), r"/models", _models),
    ("a model", ("GET", "HEAD"), r"/models/(?P<id>[^/]+(/[^/]+)?)", _model),
    ("a list of models", ("GET",), r"/api/tags", _ollama_tags),
    ("a version", ("GET", "HEAD"), r"/api/version", _ollama_version),
    ("a model", ("POST",), r"/api/show", _ollama_show),
    ("a look at something", ("GET", "HEAD", "OPTIONS"), r"", _not_found),
)
