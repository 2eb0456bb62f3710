"""One recording as the judges of wire traffic see it: its runs, and a pen to say where something stands."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from agentcheck.audit.openings import Opening
from agentcheck.finding import NotReached
from agentcheck.messages import ToolSpec
from agentcheck.model import catalog
from agentcheck.recorded import Session, Step, echoes
from agentcheck.scenario import Scenario
from agentcheck.target import Limits
from agentcheck.window import kept_elsewhere
from agentcheck.wire import WireError, WireRequest, json_bytes

_BY_REFERENCE = ("item_reference",)  # kinds of items that stand for what the provider keeps


@dataclass(slots=True)
class Recording:
    """What a judge of wire traffic holds.

    Args:
        label: how the file is called for people.
        runs: the runs that it holds, each an ordered list of exchanges with a model.
        apart: whether it can be told where one run ends and the next begins.
        limits: the budgets.
        openings: how its runs begin; of all recordings together, this is all that is kept.
    """

    label: str
    runs: Sequence[Session] = ()
    apart: bool = True
    limits: Limits = field(default_factory=Limits)
    openings: Sequence[Opening] = ()
    cited: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        return sorted((step for run in self.runs for step in run), key=lambda step: step.number)

    def answered(self) -> list[Step]:
        """The exchanges in which a model replied: what a provider refused, no model has seen. Raises NotReached."""
        found = [step for step in self.steps if step.decision is not None]
        if not found:
            raise NotReached("no model replied in it")
        return found

    def whole(self) -> list[Step]:
        """Those of them that show all that the model was shown. Raises NotReached where the provider keeps a part."""
        steps = self.answered()
        elsewhere = {step.number: kept(step) for step in steps}
        found = [step for step in steps if elsewhere[step.number] is None]
        if not found:
            names = sorted({str(name) for name in elsewhere.values()})
            raise NotReached(f"the provider keeps part of the history ({', '.join(names)}), which no recording shows")
        return found

    def distinct_runs(self) -> list[Session]:
        """The runs. Raises NotReached where nothing tells them apart."""
        if not self.apart:
            raise NotReached("where a run ends cannot be told: no request contains the one before it")
        return list(self.runs)

    def seen(self, message: str, step: Step, *, index: int | None = None, about: str = "") -> str:
        """The message of a failing assertion, with the place of its evidence.

        `index` is that of a message of the canonical request; `about` is what stands there.
        """
        place = None if index is None else place_of(step, index)
        pointer = {"recording": self.label, "interaction": step.number}
        if isinstance(place, Place):
            pointer["message"] = place.number
        self._cite(pointer, "" if place is None else f", {place}", about)
        return message

    def seen_first(self, message: str, *found: Opening) -> str:
        """Likewise, with the beginnings of runs as evidence."""
        for opening in found:
            self._cite({"recording": opening.recording, "interaction": opening.interaction})
        return message

    def _cite(self, pointer: dict[str, Any], place: str = "", about: str = "") -> None:
        where = f"{pointer['recording']}, interaction {pointer['interaction']}{place}"
        self.cited.append({**pointer, "text": f"{where}: {about}" if about else where})


# --- places ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the array of messages, counted from 1."""

    number: int

    def __str__(self) -> str:
        return f"message {self.number}"


def place_of(step: Step, index: int) -> "Place | str":
    """Where a message of the canonical request stands in the raw one: formats group and part messages differently."""
    body, array = step.exchange.request.json(), step.dialect.array
    raw = body.get(array)
    if not isinstance(raw, list):
        return f"`{array}`" if array in body else "the system prompt"
    if index < _parsed(step, {**body, array: []}):
        return "the system prompt"
    for count in range(1, len(raw) + 1):
        if index < _parsed(step, {**body, array: raw[:count]}):
            return Place(count)
    return Place(index + 1)


def _parsed(step: Step, body: Mapping[str, Any]) -> int:
    """How many canonical messages come of a request; none where the format does not take it."""
    wire = step.exchange.request
    try:
        return len(step.dialect.parse(WireRequest(wire.method, wire.url, wire.headers, json_bytes(body))).messages)
    except WireError:
        return 0


# --- what is on the wire, and what is not ---------------------------------------------------------


def kept(step: Step) -> str | None:
    """What of a request says that the provider keeps part of the history."""
    setting = kept_elsewhere(step.request)
    if setting is not None:
        return setting
    raw = step.exchange.request.json().get(step.dialect.array)
    items = raw if isinstance(raw, list) else ()
    return next((str(i["type"]) for i in items if isinstance(i, dict) and i.get("type") in _BY_REFERENCE), None)


def shown_tools(step: Step) -> list[ToolSpec]:
    """The tools or intents that the model is shown; those that are loaded once it has searched for them are not."""
    deferred = set(_deferred(step.exchange.request.json().get("tools")))
    return [spec for spec in catalog(step.request, Scenario()) if spec.name not in deferred]


def _deferred(tools: Any) -> Iterator[str]:
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and tool.get("defer_loading") is True:
            function = tool.get("function")
            yield str((function if isinstance(function, dict) else tool).get("name"))


def continued(run: Session) -> list[tuple[Step, Step]]:
    """Each exchange with the next one of a run that certainly goes on from it, in the same format with the same model.

    That is: the later request holds the earlier one's messages and more, or the reply to it.
    """
    return [(one, other) for one, other in pairwise(run) if _goes_on(one, other)]


def _goes_on(one: Step, other: Step) -> bool:
    if one.decision is None or other.decision is None or one.dialect.name != other.dialect.name:
        return False
    if one.request.settings.get("model") != other.request.settings.get("model"):
        return False
    then, now = one.request.messages, other.request.messages
    grown = len(now) > len(then) and now[: len(then)] == then
    return then[:1] == now[:1] and (grown or echoes(one, other))


def brief(text: str, limit: int = 160) -> str:
    """A text on one line, cut to `limit` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)


def counted(things: Iterable[object], name: str, names: str = "") -> str:
    """`1 tool`, `2 tools`."""
    number = len(list(things))
    return f"{number:,} {name if number == 1 else names or name + 's'}"


_DATA = re.compile(r"[A-Za-z0-9+/=_-]{600,}")  # an image, a document, what a provider has encrypted: no words


def without_data(text: str) -> str:
    """A text without long runs of base64."""
    return _DATA.sub("‹data›", text)


def size(step: Step) -> int:
    """Bytes of a request's body, without images and other data."""
    body = step.exchange.request.body.decode("utf-8", "replace")
    return len(without_data(body).encode())
