"""The command `agentcheck`: one file for each verb."""

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Final

from agentcheck import __version__
from agentcheck.cli import audit, cassette, doctor, explain, gateway, init, list, lock, replay, show, snapshots
from agentcheck.cli.errors import UserError

VERBS: Final = {
    "list": list,
    "explain": explain,
    "show": show,
    "init": init,
    "doctor": doctor,
    "lock": lock,
    "snapshots": snapshots,
    "replay": replay,
    "audit": audit,
    "cassette": cassette,
    "gateway": gateway,
}
USER_ERROR: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 2 where the user has to change something."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.verb is None:
        parser.print_help()
        return 0
    for stream in (sys.stdout, sys.stderr):  # whatever a check quotes, and whatever the terminal can show
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status: int = VERBS[options.verb].run(options)
        sys.stdout.flush()
    except UserError as error:
        print(f"agentcheck: {error}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:  # as in `agentcheck list | head`: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agentcheck",
        description="Is this LLM agent fit for production? The verdict itself comes from `pytest --agentcheck`.",
    )
    parser.add_argument("--version", action="version", version=f"agentcheck {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for name, module in VERBS.items():
        summary = (module.__doc__ or "").strip().splitlines()[0]
        module.configure(verbs.add_parser(name, help=summary, description=summary))
    return parser
