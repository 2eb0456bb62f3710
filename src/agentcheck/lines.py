"""The lines of a recording of ours, both ways: a header, then one exchange a line."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agentcheck.wire import CassetteError, Exchange, WireReply, WireRequest, json_bytes

VERSION: Final = "cassette/1"
START: Final = b'{"agentcheck"'


@dataclass(slots=True)
class Content:
    """What a file holds. `whole`: the bytes up to the end of its last whole line; `torn`: those after it."""

    provenance: Mapping[str, Any] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    whole: int = 0
    torn: bytes = b""
    lines: int = 0
    ended: bool = True  # whether the last whole line has its newline


def head(provenance: Mapping[str, Any]) -> bytes:
    return _line({"agentcheck": VERSION, "provenance": dict(provenance)})


def line(exchange: Exchange) -> bytes:
    request, reply = exchange.request, exchange.reply
    return _line(
        {
            "request": {
                "method": request.method,
                "url": request.url,
                "headers": dict(request.headers),
                "body": _packed(request.body),
            },
            "reply": {
                "status": reply.status,
                "headers": dict(reply.headers),
                "chunks": [_packed(chunk) for chunk in reply.chunks],
                "times": [round(time, 6) for time in exchange.times],
            },
        }
    )


def parsed(lines: Iterable[bytes], path: Path) -> Content:
    """The content of a recording, given line by line. Raises CassetteError for all but a torn last line."""
    content = Content()
    for number, raw in enumerate(lines, 1):
        try:
            if number == 1:
                content.provenance = _head(raw, path)
            elif raw.strip():
                content.exchanges.append(_exchange(raw, f"{path}:{number} is not an exchange"))
        except CassetteError:
            if number == 1 or raw.endswith(b"\n"):
                raise
            content.torn = raw
            return content
        content.lines = number
        content.whole += len(raw)
        content.ended = raw.endswith(b"\n")
    return content


def torn(content: Content, path: Path) -> str:
    """What is to be said of a torn last line."""
    return (
        f"{path}:{content.lines + 1} is torn: the recording was cut off in this line, "
        f"the {len(content.exchanges)} exchanges before it are whole; delete the line to use them"
    )


def _line(data: Any) -> bytes:
    return json_bytes(data) + b"\n"


def _packed(body: bytes) -> str | dict[str, str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _head(raw: bytes, path: Path) -> Mapping[str, Any]:
    data = _json(raw, f"{path}:1 is not the header of a recording")
    if data.get("agentcheck") != VERSION:
        raise CassetteError(f"{path} is of version {data.get('agentcheck')!r}; this agentcheck reads {VERSION!r}")
    provenance = data.get("provenance")
    return provenance if isinstance(provenance, dict) else {}


def _exchange(raw: bytes, complaint: str) -> Exchange:
    data = _json(raw, complaint)
    try:
        request, reply = data["request"], data["reply"]
        return Exchange(
            WireRequest(
                _typed(request["method"], str),
                _typed(request["url"], str),
                _texts(request["headers"]),
                _raw(request["body"]),
            ),
            WireReply(_typed(reply["status"], int), _texts(reply["headers"]), tuple(_raw(c) for c in reply["chunks"])),
            tuple(float(time) for time in reply.get("times", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CassetteError(f"{complaint}: {type(error).__name__} {error}") from None


def _json(raw: bytes, complaint: str) -> dict[str, Any]:
    try:
        data = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise CassetteError(f"{complaint}: {error}") from None
    if not isinstance(data, dict):
        raise CassetteError(f"{complaint}: it is a {type(data).__name__}, not an object")
    return data


def _raw(packed: Any) -> bytes:
    if isinstance(packed, dict):
        return base64.b64decode(_typed(packed["base64"], str), validate=True)
    return str(_typed(packed, str)).encode()


def _texts(headers: Any) -> dict[str, str]:
    return {str(name): str(_typed(value, str)) for name, value in _typed(headers, dict).items()}


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r:.80} is no {kind.__name__}")
    return value
