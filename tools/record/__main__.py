"""Record the reference agents with a real model: python -m tools.record [NAME …]

Needs the network the first time, for the model's package and its server; the recording itself does not.
Existing recordings are replaced.
"""

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agentcheck.cassette import Cassette
from agentcheck.lab import Lab, Run
from agentcheck.live import Live
from agentcheck.messages import Request
from agentcheck.planted import planted_secrets
from agentcheck.wire import WireReply, WireRequest
from tools.record.gateway import Gateway
from tools.record.jobs import JOBS, TEMPERATURE, Job
from tools.record.server import LICENCE, MODEL, PACKAGES, installed, serving

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0  # seconds for one run; the model shares the machine


class Recorder:
    """A live model that writes every exchange down before the agent sees the reply."""

    def __init__(self, gateway: Gateway, cassette: Cassette):
        self.gateway = gateway
        self.cassette = cassette

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> WireReply:
        assert wire is not None, "a reducer has no wire to record"
        exchange = self.gateway.exchange(wire)
        return self.cassette.append(exchange.request, exchange.reply, times=exchange.times).reply


def provenance(job: Job) -> dict[str, Any]:
    """Where the words come from, and how to have them again."""
    return {
        "recorded": datetime.now(UTC).date().isoformat(),
        "agent": job.target,
        "kind": job.kind,
        "model": MODEL,
        "licence": LICENCE,
        "packages": list(PACKAGES),
        "temperature": TEMPERATURE,
        "seed": job.seed,
        "open_decisions": job.narrowing,
        "form": "the model's JSON, written under a grammar, as tool calls; its words are unchanged",
        "again": f".venv/bin/python -m tools.record {job.name}",
        "scenario": job.scenario(),
    }


def record(job: Job, live: Live, folder: Path) -> Run:
    """Make one recording; the old one is replaced once the new one is whole."""
    begun = folder / f"{job.name}.jsonl.part"
    begun.unlink(missing_ok=True)
    cassette = Cassette.create(begun, provenance=provenance(job), secrets=planted_secrets().values())
    gateway = Gateway(live, job.options, model=MODEL, temperature=TEMPERATURE, seed=job.seed)
    said = {"scenario": job.scenario(), "recordings": [], "limits": {"seconds": PATIENCE}}
    config = SimpleNamespace(target=job.target, declarations=lambda: said)
    with (
        tempfile.TemporaryDirectory() as scratch,
        Lab(config, rootdir=ROOT, reports=Path(scratch), live=lambda: Recorder(gateway, cassette)) as lab,
    ):
        lab.begin(job.kind)
        run = lab.happy()
    begun.replace(folder / f"{job.name}.jsonl")
    return run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.record", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(job.name for job in JOBS)}; none: all")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-record", help="where the model is installed")
    parser.add_argument("--into", type=Path, default=ROOT / "cassettes")
    options = parser.parse_args()
    python = installed(options.environment)
    with serving(python, options.environment / "server.log") as base, Live(base, timeout=PATIENCE) as live:
        for job in JOBS:
            if not options.names or job.name in options.names:
                run = record(job, live, options.into)
                calls = ", ".join(call.name for event in run.of("model_reply") for call in event.decision.calls)
                print(f"{job.name}: {run.status} after {len(run.requests())} model calls: {calls}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
