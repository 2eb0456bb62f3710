"""Play the model to any process: from a recording, a script, or a live model whose answers are recorded."""

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from agentcheck.cassette import Cassette
from agentcheck.cli.errors import UserError
from agentcheck.gateway import Answering, Gateway, GatewayError, Passed, Played, Scripted
from agentcheck.live import Live
from agentcheck.model import Script
from agentcheck.model_habits import HABITS, Habitual
from agentcheck.scenario import Scenario, ScenarioError
from agentcheck.trace import Trace
from agentcheck.wire import CassetteError

PATIENCE = 600.0  # seconds until the next piece of a live model's reply
UNUSED = 20  # unused exchanges that are named


def configure(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--cassette", metavar="FILE", type=Path, help="answer from this recording")
    source.add_argument("--script", metavar="FILE", type=Path, help="answer with the decisions of this scenario (TOML)")
    source.add_argument("--upstream", metavar="URL", help="pass requests on to the model, or proxy, at this base URL")
    parser.add_argument("--record", metavar="FILE", type=Path, help="with --upstream: write all exchanges down")
    parser.add_argument("--habit", choices=tuple(HABITS), help="with --script: the model has this habit")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; left out: a free one")
    parser.add_argument(
        "--trace", metavar="FILE", type=Path, help="write what crosses as a trace, for `agentcheck show`"
    )


def run(options: argparse.Namespace) -> int:
    """Serves until it is interrupted; 1 where a request had no answer."""
    if options.record and not options.upstream:
        raise UserError("--record needs --upstream: only what a live model says can be recorded")
    if options.habit and not options.script:
        raise UserError("--habit needs --script: a recording and a live model have habits of their own")
    try:
        with _answering(options) as answering, _serving(options, answering) as gateway:
            print("\n".join(f"export {name}={value}" for name, value in gateway.environment().items()), flush=True)
            print("# any key will do; end with Ctrl-C", flush=True)
            _until_interrupted()
        return _ended(answering, gateway)
    except (CassetteError, ScenarioError, GatewayError, ValueError, OSError) as error:
        raise UserError(str(error)) from None


def _serving(options: argparse.Namespace, answering: Answering) -> Gateway:
    try:
        trace = Trace(options.trace) if options.trace else Trace()
    except OSError as error:
        raise UserError(f"the trace {options.trace} cannot be written: {error.strerror}") from None
    return Gateway(answering, trace=trace, port=options.port, heard=lambda line: print(line, flush=True))


@contextmanager
def _answering(options: argparse.Namespace) -> Iterator[Answering]:
    if options.cassette:
        yield Played(Cassette.read(options.cassette).player())
    elif options.script:
        scenario = Scenario.read(options.script)
        if scenario.turns is None:  # agentcheck would decide, and call tools that nothing stands for
            raise ScenarioError(f"{options.script}: decides nothing; give it [[model]] tables, or use --cassette")
        script = Script(scenario.turns, scenario)
        yield Scripted(Habitual(script, options.habit) if options.habit else script)
    else:
        with Live(options.upstream, timeout=PATIENCE) as live:
            yield Passed(live, _begun(options))


def _begun(options: argparse.Namespace) -> Cassette | None:
    if options.record is None:
        return None
    parts = urlsplit(options.upstream)  # the rest of it may hold a credential
    behind = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    made = {"recorded": datetime.now(UTC).date().isoformat(), "by": "agentcheck gateway", "upstream": behind}
    return Cassette.create(options.record, provenance=made)


def _until_interrupted() -> None:
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    ended.wait()


def _ended(answering: Answering, gateway: Gateway) -> int:
    """Say what had no answer, and what of the recording nobody asked for."""
    for reason in gateway.misses:
        print(f"no answer: {reason}")
    if isinstance(answering, Played) and (unused := answering.player.unused()):
        print(f"{len(unused)} recorded exchanges were not asked for:")
        numbered = zip(answering.player.left(), unused, strict=True)
        lines = [f"  number {number + 1}, {one.request.method} {one.request.path}" for number, one in numbered]
        print("\n".join(lines[:UNUSED] + ([f"  and {len(lines) - UNUSED} more"] if len(lines) > UNUSED else [])))
    return int(bool(gateway.misses))
