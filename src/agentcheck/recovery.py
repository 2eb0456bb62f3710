"""What became of a run that was killed and resumed, beside the same run undisturbed."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agentcheck.canonical import Canon, arguments
from agentcheck.hearsay import speaks_of_failure
from agentcheck.lab import ELSEWHERE, HERE, Lab, Machine, Run, Stop
from agentcheck.pauses import crossings
from agentcheck.recall import facts, forgotten, how_ended
from agentcheck.target import Target
from agentcheck.trace import Event
from agentcheck.wording import told_after

_DOUBT: Final = re.compile(
    r"unknown|uncertain|unclear|unsure|not sure|not known|unconfirmed|may have|might have|may or may not|cannot tell|"
    r"can't tell|could have|verify|whether|lost|killed|restart|unbekannt|ungewiss|unklar|unterbroch|abgebroch|inconnu|"
    r"incertain|interromp|desconocid|inciert|interrump|desconhecid|incert|interrot|sconosciut|onbekend|onderbroken|"
    r"неизвест|прерва|nieznan|przerwan|bilinmiyor|未知|不明|不确定|不確定|中断|中斷|알 수 없|중단",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A run killed at `killed`, with the crossing that this happened at, and taken up again."""

    run: Run
    killed: Event
    at: Event

    @property
    def where(self) -> str:
        return str(self.killed["point"])

    @property
    def tool(self) -> str | None:
        """The tool that was being called when the process was killed."""
        return self.at["tool"] if self.at.type == "tool_called" else None


def recoveries(lab: Lab) -> Iterator[Recovery]:
    """The happy run of a host, killed at every crossing: before the model is asked, and on both sides of an effect.

    Every other one runs on the other machine, beside the first.
    """
    points = [
        Stop(nth, when)
        for nth, crossing in enumerate(crossings(lab, lab.happy()), 1)
        for when in (("before", "after") if crossing.type == "tool_called" else ("before",))
    ]
    runs: dict[Stop, Run] = {}

    def kill(machine: Machine, chosen: Sequence[Stop]) -> None:
        for point in chosen:
            runs[point] = lab.run(stop=point, machine=machine, resume_on=machine)

    lab.at_once(lambda: kill(HERE, points[::2]), lambda: kill(ELSEWHERE, points[1::2]))
    yield from (_killed(runs[point]) for point in points)


def second_kill(lab: Lab) -> Iterator[Recovery]:
    """The same, killed after the last tool's effect and once more at the first crossing of the recovery."""
    happy = lab.happy()
    tools = [nth for nth, e in enumerate(crossings(lab, happy), 1) if e.type == "tool_called"]
    if tools:
        yield _killed(lab.run(stop=Stop(tools[-1], "after", then=Stop(tools[-1] + 1, "before"))))


def _killed(run: Run) -> Recovery:
    killed = run.reach("killed")
    return Recovery(run, killed, run.of("model_request", "tool_called", before=killed)[-1])


# --- effects --------------------------------------------------------------------------------------


def effects(run: Run) -> Counter[tuple[str, str]]:
    """How often each call took effect: tool and arguments, the idempotency key left out."""
    counted: Counter[tuple[str, str]] = Counter()
    for effect in run.of("effect"):
        given = arguments(run.reach("tool_called", call=effect["call"]))
        counted[effect["tool"], json.dumps(given, sort_keys=True, ensure_ascii=False)] += 1
    return counted


def repeated(happy: Run, run: Run) -> list[str]:
    """The tools that took effect more often than in the happy run."""
    return [tool for tool, _ in effects(run) - effects(happy)]


def may_repeat(target: Target, tool: str) -> bool | None:
    """Whether a tool may run again when nobody knows how it ended; None where the target does not say."""
    binding = target.binding(tool)
    if binding.repeatable is not None:
        return binding.repeatable
    return False if binding.key is not None or tool in (target.high_stakes or ()) else None


def omitted(happy: Run, recovery: Recovery) -> list[str]:
    """The tools whose effect never took place, and of which nobody was told that it may not have."""
    missing = [tool for tool, _ in effects(happy) - effects(recovery.run)]
    return [tool for tool in missing if tool != recovery.tool or not in_doubt(happy, recovery)]


def in_doubt(happy: Run, recovery: Recovery) -> bool:
    """Whether the model or a human heard, after the kill, that a call's outcome is not known."""
    run = recovery.run
    resumed = run.first("resumed", after=recovery.killed)
    if resumed is None or recovery.tool is None:
        return False
    told = told_after(run, resumed)
    asked = len(run.of("asked", after=resumed)) > len(happy.of("asked", after=_same_place(happy, recovery)))
    return asked or bool(_DOUBT.search(told)) or speaks_of_failure(told)


def _same_place(happy: Run, recovery: Recovery) -> Event | None:
    """The crossing of the happy run at which the other was killed."""
    place = len(recovery.run.of("model_request", "tool_called", before=recovery.killed)) - 1
    return happy.of("model_request", "tool_called")[place]


# --- the end --------------------------------------------------------------------------------------


def ended_otherwise(lab: Lab, happy: Run, recovery: Recovery) -> str | None:
    """How the end differs from that of the happy run, in words; None where it does not."""
    run, doubt = recovery.run, in_doubt(happy, recovery)
    if run.status == "waiting" and doubt:
        return None
    if run.status != happy.status:
        return f"ended {how_ended(run)}, and undisturbed {happy.status}"
    lost = _lost(happy, recovery, doubt)
    if lost:
        return f"knew no more of {lost[0]!r} at its last model request"
    one, other = (Canon(lab.volatile)(r.finished and r.finished.get("result")) for r in (happy, run))
    return None if doubt or one == other else f"ended with {other[:120]}, and undisturbed with {one[:120]}"


def _lost(happy: Run, recovery: Recovery, doubt: bool) -> list[str]:
    if not (happy.requests() and recovery.run.requests()):
        return []
    lost = forgotten(facts(happy), happy.requests()[-1].request, recovery.run.requests()[-1].request)
    return [fact for fact, event in lost.items() if not (doubt and event.get("tool") == recovery.tool)]
