"""Recordings of a model's traffic: JSON Lines, on disk before the answer is passed on, free of secrets.

The first line is `{"agentcheck": "cassette/1", "provenance": {…}}`; each further line one exchange:
`{"request": {method, url, headers, body}, "reply": {status, headers, chunks, times}}`. A body or chunk
is a string, or `{"base64": …}` where it is not UTF-8. `times` are the seconds from the request to each chunk.
"""

import contextlib
import io
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from agentcheck import lines, store
from agentcheck.clean import cleaned, secrets_in, spread_over_stream
from agentcheck.replay import Player
from agentcheck.secrets import find
from agentcheck.wire import CassetteError, Exchange, WireReply, WireRequest

__all__ = ["Cassette", "CassetteError", "Exchange", "Player"]


@dataclass(slots=True)
class Cassette:
    """One recording: opened with `read` for replay, begun with `create`, gone on with by `open`.

    `ours`: it is in agentcheck's own format; `torn`: its last line was cut off.
    """

    path: Path
    provenance: Mapping[str, Any]
    exchanges: list[Exchange]
    warnings: tuple[str, ...] = ()
    ours: bool = True
    torn: bool = False
    _known: tuple[str, ...] = ()
    _end: store.Lines | None = None
    _lock: "threading.Lock | None" = None  # in quotes: before Python 3.13 it is a function

    @classmethod
    def read(cls, path: Path, *, lenient: bool = False) -> "Cassette":
        """A recording of ours, or one of vcrpy and its kin (see `agentcheck.foreign`).

        Raises CassetteError in one sentence. `lenient`: a torn last line and credentials become `warnings`
        instead, for salvage and audits.
        """
        content = _content(path)
        warnings = [lines.torn(content, path)] if content.torn else []
        warnings += secrets_in(content.exchanges, path)
        if warnings and not lenient:
            raise CassetteError(warnings[0])
        ours = content.whole > 0
        return cls(path, content.provenance, content.exchanges, tuple(warnings), ours, bool(content.torn))

    @classmethod
    def create(cls, path: Path, *, provenance: Mapping[str, Any], secrets: Iterable[str] = ()) -> "Cassette":
        """Begin a recording at `path`, which must not exist yet.

        `secrets` are values to remove whatever they look like. Raises CassetteError.
        """
        known = tuple(secrets)
        head = _head(path, provenance, known)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            store.create(path, head)
            return cls(path, dict(provenance), [], (), _known=known)._begun(store.Lines(path))
        except OSError as error:
            if path.exists():
                raise CassetteError(f"{path} exists already; delete it to record it anew") from None
            raise _unwritable(path, error) from None

    @classmethod
    def open(cls, path: Path, *, provenance: Mapping[str, Any], secrets: Iterable[str] = ()) -> "Cassette":
        """Go on with the recording at `path`, or begin it where there is none.

        The bytes of a torn last line are cut off once they are saved beside the recording; `warnings` says where.

        Raises:
            CassetteError: it is not one of ours, holds a credential, or is being recorded by something else.
        """
        if not path.exists():
            return cls.create(path, provenance=provenance, secrets=secrets)
        known, kept_header = tuple(secrets), ""
        try:
            end = store.Lines(path)
            if _has_torn_header(path):
                kept_header = _replaced_torn_header(path, end, _head(path, provenance, known))
            content = _ours(path)
            warnings = [kept_header] if kept_header else []
            warnings += _mended(path, content, end)
        except OSError as error:
            raise _unwritable(path, error) from None
        if found := secrets_in(content.exchanges, path, known):
            raise CassetteError(found[0])
        return cls(path, content.provenance, content.exchanges, tuple(warnings), _known=known)._begun(end)

    @classmethod
    def write(
        cls, path: Path, exchanges: Iterable[Exchange], *, provenance: Mapping[str, Any], secrets: Iterable[str] = ()
    ) -> "Cassette":
        """A whole recording at once, without its secrets: it replaces the file at `path`, or nothing happens.

        It is vcrpy's YAML where the name ends in .yaml or .yml. Raises CassetteError.
        """
        known = tuple(secrets)
        kept = [cleaned(exchange, known) for exchange in exchanges]
        complaint = f"exchange {{}} not written to {path}"
        written = [_checked(one, known, complaint.format(number)) for number, one in enumerate(kept, 1)]
        if path.suffix in (".yaml", ".yml"):
            from agentcheck import vcr_yaml

            written = [vcr_yaml.dumped(kept)]
        else:
            written.insert(0, _head(path, provenance, known))
        _replace(path, written)
        return cls(path, dict(provenance), kept)

    def append(self, request: WireRequest, reply: WireReply, *, times: Sequence[float] = ()) -> Exchange:
        """Record one exchange, without its secrets; it is on disk when this returns.

        Raises CassetteError, and writes nothing, where a credential is left (in pieces over a stream, say).
        """
        end, lock = self._recording()
        exchange = cleaned(Exchange(request, reply, tuple(times)), self._known)
        line = _checked(exchange, self._known, f"not recorded in {self.path}")
        with lock:
            try:
                end.add(line)
            except OSError as error:
                raise _unwritable(self.path, error) from None
            self.exchanges.append(exchange)
        return exchange

    def keep(self, numbers: Iterable[int]) -> None:
        """Leave the exchanges of these numbers (from 0) alone in the recording; after a crash all are still there.

        Raises CassetteError.
        """
        end, lock = self._recording()
        with lock:
            kept = [self.exchanges[number] for number in sorted(set(numbers))]
            _replace(self.path, [lines.head(self.provenance), *(lines.line(exchange) for exchange in kept)])
            end.close()
            self.exchanges[:] = kept
            try:
                self._end = store.Lines(self.path)
            except OSError as error:
                raise _unwritable(self.path, error) from None

    def close(self) -> None:
        """Let others record into it; what was recorded stays at hand."""
        if self._end is not None:
            self._end.close()
            self._end = None

    def __enter__(self) -> "Cassette":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def player(self, *, volatile: Iterable[str] = (), masks: Iterable[str] = ()) -> Player:
        """A replay from the start. `volatile` are body fields to leave out of account, as dotted paths
        (`metadata.request_id`, `messages.*.name`); `masks` are regular expressions of values in texts likewise."""
        return Player(self.exchanges, volatile=volatile, masks=masks)

    def _begun(self, end: store.Lines) -> "Cassette":
        self._end, self._lock = end, threading.Lock()
        return self

    def _recording(self) -> "tuple[store.Lines, threading.Lock]":
        if self._end is None or self._lock is None:
            raise CassetteError(f"{self.path} was opened to be read; begin a recording with Cassette.create")
        return self._end, self._lock


