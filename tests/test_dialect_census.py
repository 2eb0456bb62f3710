"""Every request of the shared recordings has one name: a dialect, a format that none judges, or what it is beside.

And the table of those names; and a dialect that a distribution of somebody else's brings along.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from test_dialect_recordings import SHARED, every_exchange

from agentcheck import dialects
from agentcheck.wire import WireError, WireRequest

shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/cassettes, recordings that others made")


def post(path: str, body: bytes = b"{}") -> WireRequest:
    return WireRequest("POST", f"https://example.com{path}", {}, body)


# --- the recordings --------------------------------------------------------------------


@cache
def census() -> Counter[str]:
    """How many requests have which names; a request with two counts under both, joined."""
    found: Counter[str] = Counter()
    for _, exchange in every_exchange():
        request = exchange.request
        judged = [dialect.name for dialect in dialects.known() if dialect.recognises(request)]
        named = judged or [n for n in (dialects.unread(request.url), dialects.side_request(request)) if n]
        found[" and ".join(named) or f"nothing: {request.method} {request.url}"] += 1
    return found


@shared
def test_all_files_are_counted() -> None:
    listed = {entry["file"].rpartition("/")[2] for entry in json.loads((SHARED / "MANIFEST.json").read_text())}
    assert {where.rpartition(", ")[0] for where, _ in every_exchange()} == listed
    assert sum(census().values()) == len(every_exchange()) >= 500


@shared
def test_every_request_has_exactly_one_name() -> None:
    assert [name for name in census() if name.startswith("nothing") or " and " in name] == []


@shared
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("openai-chat", 149),
        ("openai-responses", 55),
        ("anthropic", 105),
        ("gemini", 128),
        ("bedrock-converse", 30),
        ("bedrock-invoke", 6),
        ("cohere", 10),
        ("ollama", 1),
        ("OpenAI's legacy Completions", 2),
        ("Gemini's Interactions", 2),
        ("Cohere's Chat of version 1", 12),
        ("Amazon Bedrock's, of a family other than Claude", 1),
        ("a list of models", 1),
        ("something looked up", 2),
    ],
)
def test_at_least_so_many_have_this_name(name: str, least: int) -> None:
    assert census()[name] >= least


@shared
def test_no_other_name_occurs() -> None:
    """A call of a model that a dialect fails to recognise would turn up under some name that is not expected."""
    judged = {dialect.name for dialect in dialects.known()}
    beside = {"a list of models", "something looked up"}
    unread = {"OpenAI's legacy Completions", "Gemini's Interactions", "Cohere's Chat of version 1"}
    assert set(census()) - judged - beside - unread == {"Amazon Bedrock's, of a family other than Claude"}


# --- the names -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/completions", "OpenAI's legacy Completions"),
        ("/openai/deployments/ada/completions?api-version=1", "OpenAI's legacy Completions"),
        ("/v1/agents/completions", "Mistral's Agents"),
        ("/v1/fim/completions", "Mistral's fill-in-the-middle"),
        ("/v1/threads/runs", "OpenAI's Assistants"),
        ("/v1/threads/thread_1/runs", "OpenAI's Assistants"),
        ("/v1/threads/thread_1/runs/run_1/submit_tool_outputs", "OpenAI's Assistants"),
        ("/v1/responses/compact", "OpenAI's compaction"),
        ("/v1beta/interactions", "Gemini's Interactions"),
        ("/v1/complete", "Anthropic's legacy Completions"),
        ("/v1/chat/", "Cohere's Chat of version 1"),
        ("/api/generate", "Ollama's generate"),
        ("/generate_stream", "Text Generation Inference's own"),
        ("/ml/v1/text/chat?version=2024-05-31", "watsonx's own"),
        ("/ml/v1/deployments/d1/text/generation_stream", "watsonx's own"),
        ("/api/v1/services/aigc/text-generation/generation", "DashScope's own"),
        ("/serving-endpoints/mine/invocations", "Databricks' and SageMaker's invocations"),
        ("/v1/models/owner/name/predictions", "Replicate's"),
        ("/model/meta.llama2-13b-chat-v1/invoke", "Amazon Bedrock's, of a family other than Claude"),
    ],
)
def test_a_format_that_is_not_judged_is_named(path: str, name: str) -> None:
    assert dialects.unread(post(path).url) == name
    assert dialects.side_request(post(path)) is None
    assert dialects.dialect_of(post(path)) is None


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/v1/models", "a list of models"),
        ("get", "/v1/models/gpt-4o/", "a list of models"),
        ("GET", "/v1beta/models/gemini-2.5-flash", "a list of models"),
        ("GET", "/api/tags", "a list of models"),
        ("POST", "/api/show", "a list of models"),
        ("POST", "/v1/messages/count_tokens", "a count of tokens"),
        ("POST", "/v1beta/models/gemini-2.5-flash:countTokens", "a count of tokens"),
        ("POST", "/v1/responses/input_tokens", "a count of tokens"),
        ("POST", "/v1/embeddings", "embeddings"),
        ("POST", "/v2/embed", "embeddings"),
        ("POST", "/v1beta/models/text-embedding-004:batchEmbedContents", "embeddings"),
        ("POST", "/model/amazon.titan-embed-text-v2%3A0/invoke", "embeddings"),
        ("POST", "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict", "embeddings"),
        ("POST", "/v2/rerank", "a ranking"),
        ("POST", "/v1/moderations", "a moderation"),
        ("POST", "/v1/audio/speech", "audio"),
        ("POST", "/v1/images/generations", "images"),
        ("POST", "/v1beta/models/imagen-4.0:predict", "images"),
        ("POST", "/v1/videos", "videos"),
        ("POST", "/v1/files", "files"),
        ("DELETE", "/v1/files/file-1", "files"),
        ("POST", "/v1/messages/batches", "batches"),
        ("GET", "/v1/responses/resp_1", "something stored"),
        ("POST", "/v1/responses/resp_1/cancel", "something stored"),
        ("POST", "/v1/conversations", "something stored"),
        ("POST", "/v1/threads/thread_1/messages", "something stored"),
        ("GET", "/v1/chat/completions/chatcmpl-1", "something stored"),
        ("POST", "/oauth2/token", "a token of access"),
        ("POST", "/v1/traces", "telemetry"),
        ("POST", "/runs/multipart", "telemetry"),
        ("POST", "/mcp", "a call of an MCP server"),
        ("GET", "/functions/hash/1", "something looked up"),
        ("OPTIONS", "/", "something looked up"),
    ],
)
def test_what_is_no_call_of_a_model_is_named(method: str, path: str, name: str) -> None:
    request = WireRequest(method, f"https://example.com{path}", {}, b"")
    assert dialects.side_request(request) == name
    assert dialects.unread(request.url) is None
    assert dialects.dialect_of(request) is None


@pytest.mark.parametrize("path", ["/deploy", "/v1/models/gpt2", "/v1/chat/completions", "/v1/responses", "/"])
def test_what_may_be_anything_has_no_name(path: str) -> None:
    """A POST to a model's address is not a list of models; one that a dialect reads is not named twice."""
    assert dialects.side_request(post(path)) is None
    assert dialects.unread(post(path).url) is None


