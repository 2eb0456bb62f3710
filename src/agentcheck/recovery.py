"""What became of a run that was killed and resumed, beside the same run undisturbed."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from agentcheck.canonical import Canon, arguments
from agentcheck.crash_points import CrashPoint, chosen
from agentcheck.hearsay import speaks_of_failure
from agentcheck.lab import HERE, Lab, Machine, Run, Stop
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
        """The tool whose call was the last thing that happened before the kill; of its end nothing may be saved."""
        return str(self.at["tool"]) if self.at.type == "tool_called" else None


def recoveries(lab: Lab) -> list[Recovery]:
    """The happy run of a host, killed at each chosen crash point and taken up again. See `agentcheck.crash_points`."""
    points = chosen(lab)
    runs: dict[CrashPoint, Run] = {}
    shares = [points[lane :: lab.lanes] for lane in range(lab.lanes)]
    lab.at_once(*(partial(_kill, lab, share, lane, runs) for lane, share in enumerate(shares)))
    return [_killed(runs[point]) for point in points if runs[point].first("killed") is not None]


def _kill(lab: Lab, points: Sequence[CrashPoint], lane: int, runs: dict[CrashPoint, Run]) -> None:
    for point in points:
        start, there = (replace(machine, lane=lane) for machine in (HERE, point.resume_on))
        saves = {"saves": True} if point.stop.saves else {}
        runs[point] = lab.run(stop=point.stop, machine=start, resume_on=there, **saves)
        lab.progressed(f"{len(runs)} crash points done")


def second_kill(lab: Lab) -> Iterator[Recovery]:
    """The same, killed after the last tool's effect and once more at the first crossing of the recovery."""
    happy = lab.happy()
    tools = [nth for nth, e in enumerate(crossings(lab, happy), 1) if e.type == "tool_called"]
    if tools:
        yield _killed(lab.run(stop=Stop(tools[-1], "after", then=Stop(tools[-1] + 1, "before"))))


def in_new_process(lab: Lab) -> Iterator[Recovery]:
    """A kill after the last effect, in processes that were not forked from the one that all others come from."""
    last = next((p for p in reversed(chosen(lab)) if p.telling and p.stop.when == "after"), None)
    if last is not None:
        anew = Machine(hash_seed=3)
        yield _killed(lab.run(stop=last.stop, machine=anew, resume_on=anew))


def _killed(run: Run) -> Recovery:
    killed = run.reach("killed")
    crossed = run.of("model_request", "tool_called", before=killed)
    return Recovery(run, killed, crossed[-1] if crossed else run.events[0])


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
    return asked or doubts(told) or speaks_of_failure(told)


def doubts(text: str) -> bool:
    """Whether a text says that something is not known for certain."""
    return bool(_DOUBT.search(text))


def _same_place(happy: Run, recovery: Recovery) -> Event | None:
    """The crossing of the happy run at which the other was killed."""
    place = len(recovery.run.of("model_request", "tool_called", before=recovery.killed)) - 1
    return happy.of("model_request", "tool_called")[place] if place >= 0 else None


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
