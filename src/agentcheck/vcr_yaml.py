"""Recordings written as vcrpy's YAML, for whoever replays them with vcrpy.

Boundaries and times of chunks have no place in that format, nor has the provenance.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import yaml

from agentcheck.wire import Exchange

_Safe: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Safe):  # type: ignore[misc]  # whichever this machine has
    def ignore_aliases(self, data: Any) -> bool:
        """Never an alias: readers that are careful refuse them."""
        return True


def dumped(exchanges: Iterable[Exchange]) -> bytes:
    """A cassette of vcrpy's version 1."""
    data = {"interactions": [_interaction(exchange) for exchange in exchanges], "version": 1}
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, encoding="utf-8")


def _interaction(exchange: Exchange) -> dict[str, Any]:
    request, reply = exchange.request, exchange.reply
    return {
        "request": {
            "method": request.method,
            "uri": request.url,
            "headers": _headers(request.headers),
            "body": _text(request.body) if request.body else None,
        },
        "response": {
            "status": {"code": reply.status, "message": _phrase(reply.status)},
            "headers": _headers(reply.headers),
            "body": {"string": _text(reply.body)},
        },
    }


def _headers(headers: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in headers.items()}


def _text(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
