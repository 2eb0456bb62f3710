"""Show a recorded run as a readable story, or the exact messages of one of its model calls."""

import argparse
import sys
from pathlib import Path

from agentcheck.cli.errors import UserError
from agentcheck.render.story import messages, story
from agentcheck.render.text import Paper
from agentcheck.trace import Trace


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", metavar="TRACE", type=Path, help="a file of reports/<target>/traces/")
    parser.add_argument("--call", type=int, metavar="N", help="print the message array of model call N, as JSON")


def run(options: argparse.Namespace) -> int:
    trace = _read(options.trace)
    if options.call is None:
        print("\n".join(story(trace, paper=Paper.of(sys.stdout))))
        return 0
    try:
        print(messages(trace, options.call))
    except LookupError as error:
        raise UserError(f"{options.trace}: {error.args[0]}") from None
    return 0


def _read(path: Path) -> Trace:
    try:
        return Trace.read(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; traces lie in reports/<target>/traces/") from None
    except ValueError as error:
        raise UserError(f"{error}; traces lie in reports/<target>/traces/") from None
