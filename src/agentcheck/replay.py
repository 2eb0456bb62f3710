"""Replay that cannot lie: the body always counts, each recorded exchange is dealt once, a miss says what differs."""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from agentcheck.secrets import scrub
from agentcheck.wire import Exchange, WireReply, WireRequest

Key: TypeAlias = tuple[str, str, str]

_ABSENT: Any = object()


class Player:
    """Deals recorded replies. Host, port and query do not count; method, path and JSON body do.

    Equal requests get the recorded replies in the order of recording. The cost of an answer does not
    grow with the size of the recording. Safe to use from several threads.
    """

    def __init__(self, exchanges: Sequence[Exchange], *, volatile: Iterable[str] = (), masks: Iterable[str] = ()):
        self._exchanges = tuple(exchanges)
        self._masks = tuple(re.compile(mask) for mask in masks)
        self._volatile = tuple(tuple(path.split(".")) for path in volatile)
        self._waiting: dict[Key, list[int]] = defaultdict(list)
        for number in reversed(range(len(self._exchanges))):
            self._waiting[self._key(self._exchanges[number].request)].append(number)
        self._numbers = {id(exchange): number for number, exchange in enumerate(self._exchanges)}
        self._paths = {key[:2] for key in self._waiting}
        self._lock = threading.Lock()

    def answer(self, request: WireRequest) -> WireReply | None:
        """The next recorded reply to this request, None where there is none (left)."""
        exchange = self.exchange(request)
        return exchange.reply if exchange else None

    def exchange(self, request: WireRequest) -> Exchange | None:
        """As `answer`, with the times of the chunks."""
        key = self._key(request)
        with self._lock:
            waiting = self._waiting.get(key)
            return self._exchanges[waiting.pop()] if waiting else None

    def put_back(self, exchange: Exchange) -> None:
        """The reply of this exchange did not arrive: the next request like it gets it again."""
        with self._lock:
            self._waiting[self._key(exchange.request)].append(self._numbers[id(exchange)])

    def left(self) -> list[int]:
        """The numbers (from 0) of the recorded exchanges that no request has asked for."""
        with self._lock:
            return sorted(number for numbers in self._waiting.values() for number in numbers)

    def unused(self) -> list[Exchange]:
        """The recorded exchanges that no request has asked for, in order."""
        return [self._exchanges[number] for number in self.left()]

    def knows(self, request: WireRequest) -> bool:
        """Whether the recording holds any request of this method to this path."""
        return (request.method.upper(), request.path) in self._paths

    def nearest(self, request: WireRequest) -> str:
        """Which recorded request is most like this one, and how they differ, in a few lines."""
        if not self._exchanges:
            return "the recording is empty"
        now = self._leaves(request)
        scored = [(self._likeness(now, e.request), -n) for n, e in enumerate(self._exchanges)]
        number = -max(scored)[1]
        recorded = self._exchanges[number].request
        lines = _differences(self._leaves(recorded), now)
        head = f"the nearest recorded request is number {number + 1} ({recorded.method} {recorded.path})"
        if not lines:
            return f"{head}; it is the same, and all its recorded replies have been given already"
        more = [f"  and {len(lines) - 8} more differences"] if len(lines) > 8 else []
        return "\n".join([f"{head}; it differs in:", *(f"  {line}" for line in lines[:8]), *more])

    def _likeness(self, now: Mapping[str, Any], recorded: WireRequest) -> float:
        then = self._leaves(recorded)
        alike = sum(_alike(then[path], value) for path, value in now.items() if path in then)
        return alike / max(len(now), len(then))

    def _key(self, request: WireRequest) -> Key:
        return request.method.upper(), request.path, _canonical(self._body(request))

    def _leaves(self, request: WireRequest) -> dict[str, Any]:
        """Every single value of a request by its path."""
        found = {"method": request.method.upper(), "path": request.path}
        try:
            return found | dict(leaves(self._body(request)))
        except RecursionError:
            return found | {"body": request.body.decode("utf-8", "replace")}

    def _body(self, request: WireRequest) -> Any:
        body = _body(request, self._volatile)
        return _masked(body, self._masks) if self._masks else body


def _body(request: WireRequest, volatile: Iterable[tuple[str, ...]]) -> Any:
    """What counts of a body. Secrets are out of it, since they are out of the recording."""
    text = scrub(request.body.decode("utf-8", "backslashreplace"))
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for path in volatile:
        _drop(body, path)
    return body


def _masked(node: Any, masks: Sequence[re.Pattern[str]]) -> Any:
    """The same body with whatever the masks find in its texts made equal."""
    if isinstance(node, dict):
        return {key: _masked(value, masks) for key, value in node.items()}
    if isinstance(node, list):
        return [_masked(value, masks) for value in node]
    if isinstance(node, str):
        for mask in masks:
            node = mask.sub("‹volatile›", node)
    return node


def _canonical(body: Any) -> str:
    try:
        return json.dumps(body, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return repr(body)


def _drop(node: Any, path: tuple[str, ...]) -> None:
    """Take the field at this path out of `node`; `*` stands for every item."""
    head, rest = path[0], path[1:]
    if isinstance(node, list):
        places: list[Any] = list(range(len(node))) if head == "*" else []
    else:
        places = [key for key in node if head in ("*", key)] if isinstance(node, dict) else []
    for place in reversed(places):
        if rest:
            _drop(node[place], rest)
        else:
            del node[place]


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value in JSON data, with its path. Raises RecursionError."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(node, list) and node:
        for index, value in enumerate(node):
            yield from leaves(value, f"{path}[{index}]")
    else:
        yield path or "body", node


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    lines = []
    for path in [*then, *(path for path in now if path not in then)]:
        old, new = then.get(path, _ABSENT), now.get(path, _ABSENT)
        if old is _ABSENT:
            lines.append(f"{path}: only now, {_shown(new)}")
        elif new is _ABSENT:
            lines.append(f"{path}: only recorded, {_shown(old)}")
        elif old != new or type(old) is not type(new):
            at = _common(old, new) if isinstance(old, str) and isinstance(new, str) else 0
            lines.append(f"{path}: recorded {_shown(old, at)}, now {_shown(new, at)}")
    return lines


def _alike(old: Any, new: Any) -> float:
    """1 for equal values; for texts the share that they begin with in common."""
    if old == new:
        return 1.0
    both = isinstance(old, str) and isinstance(new, str)
    return _common(old, new) / max(len(old), len(new)) if both else 0.0


def _common(a: str, b: str) -> int:
    """The length of the common beginning, found by halving, since a context may be megabytes long."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _shown(value: Any, at: int = 0, width: int = 60) -> str:
    """A value, cut around the place that matters."""
    if not isinstance(value, str) or len(value) <= width:
        text = json.dumps(value, ensure_ascii=False, default=repr)
        return text if len(text) <= 2 * width else text[: 2 * width] + "…"
    start = max(0, at - width // 3)
    cut = value[start : start + width]
    return ("…" if start else "") + json.dumps(cut, ensure_ascii=False) + ("…" if start + width < len(value) else "")
