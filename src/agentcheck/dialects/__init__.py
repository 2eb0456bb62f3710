"""The wire formats that agentcheck speaks: its own, and any that a distribution offers by entry point.

A third party adds one in the group `agentcheck.dialects`: a module, object or class of the shape of
`agentcheck.wire.Dialect`.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from agentcheck.wire import Dialect, WireError, WireRequest, path_of

GROUP: Final = "agentcheck.dialects"
_BUNDLED: Final = tuple(
    f"agentcheck.dialects.{module}"
    for module in (
        "openai_chat",
        "openai_responses",
        "anthropic",
        "gemini",
        "bedrock_converse",
        "bedrock_invoke",
        "cohere",
        "ollama",
    )
)
# How the paths of other formats end, which no dialect judges.
_UNREAD: Final = {
    "Mistral's Agents": r"/agents/completions",
    "Mistral's fill-in-the-middle": r"/fim/completions",
    "OpenAI's legacy Completions": r"(?<!/chat)(?<!/agents)(?<!/fim)/completions",
    "OpenAI's Assistants": r"/threads(/[^/]+)?/runs|/runs/[^/]+/submit_tool_outputs",
    "OpenAI's compaction": r"/responses/compact",
    "OpenAI's Realtime": r"/realtime",
    "Gemini's Interactions": r"/interactions",
    "Gemini's Live": r"\.BidiGenerateContent",
    "PaLM's": r":(serverStreamingPredict|generateText|generateMessage)",
    "Amazon Bedrock's, of a family other than Claude":
        r"/model/(?![^/]*(embed|rerank))[^/]+/(invoke|invoke-with-response-stream)",
    "Anthropic's legacy Completions": r"/v1/complete",
    "Cohere's Chat of version 1": r"/v1/chat",
    "Ollama's generate": r"/api/generate",
    "Text Generation Inference's own": r"(?<!/api)/(generate|generate_stream)",
    "watsonx's own": r"/ml/v1/(deployments/[^/]+/)?text/(chat|chat_stream|generation|generation_stream)",
    "DashScope's own": r"/aigc/(text|multimodal)-generation/generation",
    "Databricks' and SageMaker's invocations": r"/(invocations|invocations-response-stream)",
    "Replicate's": r"/predictions",
}  # fmt: skip
# How method and path end of what clients ask beside their model calls.
_SIDE: Final = {
    "a list of models": r"(GET|HEAD) .*/(models|foundation-models|tags|ps|version)(/[^:]*)?|/api/(show|pull)",
    "a count of tokens":
        r"/(count_tokens|count-tokens(:rawPredict)?|input_tokens|tokenize)|:(countTokens|computeTokens)",
    "embeddings":
        r"/(embed|embeddings|embed-jobs)|:(embed|batchEmbed|asyncBatchEmbed)(Content|Contents|Text)"
        r"|/[^/]*embed[^/]*(/invoke|:predict)",
    "a ranking": r"/rerank|/[^/]*rerank[^/]*/invoke",
    "a moderation": r"/moderations|/guardrail/[^/]+/version/[^/]+/apply",
    "audio": r"/audio/\w+",
    "images": r"/images/\w+|/[^/]*imagen[^/]*:predict",
    "videos": r"/videos(/.*)?|:predictLongRunning",
    "files": r"/(files|uploads|vector_stores)(/.*)?",
    "a cache of contents": r"/cachedContents(/.*)?",
    "batches": r"/batches(/.*)?|:batchGenerateContent",
    "training": r"/(fine_tuning|fine-tuning|finetuning|tunedModels)(/[^:]*)?",
    "telemetry": r"/(traces|metrics|logs|telemetry|track|ingestion|envelope)(/.*)?|/runs/(batch|multipart)",
    "something stored":
        r"/responses/(?!compact)[^/]+(/cancel)?|/(completions|interactions|runs)/[^/]+(/cancel)?"
        r"|/(conversations|threads|assistants)(/(?!runs)[^/]+(/(messages|items)(/[^/]+)?)?)?",
    "a token of access": r"/(oauth2?|token|login|sts)(/.*)?",
    "a call of an MCP server": r"/(mcp|sse)",
}  # fmt: skip
_LOOKS: Final = ("GET", "HEAD", "OPTIONS", "DELETE")  # no model is called by them


@cache
def known() -> tuple[Dialect, ...]:
    """Every dialect at hand, those of others first, so that one can read what a bundled one would read otherwise.

    Raises WireError where a foreign one does not load.
    """
    bundled = tuple(_checked(import_module(module), module) for module in _BUNDLED)
    return tuple(_foreign(point) for point in entry_points(group=GROUP)) + bundled


def dialect_of(request: WireRequest) -> Dialect | None:
    """The dialect in which this request is a model call, None where it is none."""
    return next((dialect for dialect in known() if dialect.recognises(request)), None)


def unread(url: str) -> str | None:
    """The name of the format in which a request to this address calls a model, where no dialect judges it."""
    return _ending(path_of(url), _UNREAD)


def side_request(request: WireRequest) -> str | None:
    """What a request is that calls no model: a list of models, embeddings, …; None where it may be anything."""
    method = request.method.upper()
    return _ending(f"{method} {request.path}", _SIDE) or ("something looked up" if method in _LOOKS else None)


def _ending(path: str, endings: Mapping[str, str]) -> str | None:
    return next((name for name, ending in endings.items() if re.search(f"(?:{ending})$", path.rstrip("/"))), None)


def named(name: str) -> Dialect:
    """The dialect of this name. Raises WireError, listing the names, where there is none."""
    found = next((dialect for dialect in known() if dialect.name == name), None)
    if found is None:
        raise WireError(f"no dialect {name!r}; the dialects are {', '.join(d.name for d in known())}")
    return found


def _foreign(point: EntryPoint) -> Dialect:
    owner = f"the dialect {point.name!r} ({point.value})"
    try:
        loaded = point.load()
        return _checked(loaded() if isinstance(loaded, type) else loaded, owner)
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"{owner} does not load: {type(error).__name__}: {error}") from error


def _checked(candidate: object, owner: str) -> Dialect:
    if not isinstance(candidate, Dialect):
        raise WireError(f"{owner} is no dialect: it lacks a name of the shape agentcheck.wire.Dialect")
    return candidate
