"""Where the time of a whole scorecard goes: starting interpreters, forking runs, checks.

    python benchmarks/scorecard.py [TARGET]

Prints seconds of this machine and, to compare machines, the ratio to one bare start of Python
with the openai SDK imported, measured in the same run.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tabulate import tabulate

from agentcheck import catalog
from agentcheck.config import load
from agentcheck.finding import Outcome
from agentcheck.lab import Lab
from agentcheck.process import Zygote

ROOT = Path(__file__).parents[1]
spent: Counter[str] = Counter()
times: Counter[str] = Counter()


@contextmanager
def charged(to: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    spent[to] += time.perf_counter() - started
    times[to] += 1


def charging(function: Callable[..., Any], to: str) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        with charged(to):
            return function(*args, **kwargs)

    return timed


def bare_start() -> float:
    """Seconds to start Python and import the openai SDK, the best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import openai"], check=True)
        best = min(best, time.perf_counter() - started)
    return best


def opened(target: str, folder: str) -> Lab:
    return Lab(load(Path(folder), target=target), rootdir=ROOT, reports=Path(folder))


def main() -> None:
    target = sys.argv[1] if len(sys.argv) > 1 else "agentcheck.fixtures.deploybot:target"
    checks = catalog.load_all()
    Zygote.__init__ = charging(Zygote.__init__, "starting interpreters")  # type: ignore[method-assign]
    run = Zygote.run

    @contextmanager
    def timed_run(self: Zygote, job: Any) -> Iterator[Any]:
        with charged("runs in forked processes"), run(self, job) as fork:
            yield fork

    Zygote.run = timed_run  # type: ignore[method-assign]
    by_factor: Counter[int] = Counter()
    outcomes: Counter[str] = Counter()
    slowest: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory() as folder, charged("the whole scorecard"), opened(target, folder) as lab:
        for check in checks:
            finding = lab.judge(check)
            by_factor[check.factor] += finding.seconds
            outcomes[finding.outcome] += 1
            slowest.append((finding.seconds, check.id))
    report(by_factor, outcomes, slowest, bare_start())


def report(by_factor: Counter[int], outcomes: Counter[str], slowest: list[tuple[float, str]], bare: float) -> None:
    whole = spent["the whole scorecard"]
    rows = [(what, times[what], f"{s:.2f}", f"{s / whole:.0%}", f"{s / bare:.1f}") for what, s in spent.most_common()]
    print(tabulate(rows, headers=["what", "times", "seconds", "share", "bare starts"]))
    print(f"\none bare start of Python with openai: {bare:.2f} s; limit of the whole: 20 s")
    print(", ".join(f"{o}: {outcomes[o]}" for o in Outcome if outcomes[o]))
    print(tabulate([(f"factor {f}", f"{s:.2f}") for f, s in sorted(by_factor.items())], headers=["", "seconds"]))
    print(tabulate([(id, f"{s:.2f}") for s, id in sorted(slowest, reverse=True)[:8]], headers=["slowest", "seconds"]))


if __name__ == "__main__":
    main()
