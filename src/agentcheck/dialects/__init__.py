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
from urllib.parse import urlsplit

from agentcheck.wire import Dialect, WireError, WireRequest

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
    "OpenAI's legacy Completions": r"(?<!/chat)/completions",
    "Gemini's Interactions": r"/interactions",
    "Amazon Bedrock's, of a family other than Claude": r"/(invoke|invoke-with-response-stream)",
    "Ollama's generate": r"/api/generate",
    "Cohere's Chat of version 1": r"/v1/chat",
}
# How the paths end of what clients ask beside their model calls, or instead of them.
_SIDE: Final = {
    "a list of models": r"/(models|tags|api/show|foundation-models)(/[^:]*)?",
    "a count of tokens": r"(/count_tokens|:countTokens|/input_tokens|/tokenize|/count-tokens)",
    "embeddings": r"(/embed|/embeddings|:embedContent|:batchEmbedContents|:predict|/rerank)",
    "a moderation": r"/moderations",
    "audio": r"/audio/\w+",
    "images": r"/images/\w+",
    "files": r"/files(/.*)?",
    "batches": r"/batches(/.*)?",
    "a stored response": r"/(responses|conversations|threads)/.+",
    "a token of access": r"/(oauth2?|token|login)(/.*)?",
    "telemetry": r"/(traces|metrics|logs|telemetry|events|track)(/.*)?",
}


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
    return _ending(url, _UNREAD)


def side_request(request: WireRequest) -> str | None:
    """What a request is that calls no model: a list of models, embeddings, …; None where it may be anything."""
    if request.method.upper() in ("GET", "HEAD", "OPTIONS", "DELETE"):
        return _ending(request.url, _SIDE) or "a look at something"
    return _ending(request.url, _SIDE)


def _ending(url: str, endings: Mapping[str, str]) -> str | None:
    path = urlsplit(url).path.rstrip("/")
    return next((name for name, ending in endings.items() if re.search(f"{ending}$", path)), None)


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
