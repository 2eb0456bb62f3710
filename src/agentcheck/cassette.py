"""Recordings of a model's traffic: JSON Lines, on disk before the answer is passed on, free of secrets.

The first line is `{"agentcheck": "cassette/1", "provenance": {…}}`; each further line one exchange:
`{"request": {method, url, headers, body}, "reply": {status, headers, chunks, times}}`. A body or chunk
is a string, or `{"base64": …}` where it is not UTF-8. `times` are the seconds from the request to each chunk.
"""

import base64
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agentcheck.clean import cleaned, secrets_in, spread_over_stream
from agentcheck.replay import Player
from agentcheck.secrets import find
from agentcheck.wire import CassetteError, Exchange, WireReply, WireRequest

__all__ = ["Cassette", "CassetteError", "Exchange", "Player"]

VERSION: Final = "cassette/1"


@dataclass(slots=True)
class Cassette:
    """One recording: opened with `read` for replay, or begun with `create`."""

    path: Path
    provenance: Mapping[str, Any]
    exchanges: list[Exchange]
    warnings: tuple[str, ...] = ()
    _known: tuple[str, ...] = ()
    _lock: "threading.Lock | None" = None  # in quotes: before Python 3.13 it is a function

    @classmethod
    def read(cls, path: Path, *, lenient: bool = False) -> "Cassette":
        """A recording of ours, or one of vcrpy and its kin (see `agentcheck.foreign`).

        Raises CassetteError in one sentence. `lenient`: a torn last line and credentials become `warnings`
        instead, for salvage and audits.
        """
        from agentcheck import foreign  # late: YAML is needed for no recording of ours

        text = foreign.text_of(path)
        warnings: list[str] = []
        if is_ours(text):
            provenance, exchanges = _parse(text, path, warnings)
        else:
            provenance, exchanges = {}, foreign.exchanges(text, path)
        warnings += secrets_in(exchanges, path)
        if warnings and not lenient:
            raise CassetteError(warnings[0])
        return cls(path, provenance, exchanges, tuple(warnings))

    @classmethod
    def create(cls, path: Path, *, provenance: Mapping[str, Any], secrets: Iterable[str] = ()) -> "Cassette":
        """Begin a recording at `path`, which must not exist yet.

        `secrets` are values to remove whatever they look like. Raises CassetteError.
        """
        known = tuple(secrets)
        head = _line({"agentcheck": VERSION, "provenance": dict(provenance)})
        if left := find(head, known=known):
            raise CassetteError(f"the provenance of {path} holds a credential ({left[0][0]}); leave it out")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(head)
        except OSError as error:
            if path.exists():
                raise CassetteError(f"{path} exists already; delete it to record it anew") from None
            raise CassetteError(f"cannot write the recording {path}: {error.strerror}") from None
        return cls(path, dict(provenance), [], (), known, threading.Lock())

    def append(self, request: WireRequest, reply: WireReply, *, times: Sequence[float] = ()) -> Exchange:
        """Record one exchange, without its secrets; it is on disk when this returns.

        Raises CassetteError, and writes nothing, where a credential is left (in pieces over a stream, say).
        """
        if self._lock is None:
            raise CassetteError(f"{self.path} was opened to be read; begin a recording with Cassette.create")
        exchange = cleaned(Exchange(request, reply, tuple(times)), self._known)
        line = _line(_to_data(exchange))
        left = [*find(line, known=self._known), *spread_over_stream(exchange, self._known)]
        if left:
            found = ": ".join(left[0])
            raise CassetteError(f"not recorded in {self.path}: the exchange still holds a credential ({found})")
        with self._lock:
            _append(self.path, line)
            self.exchanges.append(exchange)
        return exchange

    def player(self, *, volatile: Iterable[str] = (), masks: Iterable[str] = ()) -> Player:
        """A replay from the start. `volatile` are body fields to leave out of account, as dotted paths
        (`metadata.request_id`, `messages.*.name`); `masks` are regular expressions of values in texts likewise."""
        return Player(self.exchanges, volatile=volatile, masks=masks)


# --- writing ---------------------------------------------------------------------------


def _to_data(exchange: Exchange) -> dict[str, Any]:
    request, reply = exchange.request, exchange.reply
    return {
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


def _packed(body: bytes) -> str | dict[str, str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _line(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"


def _append(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CassetteError(f"cannot write the recording {path}: {error.strerror}") from None


# --- reading ---------------------------------------------------------------------------


def is_ours(text: str) -> bool:
    """Whether the first line is (or begins as) the header of a recording of ours."""
    return text.split("\n", 1)[0].startswith('{"agentcheck"')


def _parse(text: str, path: Path, warnings: list[str]) -> tuple[Mapping[str, Any], list[Exchange]]:
    lines = text.split("\n")
    head = _json(lines[0], f"{path}:1 is not the header of a recording")
    if head.get("agentcheck") != VERSION:
        raise CassetteError(f"{path} is of version {head.get('agentcheck')!r}; this agentcheck reads {VERSION!r}")
    exchanges = []
    for number, line in enumerate(lines[1:], 2):
        torn = number == len(lines)  # a whole line ends in a newline, so the last piece is empty
        try:
            if line.strip():
                exchanges.append(_exchange(line, f"{path}:{number} is not an exchange"))
        except CassetteError:
            if not torn:
                raise
            warnings.append(
                f"{path}:{number} is torn: the recording was cut off in this line, "
                f"the {len(exchanges)} exchanges before it are whole; delete the line to use them"
            )
    provenance = head.get("provenance")
    return provenance if isinstance(provenance, dict) else {}, exchanges


def _exchange(line: str, complaint: str) -> Exchange:
    data = _json(line, complaint)
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
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CassetteError(f"{complaint}: {type(error).__name__} {error}") from None


def _json(line: str, complaint: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
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