# --- dialects of others ----------------------------------------------------------------

FOREIGN = """
from agentcheck.dialects.openai_chat import *
from agentcheck.wire import header

name = "house-chat"


def recognises(request):
    return request.path.endswith("/chat/completions") and header(request.headers, "x-house") == "yes"
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Installs a distribution that offers a dialect: the code of its module, and what its entry point says."""

    def put(code: str, point: str = "house = house_dialect") -> None:
        (tmp_path / "house_dialect.py").write_text(code)
        info = tmp_path / "house_dialect-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-dialect\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[agentcheck.dialects]\n{point}\n")
        monkeypatch.syspath_prepend(tmp_path)
        dialects.known.cache_clear()

    yield put
    sys.modules.pop("house_dialect", None)
    monkeypatch.undo()
    dialects.known.cache_clear()


def test_a_foreign_dialect_comes_before_the_bundled_ones(install) -> None:
    bundled = {dialect.name for dialect in dialects.known()}
    install(FOREIGN)
    assert {dialect.name for dialect in dialects.known()} == bundled | {"house-chat"}
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    both = WireRequest("POST", "https://example.com/v1/chat/completions", {"X-House": "yes"}, body)
    assert dialects.dialect_of(both) is dialects.named("house-chat")
    assert dialects.dialect_of(post("/v1/chat/completions", body)) is dialects.named("openai-chat")


def test_a_foreign_dialect_may_be_a_class(install) -> None:
    code = FOREIGN + "\n\nclass House:\n    pass\n\n\n"
    code += "for each in (*__import__('agentcheck.dialects.openai_chat', fromlist=['x']).__all__,):\n"
    code += "    found = globals()[each]\n"
    code += "    setattr(House, each, staticmethod(found) if callable(found) else found)\n"
    install(code, "house = house_dialect:House")
    found = dialects.named("house-chat")
    assert type(found).__name__ == "House"


@pytest.mark.parametrize(
    ("code", "point", "sentence"),
    [
        ("import nothing_of_this_name", "house = house_dialect", "'house' (house_dialect) does not load: ModuleNot"),
        ("x = 1", "house = house_dialect:Gone", "'house' (house_dialect:Gone) does not load: AttributeError"),
        ("name = 'half'", "house = house_dialect", "'house' (house_dialect) is no dialect: it lacks a name"),
    ],
)
def test_a_foreign_dialect_that_is_none_is_named(install, code: str, point: str, sentence: str) -> None:
    install(code, point)
    with pytest.raises(WireError) as caught:
        dialects.known()
    assert sentence in str(caught.value)
