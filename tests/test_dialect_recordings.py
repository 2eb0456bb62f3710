"""Every dialect over the recordings of real providers that others made: read whole, paired, written back the same."""

from functools import cache
from pathlib import Path

import pytest

from agentcheck import dialects
from agentcheck.cassette import Cassette
from agentcheck.window import unpaired
from agentcheck.wire import Dialect, Exchange, WireError

SHARED = Path(__file__).parents[2] / "shared" / "cassettes"
# Model calls of each dialect in those recordings, at the least.
COUNTS = {
    "openai-chat": 149,
    "openai-responses": 55,
    "anthropic": 105,
    "gemini": 128,
    "bedrock-converse": 30,
    "bedrock-invoke": 6,
    "cohere": 10,
    "ollama": 1,
}

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/cassettes, recordings that others made")


@cache
def exchanges(name: str) -> list[tuple[str, Exchange]]:
    """All model calls of one dialect, with the file and number of each."""
    return [(where, e) for where, e in every_exchange() if (d := dialects.dialect_of(e.request)) and d.name == name]


@cache
def every_exchange() -> list[tuple[str, Exchange]]:
    paths = sorted([*SHARED.rglob("*.yaml"), *SHARED.rglob("*.yaml.gz")])
    return [(f"{p.name}, {n}", e) for p in paths for n, e in enumerate(Cassette.read(p, lenient=True).exchanges, 1)]


@pytest.fixture(params=sorted(COUNTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_all_model_calls_are_read(name):
    dialect, found = dialects.named(name), exchanges(name)
    assert len(found) >= COUNTS[name]
    for where, exchange in found:
        request = dialect.parse(exchange.request)
        assert request.messages, where
        assert request.dialect == name, where
        assert dialect.messages_json(exchange.request), where


def test_one_dialect_takes_each_model_call():
    for where, exchange in every_exchange():
        takers = [d.name for d in dialects.known() if d.recognises(exchange.request)]
        assert len(takers) <= 1, (where, takers)


def test_every_exchange_is_accounted_for():
    """A model call in a format that is judged, or in one that is named, or no model call at all."""
    for where, exchange in every_exchange():
        request = exchange.request
        found = dialects.dialect_of(request) or dialects.unread(request.url) or dialects.side_request(request)
        assert found, (where, request.method, request.url)


def test_replies_are_decisions_or_the_providers_own_errors(name):
    dialect = dialects.named(name)
    refused = {where: said for where, e in exchanges(name) if e.reply.status < 400 and (said := complaint(dialect, e))}
    assert [where for where, said in refused.items() if "broke off with an error" not in said] == []


def complaint(dialect: Dialect, exchange: Exchange) -> str:
    """Why a reply is no decision; nothing where it is one."""
    try:
        dialect.parse_reply(exchange.reply)
    except WireError as error:
        return str(error)
    return ""


def test_what_is_decided_is_written_and_read_the_same(name):
    dialect = dialects.named(name)
    for where, exchange in exchanges(name):
        if exchange.reply.status >= 400:
            continue
        request, decision = dialect.parse(exchange.request), dialect.parse_reply(exchange.reply)
        again = dialect.parse_reply(dialect.reply(decision, request))
        assert (again.text, again.finish) == (decision.text, decision.finish), where
        assert [(c.name, c.parsed()) for c in again.calls] == [(c.name, c.parsed()) for c in decision.calls], where


def test_calls_and_results_pair_in_good_histories(name):
    """What the provider accepted, it found in order."""
    dialect = dialects.named(name)
    for where, exchange in exchanges(name):
        if exchange.reply.status < 300:
            assert unpaired(dialect.parse(exchange.request)) is None, where
