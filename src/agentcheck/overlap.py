"""Two sessions of one callable or host in flight at once, and whether one changes what the other does."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.finding import Undecided
from agentcheck.lab import Lab
from agentcheck.order import Order
from agentcheck.plan import Run
from agentcheck.scenario import Turn
from agentcheck.trace import Event

AT_ONCE: Final = (Order.MIDDLE, Order.LOCK_STEP, Order.IN_TOOL)
_OF_LOOPS: Final = ("event loop", "different loop")  # what objects of asyncio say where a second loop comes to them


@dataclass(frozen=True, slots=True)
class Overlap:
    """A run of two sessions, and how they went on."""

    run: Run
    order: Order
    facts: Mapping[str, Any]  # as the stage tells them; empty where the process did not live to tell

    @property
    def met(self) -> bool:
        """Whether both were in flight at once, or would have been, had one not waited for the other."""
        return not self.facts or bool(self.facts["met"] or self.facts["gave_way"])

    @property
    def gave_way(self) -> bool:
        """Whether one of them had to wait for the other, whatever the order."""
        return bool(self.facts) and bool(self.facts["gave_way"])

    @property
    def in_threads(self) -> bool:
        return not self.facts or self.facts["by"] == "threads"

    @property
    def tells_apart(self) -> bool:
        """Whether both asked the model, and each request is surely that of its session."""
        asked = {event.session for event in self.run.requests()}
        return not self.facts.get("guessed") and asked.issuperset(self.run.plan.sessions)

    @property
    def by(self) -> str:
        """As what they were in flight, as in "as two threads"."""
        return f"as two {self.facts['by']}" if self.facts else "at once"

    @property
    def way(self) -> str:
        """The order, and whether they kept to it."""
        return f"{self.order}{' (it lets only one go on at a time)' if self.gave_way else ''}"

    def __str__(self) -> str:
        return f"{self.order}, {self.by}"


def overlaps(lab: Lab, *turns: Turn, **conditions: Any) -> Iterator[Overlap]:
    """The same sessions in each order. Those of an async function that blocks its loop, in threads."""
    for order in AT_ONCE:
        found = _overlap(lab.run(*turns, order=order, **conditions), order)
        if not found.met and not found.in_threads:
            found = _overlap(lab.run(*turns, order=order, threads=True, **conditions), order)
        yield found


def _overlap(run: Run, order: Order) -> Overlap:
    """What all processes of a run tell, as one."""
    told = [event["value"] for event in run.of("probe", name="in_flight")]
    facts = {name: any(each[name] for each in told) for name in ("met", "gave_way", "guessed")}
    return Overlap(run, order, {**facts, "by": told[0]["by"]} if told else {})


def excuse(lab: Lab, found: Overlap, unlike: Callable[[Run], bool], **conditions: Any) -> str:
    """Why a difference need not be the doing of the other session, in words; nothing where it is.

    Args:
        unlike: whether a session of a run is not what it is alone.
        conditions: those of the run, without order.
    """
    if found.facts.get("guessed"):
        return "which session a thread of the agent's own belongs to is not known"
    threads = found.run.plan.threads
    if threads and found.run.status == "timeout":
        return "it waits for ever, which it does not where all share one event loop"
    failed = [e for e in found.run.of("finished") if e["status"] == "failed"]
    if found.in_threads and any(words in e["error"]["message"] for e in failed for words in _OF_LOOPS):
        return f"{_said(failed[0])}: it cannot run in two event loops"
    if not unlike(lab.run(**conditions, order=found.order, threads=threads, again=1)):
        return "once more, it is not so"
    return _of_the_thread(lab, conditions) if found.in_threads else ""


def _of_the_thread(lab: Lab, conditions: Mapping[str, Any]) -> str:
    """How a session that is alone differs by running in a thread."""
    for name, trigger in list(conditions["triggers"].items())[1:]:
        alone = {**conditions, "triggers": {name: trigger}}
        try:
            apart = lab.run(**alone, order=Order.APART)
        except Undecided as never_began:
            return f"it cannot run outside of the main thread: {never_began.message.partition('. ')[0]}"
        if lab.difference(lab.run(**alone), apart, name) is not None:
            failed = apart.first("finished", status="failed")
            return f"it is another outside of the main thread{f': {_said(failed)}' if failed else ''}"
    return ""


def _said(failed: Event) -> str:
    return f"{failed['error']['kind']}: {failed['error']['message'][:120]}"