# --- writing ---------------------------------------------------------------------------


def _head(path: Path, provenance: Mapping[str, Any], known: tuple[str, ...]) -> bytes:
    head = lines.head(provenance)
    if left := find(head.decode(), known=known):
        raise CassetteError(f"the provenance of {path} holds a credential ({left[0][0]}); leave it out")
    return head


def _checked(exchange: Exchange, known: tuple[str, ...], complaint: str) -> bytes:
    """The line of an exchange. Raises CassetteError where a credential is left in it."""
    line = lines.line(exchange)
    left = [*find(line.decode(), known=known), *spread_over_stream(exchange, known)]
    if left:
        raise CassetteError(f"{complaint}: the exchange still holds a credential ({': '.join(left[0])})")
    return line


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        store.replace(path, pieces)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(f"cannot write the recording {path}: {error.strerror}")


# --- reading, and going on -------------------------------------------------------------


def _content(path: Path) -> lines.Content:
    from agentcheck import foreign  # late: YAML is needed for no recording of ours

    with contextlib.suppress(OSError), path.open("rb") as file:  # foreign.text_of says what is wrong
        if file.read(len(lines.START)) == lines.START:
            file.seek(0)
            return lines.parsed(file, path)
    text = foreign.text_of(path)
    if text.startswith(lines.START.decode()):
        return lines.parsed(io.BytesIO(text.encode()), path)
    return lines.Content(exchanges=foreign.exchanges(text, path))


def _ours(path: Path) -> lines.Content:
    """The content of a recording that can be gone on with. Raises CassetteError, OSError."""
    with path.open("rb") as file:
        if file.read(len(lines.START)) == lines.START:
            file.seek(0)
            return lines.parsed(file, path)
    raise CassetteError(
        f"{path} is not in agentcheck's own format, the only one that can be added to; "
        f"convert it: agentcheck cassette convert {path} {path.with_suffix('.jsonl')}"
    )


def _mended(path: Path, content: lines.Content, end: store.Lines) -> Iterator[str]:
    """Leave whole lines alone in the file, and say what was done."""
    if content.torn:
        aside = store.keep_aside(path, content.torn)
        end.cut(content.whole)
        yield (
            f"{path}:{content.lines + 1} was torn, since an earlier recording was cut off in it: its "
            f"{len(content.torn)} bytes were moved to {aside}, the {len(content.exchanges)} exchanges before it kept"
        )
    elif not content.ended:
        end.add(b"\n")


def _has_torn_header(path: Path) -> bool:
    """Whether the file was begun and cut off before anything could be recorded in it."""
    with path.open("rb") as file:
        first = file.readline()
    return not first.endswith(b"\n") and (first.startswith(lines.START) or lines.START.startswith(first))


def _replaced_torn_header(path: Path, end: store.Lines, head: bytes) -> str:
    torn = path.read_bytes()
    aside = store.keep_aside(path, torn) if torn else None
    end.cut(0)
    end.add(head)
    return f"the header of {path} was torn: its {len(torn)} bytes were moved to {aside}" if aside else ""
