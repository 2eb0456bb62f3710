"""Score the two reference agents and hold the verdicts against those that they deserve.

deploybot must break nothing that applies to it and leave no MUST undecided; deploybot_loop must
break exactly what tools/deserved.toml names: it is written well, but the way people write it.
With --sample the Markdown report of deploybot_loop is kept as reports/sample/deploybot_loop.md.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "reports" / "sample" / "deploybot_loop.md"
AGENTS = ("deploybot", "deploybot_loop")
DESERVED = ROOT / "tools" / "deserved.toml"


def main() -> int:
    deserved = tomllib.loads(DESERVED.read_text(encoding="utf-8"))
    complaints = []
    for agent in AGENTS:
        print(f"\n{agent}\n", flush=True)
        complaints += [f"{agent}: {c}" for c in compared(scored(agent), deserved[agent])]
    if "--sample" in sys.argv:
        SAMPLE.parent.mkdir(exist_ok=True)
        SAMPLE.write_text((ROOT / "reports" / "deploybot_loop" / "agentcheck.md").read_text(encoding="utf-8"))
    print()
    print("\n".join(complaints) or "Both reference agents have the verdicts that they deserve (tools/deserved.toml).")
    return int(bool(complaints))


def scored(agent: str) -> dict[str, Any]:
    """Run the checks on one reference agent, as a user would, and read the report."""
    folder = ROOT / "reports" / agent
    (folder / "agentcheck.json").unlink(missing_ok=True)
    target = f"agentcheck.fixtures.{agent}:target"
    options = ["--agentcheck-only", "--agentcheck-target", target, f"--agentcheck-report={folder}"]
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, check=False)
    report: dict[str, Any] = json.loads((folder / "agentcheck.json").read_text(encoding="utf-8"))
    return report


def compared(report: dict[str, Any], deserved: dict[str, Any]) -> list[str]:
    """What differs from the deserved verdicts, a line each."""
    found = {f["check"]: f for f in report["findings"]}
    failed = {id for id, f in found.items() if f["outcome"] == "fail"}
    broken = [f"{id} broke: {f['message']}" for id, f in found.items() if f["outcome"] == "error"]
    unexpected = [f"{id} fails: {found[id]['message']}" for id in sorted(failed - set(deserved["fails"]))]
    missed = [
        f"{id} should fail and does not: {found[id]['outcome']}" for id in sorted(set(deserved["fails"]) - failed)
    ]
    undecided = [
        f"{id} is untestable: {f['message']}"
        for id, f in found.items()
        if f["outcome"] == "untestable" and id not in deserved["untestable"]
    ]
    return broken + unexpected + missed + undecided


if __name__ == "__main__":
    sys.exit(main())
