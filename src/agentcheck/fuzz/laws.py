"""Laws: what the MUST checks require, as statements about any run, judged event by event.

A law looks at one event and says None (nothing here that it speaks of), "" (it does, and it holds),
or in words how it is broken. It is named after the check that it serves.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any, Final, TypeAlias

from agentcheck.arguments import Schema
from agentcheck.lab import Lab
from agentcheck.messages import ToolCall, ToolSpec
from agentcheck.plan import Run
from agentcheck.trace import Event

Said: TypeAlias = str | None
_MODULES: Final = ("deciding", "seeing", "keeping", "humans", "steering", "failing", "repeating")


@dataclass(frozen=True)
class Law:
    """What a check requires at events of these types, of targets of these kinds."""

    check: str
    kinds: str
    types: frozenset[str]
    holds: Callable[["Tale", Event], Said]


LAWS: Final[list[Law]] = []
Holds: TypeAlias = Callable[["Tale", Event], Said]


def law(check: str, *types: str, kinds: str = "RCH") -> Callable[[Holds], Holds]:
    """Register a law for the check that it serves."""

    def register(holds: Holds) -> Holds:
        LAWS.append(Law(check, kinds, frozenset(types), holds))
        return holds

    return register


def broke(tale: "Tale", ended: Event) -> str | None:
    """What ended a run that did not end by itself: an exception, or its process; None where it did, or was told to."""
    if ended["status"] == "failed" and ended.get("error"):
        return str(ended["error"]["kind"])
    if ended["status"] == "exited" and not tale.run.first("probe", name="asked_to_stop"):
        return "the end of its process"
    if ended["status"] == "timeout" and tale.lab.kind == "R":
        return "a step that never ended"
    return None


def load() -> list[Law]:
    """All laws."""
    for name in _MODULES:
        import_module(f"agentcheck.fuzz.law.{name}")
    return LAWS


class Tale:
    """A trace as laws see it: what was decided, what came of it, and what the next request says."""

    def __init__(self, lab: Lab, run: Run, schemas: dict[str, Schema]):
        self.lab = lab
        self._schemas = schemas
        self.run = run
        self.target = lab.target
        self._known: dict[Hashable, Any] = {}

    def once(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """What `work` gives, found out once: several laws ask the same of the same event."""
        if key not in self._known:
            self._known[key] = work()
        return self._known[key]

    # --- the past of an event -------------------------------------------------------------------

    def before(self, event: Event, *types: str) -> list[Event]:
        """Earlier events of these types in the same session."""
        return self.run.of(*types, before=event, session=event.session)

    def last(self, event: Event, *types: str) -> Event | None:
        """The last earlier event of these types in the same session."""
        return self.run.last(*types, before=event, session=event.session)

    def since(self, event: Event, earlier: Event | None, *types: str) -> list[Event]:
        """Events of these types in the session between an earlier event and this one."""
        return self.run.of(*types, after=earlier, before=event, session=event.session)

    def killed_since(self, event: Event, earlier: Event | None) -> bool:
        return bool(self.run.of("killed", "resumed", after=earlier, before=event))

    # --- decisions --------------------------------------------------------------------------------

    def spec(self, tool: str) -> ToolSpec | None:
        return self.lab.offered.get(tool)

    def schema(self, spec: ToolSpec) -> Schema:
        """The schema of a tool's arguments, read once."""
        known = self._schemas.get(spec.name)
        if known is None or known.whole is not spec.parameters:
            known = self._schemas[spec.name] = Schema(spec.parameters)
        return known

    @cached_property
    def human(self) -> frozenset[str]:
        return frozenset(self.target.human or ())

    @cached_property
    def stakes(self) -> frozenset[str]:
        return frozenset(self.target.high_stakes or ())

    def ran(self, reply: Event, call: ToolCall) -> Event | None:
        """The invocation that carries out this call of a reply."""
        return next((e for e in self.run.of("tool_called", decision=reply.seq) if e["decided"] == call.arguments), None)


@dataclass(frozen=True, slots=True)
class Break:
    """A law that is broken: by which event, and how."""

    check: str
    message: str
    event: Event


@dataclass
class Judge:
    """Looks at each event of a run once; counts what each law had to bite on."""

    tale: Tale
    laws: Sequence[Law]
    bitten: Counter[str] = field(default_factory=Counter)
    _seen: int = 0
    _broken: list[Break] = field(default_factory=list)
    _by_type: dict[str, list[Law]] = field(default_factory=dict)

    def look(self) -> list[Break]:
        """The laws that are broken by the events since the last look."""
        self.look_ahead()
        found, self._broken = self._broken, []
        return found

    def look_ahead(self) -> None:
        """Judge what there is already; the next look tells of it."""
        fresh, self._seen = self.tale.run.events[self._seen :], len(self.tale.run.events)
        self._broken += [broken for event in fresh for broken in self._judged(event)]

    def _judged(self, event: Event) -> list[Break]:
        found = []
        for one in self._speaking_of(event.type):
            said = one.holds(self.tale, event)
            if said is not None:
                self.bitten[one.check] += 1
            if said:
                found.append(Break(one.check, said, event))
        return found

    def _speaking_of(self, type: str) -> list[Law]:
        known = self._by_type.get(type)
        if known is None:
            known = self._by_type[type] = [one for one in self.laws if type in one.types]
        return known
