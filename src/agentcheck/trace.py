"""The one record of a run: every boundary crossing, in order, on disk before it is acknowledged."""

import dataclasses
import json
import threading
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TextIO, cast

from agentcheck.finding import NotReached
from agentcheck.messages import Decision, Request, decision_from, request_from
from agentcheck.plain import plain

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
    _read: Any = field(default=None, init=False, repr=False, compare=False)  # its request or decision, read once

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.data.get(key, default)

    @property
    def request(self) -> Request:
        """Of a model_request: the canonical request."""
        if not isinstance(self._read, Request):
            object.__setattr__(self, "_read", request_from(self.data["request"]))
        return cast(Request, self._read)

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
        if not isinstance(self._read, Decision):
            object.__setattr__(self, "_read", decision_from(self.data["decision"]))
        return cast(Decision, self._read)


FIELDS: Final = tuple(f.name for f in dataclasses.fields(Event) if f.init)
_SEQ: Final = attrgetter("seq")


class _Places:
    """The events of each type in a list that grows, and where to find those between two others."""

    def __init__(self, events: list[Event]):
        self._events = events
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._of: defaultdict[str, list[Event]] = defaultdict(list)
        self._known, self._last, self._ordered = 0, -1, True

    def _learn(self) -> None:
        """Take in what came since; all again where the list was changed in another way."""
        if self._known == len(self._events) and (not self._known or self._events[-1].seq == self._last):
            return
        with self._lock:
            if self._known > len(self._events) or (self._known and self._events[self._known - 1].seq != self._last):
                self._forget()
            for event in self._events[self._known :]:
                self._of[event.type].append(event)
                self._ordered &= event.seq > self._last
                self._last = event.seq
                self._known += 1

    def between(self, first: int, last: int, types: tuple[str, ...]) -> list[Event]:
        """Those of these types (none: of all) whose numbers are between these two, in order."""
        self._learn()
        if not self._ordered:
            return [e for e in self._events if first < e.seq < last and (not types or e.type in types)]
        found = [part for several in self._parts(types) if (part := _between(several, first, last))]
        return found[0] if len(found) == 1 else sorted(chain.from_iterable(found), key=_SEQ)

    def _parts(self, types: tuple[str, ...]) -> list[list[Event]]:
        if not types:
            return [self._events]
        return [self._of[type] for type in (types if len(types) == 1 else dict.fromkeys(types)) if type in self._of]

    def last(self, before: int, session: str | None, types: tuple[str, ...]) -> Event | None:
        """The last one before this number, in this session where one is named."""
        self._learn()
        if not self._ordered:
            found = reversed(self.between(-1, before, types))
            return next((e for e in found if session in (None, e.session)), None)
        return max((e for p in self._parts(types) for e in _nearest(p, before, session)), key=_SEQ, default=None)


def _between(events: list[Event], first: int, last: int) -> list[Event]:
    """Those with numbers between these two; most questions are about all up to the end, or about the last few."""
    if not events:
        return []
    begin = 0 if first < events[0].seq else bisect_right(events, first, key=_SEQ)
    end = len(events) if events[-1].seq < last else bisect_left(events, last, key=_SEQ)
    return events[begin:end]


def _nearest(events: list[Event], before: int, session: str | None) -> Iterator[Event]:
    """The last of these events before a number, in a session; nothing where there is none."""
    end = len(events) if not events or events[-1].seq < before else bisect_left(events, before, key=_SEQ)
    for place in range(end - 1, -1, -1):
        if session is None or events[place].session == session:
            yield events[place]
            return


class Trace:
    """An append-only list of events, written as JSON Lines as it happens. Several threads may append to it."""

    def __init__(self, path: Path | None = None, *, run: str = "run", events: list[Event] | None = None):
        self.path = path
        self.run = run
        self.events: list[Event] = events or []
        self._places = _Places(self.events)
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
        written = plain(data)
        with self._lock:
            elapsed = round(time.monotonic() - self._started, 6)
            event = Event(len(self.events), elapsed, self.run, session, pid, type, written)
            if self._file:
                fields = {name: getattr(event, name) for name in FIELDS}  # its data is plain already
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
        found = self._places.between(first, last, types)
        for key, wanted in match.items():
            found = [e for e in found if (e.session if key == "session" else e.data.get(key)) == wanted]
        return found

    def last(self, *types: str, before: Event | None = None, session: str | None = None) -> Event | None:
        """The last such event, before another where one is given."""
        return self._places.last(before.seq if before else len(self.events), session, types)

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
        return self.of("model_request") if session is None else self.of("model_request", session=session)

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
    if not isinstance(found, dict) or set(found) != set(FIELDS) or not isinstance(found["data"], dict):
        raise ValueError(f"{where} is not a trace event: expected an object of {', '.join(FIELDS)}")
    return Event(**found)
