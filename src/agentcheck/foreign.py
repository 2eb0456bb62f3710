"""Reads the recordings of others, as untrusted input: vcrpy's YAML and JSON, and the formats derived from it.

- vcrpy (https://vcrpy.readthedocs.io): `interactions: [{request: {method, uri, headers, body}, response: …}]`
- pydantic-ai: the same, with a JSON body kept as data under `parsed_body`
- langchain-tests: gzipped YAML of `requests: […]` and `responses: […]`
- cassetter: vcrpy's in YAML or TOML, each body with its type (`{type: json|text|binary, content: …}`)
- ddapm-test-agent: JSON of one `request` and one `response`, a binary body as text that begins with `base64:`

A folder of pytest-recording (`cassettes/<module>/<test>.yaml`) is a folder of vcrpy's files.
YAML is read with a loader that builds no objects; anchors and aliases are refused (a few hundred bytes of
them unfold to gigabytes), and so is nesting beyond reason. Compressed bodies are unpacked.
"""

import base64
import gzip
import io
import json
import tomllib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from agentcheck.dialects import eventstream
from agentcheck.wire import CassetteError, Exchange, WireReply, WireRequest, header


class NotARecording(CassetteError):
    """Well-formed data of some other kind."""


LIMIT: Final = 256 * 2**20  # bytes, unpacked: a recording beyond this is a bomb or a mistake
DEPTH: Final = 100  # levels of YAML nesting
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is some ten times faster
_STALE: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})  # of a body since unpacked


def text_of(path: Path) -> str:
    """The text of a recording, unzipped where need be. Raises CassetteError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CassetteError(f"there is no recording at {path}") from None
    except OSError as error:
        raise CassetteError(f"cannot read the recording {path}: {error.strerror}") from None
    if raw.startswith(b"\x1f\x8b"):
        raw = _gunzipped(raw, path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CassetteError(f"{path} is not UTF-8 text at byte {error.start}: it is no recording") from None
    if not text.strip():
        raise CassetteError(f"{path} is empty: it holds no recording")
    return text


def _gunzipped(raw: bytes, path: Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            unpacked = file.read(LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise CassetteError(f"{path} is truncated or not gzip: {error}") from None
    if len(unpacked) > LIMIT:
        raise CassetteError(f"{path} unpacks to more than {LIMIT >> 20} MiB, which is no recording")
    return unpacked


def exchanges(text: str, path: Path) -> list[Exchange]:
    """The exchanges of a recording that is not ours. Raises CassetteError."""
    data = _loaded(text, path)
    if not isinstance(data, dict):
        raise NotARecording(f"{path} is no recording: it holds a {type(data).__name__} where `interactions` belong")
    if data.get("version", 1) != 1:
        raise CassetteError(f"{path} is of version {data['version']!r}; vcrpy's version 1 is what can be read")
    found = []
    for number, pair in enumerate(_pairs(data, path), 1):
        try:
            found.append(Exchange(_request(pair["request"]), _reply(pair["response"])))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise CassetteError(f"{path}: interaction {number} is not one of vcrpy's: {_wrong(error):.200}") from None
    return found


def _wrong(error: Exception) -> str:
    match error:
        case KeyError():
            return f"it has no {error.args[0]!r}"
        case ValueError():
            return str(error)
    return "it needs a request of method, uri, headers and body, and a response of status, headers and body"


def _pairs(data: Mapping[str, Any], path: Path) -> list[Mapping[str, Any]]:
    if isinstance(data.get("interactions"), list):
        return list(data["interactions"])
    if isinstance(data.get("request"), dict) and isinstance(data.get("response"), dict):
        return [{part: _as_of_vcrpy(data[part]) for part in ("request", "response")}]
    requests, responses = data.get("requests"), data.get("responses")
    if not isinstance(requests, list) or not isinstance(responses, list):
        raise NotARecording(f"{path} is no recording: it has neither `interactions` nor `requests` and `responses`")
    if len(requests) != len(responses):
        raise CassetteError(f"{path} is truncated: {len(requests)} requests, but {len(responses)} responses")
    return [{"request": a, "response": b} for a, b in zip(requests, responses, strict=True)]


def _as_of_vcrpy(part: Mapping[str, Any]) -> dict[str, Any]:
    """One half of an exchange of ddapm-test-agent."""
    body = part.get("body")
    binary = isinstance(body, str) and body.startswith("base64:")
    named = {"uri": part["url"]} if "url" in part else {}
    return {**part, **named, "body": {"base64_string": str(body)[len("base64:") :]} if binary else body}


# --- JSON, TOML and YAML ---------------------------------------------------------------


def _loaded(text: str, path: Path) -> Any:
    if path.suffix == ".toml":
        return _toml(text, path)
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except RecursionError:
            raise CassetteError(f"{path} is nested too deeply to be a recording") from None
        except ValueError as error:
            if not text.rstrip().endswith("}"):
                raise CassetteError(f"{path} is truncated, or neither JSON nor YAML: {error}") from None
    return _yaml(text, path)


def _toml(text: str, path: Path) -> Any:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise CassetteError(f"{path} is truncated, or not TOML: {error}") from None


def _yaml(text: str, path: Path) -> Any:
    try:
        _refuse_unsafe(text, path)
        return yaml.load(text, _Loader)  # a safe loader, whichever this machine has
    except yaml.constructor.ConstructorError as error:
        raise CassetteError(
            f"{path} is refused: {_at(error)} it tries to construct a Python object ({error.problem}); "
            "save it as plain data"
        ) from None
    except yaml.YAMLError as error:
        problem = " ".join((getattr(error, "problem", None) or str(error)).split())
        raise CassetteError(f"{path} is truncated, or neither YAML nor JSON: {_at(error)} {problem}") from None
    except CassetteError:
        raise
    except (ValueError, RecursionError) as error:  # such as a date of the 99th of May
        raise CassetteError(f"{path} is not valid YAML: {error}") from None


def _refuse_unsafe(text: str, path: Path) -> None:
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None):
            raise CassetteError(
                f"{path} is refused: line {line} has a YAML anchor or alias ({event.anchor!r}), which can unfold "
                "without end; save it without them"
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise CassetteError(f"{path} is refused: line {line} is nested more than {DEPTH} levels deep")


def _at(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"in line {mark.line + 1}" if mark else "somewhere"


# --- vcrpy's data ----------------------------------------------------------------------


def _request(data: Mapping[str, Any]) -> WireRequest:
    headers = _headers(data.get("headers"))
    body, headers = _unpacked(_body(data, data.get("body")), headers)
    return WireRequest(str(data["method"]), str(data["uri"]), headers, body)


def _reply(data: Mapping[str, Any]) -> WireReply:
    """Also as vcrpy before version 6 kept httpx replies: `content` and `status_code`."""
    status = data["status_code"] if "status_code" in data else data["status"]
    status = status["code"] if isinstance(status, Mapping) else status
    headers = _headers(data.get("headers"))
    body, headers = _unpacked(_body(data, data.get("content", data.get("body"))), headers)
    return WireReply(int(status), headers, _chunks(body, headers))


def _headers(data: Any) -> dict[str, str]:
    items = {} if data is None else data
    return {str(name): _joined(value) for name, value in items.items()}


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_joined(item) for item in value)
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(data: Mapping[str, Any], plain: Any) -> bytes:
    if "parsed_body" in data:
        return _json_bytes(data["parsed_body"])
    if "body_type" in data:  # cassetter's, in TOML
        return _bytes({"type": data["body_type"], "content": data.get("body_content")})
    return _bytes(plain)


def _bytes(body: Any) -> bytes:
    if isinstance(body, Mapping) and "type" in body:
        return _typed(str(body["type"]), body.get("content"))
    if isinstance(body, Mapping):
        if "base64_string" in body:
            return base64.b64decode(body["base64_string"])
        body = body.get("string")
    if isinstance(body, bytes):
        return body
    if body is None or isinstance(body, str):
        return (body or "").encode("utf-8", "surrogatepass")
    return _json_bytes(body)


def _typed(kind: str, content: Any) -> bytes:
    """A body of cassetter's: binary as hexadecimal digits, JSON as data (as text in TOML)."""
    if content is None:
        return b""
    if kind == "binary":
        return bytes.fromhex(content)
    return _json_bytes(content) if kind == "json" and not isinstance(content, str) else _bytes(content)


