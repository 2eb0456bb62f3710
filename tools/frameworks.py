"""Score the reference agents of every framework, each in its own locked environment, and write the table of all.

python -m tools.frameworks                  all of them
python -m tools.frameworks langgraph        the agents of one; the table keeps what is known of the others
python -m tools.frameworks --setup          the environments only
python -m tools.frameworks --confirm        the scripts that show by themselves what the scorecards say
python -m tools.frameworks --test           the tests of the adapters, and the examples of docs/frameworks.md

Writes reports/frameworks/<framework>-<variant>/ and reports/frameworks/README.md. Every MUST that fails has to be
confirmed by a script of tests/confirm/ that uses no agentcheck, and names the check in its first line.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentcheck.render.markdown import markdown
from tools.framework_table import explanations, scripts, table

ROOT = Path(__file__).parents[1]
AGENTS = ROOT / "fixtures" / "frameworks"
LOCKS = ROOT / "tools" / "locks"
ENVIRONMENTS = ROOT / ".venv-frameworks"
REPORTS = ROOT / "reports" / "frameworks"
VARIANTS = ("as_it_comes", "hardened", "code")


def main() -> int:
    options = _options()
    names = options.names or [lock.stem for lock in sorted(LOCKS.glob("*.lock"))]
    complaints: list[str] = []
    for name in names:
        python = environment(name)
        if options.setup:
            continue
        if options.test:
            complaints += tested(name, python)
        elif options.confirm:
            complaints += confirmed(name, python)
        else:
            complaints += [c for agent in agents(name) for c in scored(name, agent, python)]
    if not (options.setup or options.confirm or options.test):
        REPORTS.joinpath("README.md").write_text(table(REPORTS), encoding="utf-8")
    print("\n".join(complaints))
    return int(bool(complaints))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="FRAMEWORK", help="named as its lock file")
    parser.add_argument("--setup", action="store_true", help="make the environments, and score nothing")
    parser.add_argument("--confirm", action="store_true", help="run the scripts that confirm the violations")
    parser.add_argument("--test", action="store_true", help="run the tests of the adapters")
    return parser.parse_args()


# --- environments -----------------------------------------------------------------------------------


def environment(name: str) -> Path:
    """The interpreter of a framework's environment, made where it is missing or its lock has changed."""
    folder, lock = ENVIRONMENTS / name, LOCKS / f"{name}.lock"
    if not lock.is_file():
        sys.exit(f"there is no {lock.relative_to(ROOT)}: name a framework that has a lock file there")
    python, made = folder / "bin" / "python", folder / "made-of.lock"
    if not made.is_file() or made.read_text() != lock.read_text():
        print(f"{name}: making {folder.relative_to(ROOT)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--requirement", lock], check=True)
        subprocess.run([*install, "--editable", ROOT], check=True)
        shutil.copyfile(lock, made)
    return python


# --- scorecards -------------------------------------------------------------------------------------


def agents(name: str) -> Iterator[str]:
    """The modules of a framework's reference agents."""
    for variant in VARIANTS:
        for path in sorted(AGENTS.glob(f"{name.replace('-', '_')}*_{variant}.py")):
            yield path.stem


def scored(name: str, agent: str, python: Path) -> list[str]:
    """Score one agent as a user would; what is wrong with the scorecard, a line each."""
    folder = REPORTS / agent.replace("_", "-")
    target = f"agentcheck.fixtures.frameworks.{agent}:target"
    options = ["--agentcheck-only", "--agentcheck-target", target, f"--agentcheck-report={folder}"]
    started = time.monotonic()
    with (folder.parent / f"{folder.name}.txt").open("w") if folder.parent.is_dir() else _opened(folder) as output:
        subprocess.run([python, "-m", "pytest", *options], cwd=ROOT, stdout=output, stderr=output, check=False)
    try:
        report = json.loads((folder / "agentcheck.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [f"{agent}: there is no report; see {output.name}"]
    told = time.monotonic() - started
    share = importing(python, target) / told
    print(
        f"{agent:32} {told:5.0f} s, {share:4.0%} of it one import of the target  {report['level']['name']}", flush=True
    )
    Path(output.name).unlink()
    settle(folder, report)
    return list(unexplained(agent, report))


def _opened(folder: Path) -> Any:
    folder.parent.mkdir(parents=True)
    return (folder.parent / f"{folder.name}.txt").open("w")


def importing(python: Path, target: str) -> float:
    """Seconds that an interpreter needs to start and import the target."""
    started = time.monotonic()
    subprocess.run([python, "-c", f"import {target.partition(':')[0]}"], cwd=ROOT, capture_output=True, check=False)
    return time.monotonic() - started


def settle(folder: Path, report: dict[str, Any]) -> None:
    """Leave of a report what is the same tomorrow: no seconds, no traces, its date only in the JSON."""
    shutil.rmtree(folder / "traces", ignore_errors=True)
    started = report.pop("started")
    report.pop("seconds")
    for finding in report["findings"]:
        finding.pop("seconds")
        finding["evidence"] = [item for item in finding["evidence"] if not item["text"].startswith("assert ")]
    (folder / "agentcheck.md").write_text(markdown(report), encoding="utf-8")
    report["started"] = started[:10]
    (folder / "agentcheck.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# --- held against what is known ---------------------------------------------------------------------


def unexplained(agent: str, report: Mapping[str, Any]) -> Iterator[str]:
    """What a scorecard says of a framework that nobody has confirmed, and what agentcheck broke at."""
    for finding in report["findings"]:
        id, outcome = finding["check"], finding["outcome"]
        if outcome == "error":
            yield f"{agent}: {id} broke: {finding['message']}"
        if outcome == "fail" and finding["severity"] == "MUST" and id not in explanations(agent):
            yield f"{agent}: {id} fails, and no script in tests/confirm says that it does: {finding['message']}"


def confirmed(name: str, python: Path) -> list[str]:
    """Run the scripts that show a framework's violations without agentcheck; those that do not show them."""
    complaints = []
    for script in scripts(name):
        said, code = _said([python, script])
        print(f"{script.name}: {said}", flush=True)
        complaints += [] if code == 0 else [f"{script.name} does not confirm what it is for (status {code}): {said}"]
    return complaints


def tested(name: str, python: Path) -> list[str]:
    """Run the tests of a framework's adapter, and the examples of the page on frameworks."""
    tests = [ROOT / "tests" / f"test_framework_{part}.py" for part in (name.replace("-", "_"), "page", "conformance")]
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], cwd=ROOT, check=False)
    return [] if done.returncode == 0 else [f"the tests of {name} ended with status {done.returncode}"]


def _said(command: Sequence[str | Path]) -> tuple[str, int]:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "took more than two minutes", 2
    return (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["said nothing"])[
        -1
    ], done.returncode


if __name__ == "__main__":
    sys.exit(main())
