"""What the plugin costs pytest: its import on top of pytest, beside that of the Hypothesis plugin.

Run `python benchmarks/import_cost.py [RUNS]`. Each run is a fresh interpreter that imports pytest and
then times one plugin's import from within, in random order, so that noise meets both alike; a second
table times whole processes, `pytest --version --version` with one plugin and with none.
"""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec

OURS, THEIRS = "_agentcheck_plugin", "_hypothesis_pytestplugin"
BUDGET_MS = 3.0
IMPORT = """
import pytest, sys, time
before = set(sys.modules)
start = time.perf_counter()
import {plugin}
print(time.perf_counter() - start, len(set(sys.modules) - before))
"""


def imported(plugin: str, folder: str) -> float:
    """Milliseconds that importing the plugin takes once pytest is imported."""
    done = _python(["-c", IMPORT.format(plugin=plugin)], folder)
    return float(done.split()[0]) * 1000


def modules(plugin: str, folder: str) -> int:
    return int(_python(["-c", IMPORT.format(plugin=plugin)], folder).split()[1])


def whole(plugin: str, folder: str) -> float:
    """Milliseconds of a whole pytest process with only this plugin, or with none."""
    options = ["-p", plugin] if plugin else []
    start = time.perf_counter()
    _python(["-m", "pytest", *options, "--version", "--version"], folder)
    return (time.perf_counter() - start) * 1000


def _python(arguments: list[str], folder: str) -> str:
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def compare(measure: Callable[[str, str], float], names: list[str], runs: int, folder: str) -> dict[str, list[float]]:
    """`runs` samples of each name, the order shuffled anew each time; the first round warms the caches."""
    samples: dict[str, list[float]] = {name: [] for name in names}
    for round in range(runs + 1):
        for name in random.sample(names, len(names)):
            taken = measure(name, folder)
            if round:
                samples[name].append(taken)
    return samples


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    names = [OURS, *([THEIRS] if find_spec(THEIRS) else [])]
    with tempfile.TemporaryDirectory() as folder:
        counts = {name: modules(name, folder) for name in names}
        imports = compare(imported, names, runs, folder)
        wholes = compare(whole, ["", *names], max(runs // 3, 5), folder)
    print(f"{runs} runs each, median (smallest), milliseconds; modules loaded on top of pytest")
    for name in names:
        middle, least = statistics.median(imports[name]), min(imports[name])
        print(f"  import {name:<26} {middle:6.2f} ({least:.2f})  {counts[name]} modules")
    for name, taken in wholes.items():
        print(f"  whole process, {name or 'no plugin':<18} {statistics.median(taken):6.1f} ({min(taken):.1f})")
    ours = statistics.median(imports[OURS])
    if THEIRS in imports:
        print(f"  ratio to the Hypothesis plugin: {ours / statistics.median(imports[THEIRS]):.2f}")
    print(f"  budget {BUDGET_MS} ms: {'met' if ours <= BUDGET_MS else 'NOT met'}")
    return 0 if ours <= BUDGET_MS else 1


if __name__ == "__main__":
    raise SystemExit(main())