def _json_bytes(data: Any) -> bytes:
    return json.dumps(data, default=str).encode()


def _unpacked(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """requests and aiohttp keep the header of a body that they have unpacked already: look at the bytes."""
    encoding = header(headers, "content-encoding").lower()
    if body.startswith(b"\x1f\x8b"):
        body = _inflated(body, 31)
    elif encoding == "deflate" and body[:1] == b"\x78":
        body = _inflated(body, 15)
    elif encoding in ("br", "zstd") and not _is_text(body):
        return body, headers
    return body, {name: value for name, value in headers.items() if name.lower() not in _STALE}


def _inflated(body: bytes, bits: int) -> bytes:
    try:
        engine = zlib.decompressobj(bits)
        unpacked = engine.decompress(body, LIMIT)
    except zlib.error as error:
        raise ValueError(f"a compressed body that does not unpack: {error}") from None
    if engine.unconsumed_tail:
        raise ValueError(f"a body that unpacks to more than {LIMIT >> 20} MiB")
    return unpacked


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _chunks(body: bytes, headers: Mapping[str, str]) -> tuple[bytes, ...]:
    """Where the boundaries are lost, a stream is dealt event by event."""
    if eventstream.begins(body):
        return eventstream.split(body)
    if "text/event-stream" not in header(headers, "content-type").lower():
        return (body,)
    marked = body.replace(b"\r\n\r\n", b"\r\n\r\n\0").replace(b"\n\n", b"\n\n\0")
    return tuple(piece for piece in marked.split(b"\0") if piece) if b"\0" not in body else (body,)
