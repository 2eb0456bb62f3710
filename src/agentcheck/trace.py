"""The one record of a run: every boundary crossing, in order, on disk before it is acknowledged."""

import dataclasses
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from agentcheck.finding import NotReached
from agentcheck.messages import Decision, Request, decision_from, request_from

TYPES: Final = frozenset(
    {
        *("launched", "resumed", "killed", "finished"),
        *("model_request", "model_reply", "model_failed", "miss"),
        *("tool_called", "effect", "tool_returned", "tool_failed"),
        *("asked", "answered", "saved"),
        *("fault_fired", "refused", "probe"),
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that crossed a boundary, or that was done to the agent.

    `time` is in seconds since the run began; `pid` is the agent's process, 0 for the harness.
    """

    seq: int
    time: float
    run: str
    session: str
    pid: int
    type: str
    data: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.data.get(key, default)

    @property
    def request(self) -> Request:
        """Of a model_request: the canonical request."""
        return request_from(self.data["request"])

    @property
    def size(self) -> int:
        """Of a model_request: its bytes on the wire; for a reducer, those of its messages and tools as JSON."""
        if self.data["raw"]:
            return len(self.data["raw"]["body"].encode())
        said = {"messages": self.data["request"]["messages"], "tools": self.data["request"]["tools"]}
        return len(json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace"))

    @property
    def decision(self) -> Decision:
        """Of a model_reply: the canonical decision."""
        return decision_from(self.data["decision"])


class Trace:
    """An append-only list of events, written as JSON Lines as it happens. Several threads may append to it."""

    def __init__(self, path: Path | None = None, *, run: str = "run", events: list[Event] | None = None):
        self.path = path
        self.run = run
        self.events: list[Event] = events or []
        self._started = time.monotonic()
        self._lock = threading.Lock()
        # A lone surrogate, which UTF-8 cannot hold, is written as its JSON escape.
        new = path if events is None else None
        self._file: TextIO | None = new.open("a", encoding="utf-8", errors="backslashreplace") if new else None

    @classmethod
    def read(cls, path: Path) -> "Trace":
        """Load a written trace. Raises ValueError, naming the line, where it is not one."""
        events = []
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if line:
                events.append(_event(line, f"{path}:{number}"))
        return cls(path, run=events[0].run if events else "run", events=events)

    def append(self, type: str, /, *, session: str = "main", pid: int = 0, **data: Any) -> Event:
        """Record one event; it is on disk when this returns."""
        if type not in TYPES:
            raise ValueError(f"no event type {type!r}; the types are {', '.join(sorted(TYPES))}")
        plain = _plain(data)
        with self._lock:
            elapsed = round(time.monotonic() - self._started, 6)
            event = Event(len(self.events), elapsed, self.run, session, pid, type, plain)
            if self._file:
                fields = {name: getattr(event, name) for name in Event.__slots__}  # its data is plain already
                self._file.write(json.dumps(fields, ensure_ascii=False) + "\n")
                self._file.flush()
            self.events.append(event)
        return event

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    # --- reading -----------------------------------------------------------------------

    def of(self, *types: str, after: Event | None = None, before: Event | None = None, **match: Any) -> list[Event]:
        """The events of these types, in order, whose data (or session) equals every `match`."""
        first = after.seq if after else -1
        last = before.seq if before else len(self.events)
        return [
            e
            for e in self.events
            if first < e.seq < last
            and (not types or e.type in types)
            and all(_field(e, k) == v for k, v in match.items())
        ]

    def first(self, *types: str, after: Event | None = None, **match: Any) -> Event | None:
        return next(iter(self.of(*types, after=after, **match)), None)

    def reach(self, *types: str, after: Event | None = None, why: str = "", **match: Any) -> Event:
        """The first such event. Raises NotReached, which makes a check untestable, where there is none."""
        found = self.first(*types, after=after, **match)
        if found is None:
            wanted = " or ".join(types) + "".join(f", {k} {v!r}" for k, v in match.items())
            raise NotReached(why or f"the run never reached: {wanted}", trace=self)
        return found

    def requests(self, session: str | None = None) -> list[Event]:
        asked = self.of("model_request")
        return asked if session is None else [e for e in asked if e.session == session]

    def next_request(self, after: Event) -> Event | None:
        """The next model request of the same session."""
        return self.first("model_request", after=after, session=after.session)

    @property
    def finished(self) -> Event | None:
        """The last `finished` event: status is finished, waiting, failed, timeout, exited or killed."""
        return next((e for e in reversed(self.events) if e.type == "finished"), None)

    @property
    def status(self) -> str:
        return str(self.finished["status"]) if self.finished else "unfinished"


def _event(line: bytes, where: str) -> Event:
    try:
        found = json.loads(line.decode())
    except UnicodeDecodeError:
        raise ValueError(f"{where} is not a trace event: it is not text") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{where} is not a trace event: it is not JSON, or was cut off") from None
    if not isinstance(found, dict) or set(found) != set(Event.__slots__) or not isinstance(found["data"], dict):
        raise ValueError(f"{where} is not a trace event: expected an object of {', '.join(Event.__slots__)}")
    return Event(**found)


def _field(event: Event, key: str) -> Any:
    return event.session if key == "session" else event.data.get(key)


def _plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses as objects, bytes as text with escapes, the rest by repr."""
    return json.loads(json.dumps(value, default=_encode, ensure_ascii=False), parse_constant=str)


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    handlers: dict[type, Callable[[Any], Any]] = {
        bytes: lambda v: v.decode("utf-8", "backslashreplace"),
        Path: os.fspath,
        set: sorted,
        frozenset: sorted,
    }
    for kind, handler in handlers.items():
        if isinstance(value, kind):
            return handler(value)
    if isinstance(value, Mapping):
        return dict(value)
    return repr(value)
