"""Crash points per second: forked from a process that has imported the agent, against a new interpreter for each.

    python benchmarks/crash_points.py [POINTS]

For deploybot's own host and for a host of LangChain and LangGraph; each way kills and resumes the same
points (10 by default; forked: all of them). A new interpreter is started for the launch of each run and one for all
that resumes it. That both ways come to the same verdict on each point is checked on the way.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tabulate import tabulate

from agentcheck.config import load
from agentcheck.crash_points import CrashPoint, every
from agentcheck.lab import HERE, Lab, Run

HERE_LIES = Path(__file__).parent
AGENTS = {"deploybot": "agentcheck.fixtures.deploybot:target", "langgraph": "langgraph_host:target"}


def killed(lab: Lab, point: CrashPoint, lane: int = 0) -> Run:
    """One run, killed at this point and resumed; lanes have parents of their own."""
    start, there = replace(HERE, lane=lane), replace(point.resume_on, lane=lane)
    return lab.run(stop=point.stop, machine=start, resume_on=there, **({"saves": True} if point.stop.saves else {}))


def forked(lab: Lab, points: Sequence[CrashPoint]) -> Iterator[str]:
    for point in points:
        yield verdict(killed(lab, point))


def executed(lab: Lab, points: Sequence[CrashPoint]) -> Iterator[str]:
    for lane, point in enumerate(points, 1):
        yield verdict(killed(lab, point, lane))
        lab.stages.end(lane)


def verdict(run: Run) -> str:
    return f"{run.status}, {len(run.of('effect'))} effects"


def timed(verdicts: Iterator[str]) -> tuple[float, list[str]]:
    started = time.perf_counter()
    found = list(verdicts)
    return (time.perf_counter() - started) / len(found), found


def measured(name: str, target: str, few: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        config = load(Path(folder), target=target)
        with Lab(config, rootdir=HERE_LIES, reports=Path(folder)) as lab:
            lab.begin("H")
            points = every(lab)
            chosen = points[:: max(1, len(points) // few)][:few]
            killed(lab, points[-1]), killed(lab, points[-2])  # both machines are up, and know what is imported late
            by_fork, all_found = timed(forked(lab, points))
            by_exec, found = timed(executed(lab, chosen))
            agree = [all_found[points.index(p)] for p in chosen] == found
    ratio = f"{by_exec / by_fork:.1f}"
    return [name, str(len(points)), f"{1 / by_fork:.1f}", f"{1 / by_exec:.2f}", ratio, "yes" if agree else "NO"]


def main() -> None:
    few = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    sys.path.insert(0, str(HERE_LIES))
    rows = [measured(name, target, few) for name, target in AGENTS.items()]
    heads = ["host", "points", "forked, points/s", "new processes, points/s", "ratio", "same verdicts"]
    print(tabulate(rows, headers=heads, disable_numparse=True))


if __name__ == "__main__":
    main()
