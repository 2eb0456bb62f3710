"""Write agentcheck.lock: the prompts and tool schemas as they are now, for a code review to agree to."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from agentcheck.cli.doctor import make_lab
from agentcheck.cli.errors import UserError

if TYPE_CHECKING:
    from agentcheck.lab import Lab
    from agentcheck.lock import Entry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", metavar="MODULE:OBJECT", help="the agent; otherwise that of the configuration")
    parser.add_argument("--file", metavar="PATH", type=Path, help="the file to write (default: agentcheck.lock)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the file is out of date")


def run(options: argparse.Namespace) -> int:
    from agentcheck import lock
    from agentcheck.config import ConfigError, load
    from agentcheck.finding import Undecided

    root = Path.cwd()
    path = options.file or root / lock.FILE
    try:
        config = load(root, target=options.target)
        if not config.named:
            raise UserError("no agent named: give --target package.module:object, or let `agentcheck init` find it")
        known = lock.read(path) if path.exists() else {}
        with tempfile.TemporaryDirectory(prefix="agentcheck-") as folder:
            name, now = _sent(make_lab(config, rootdir=root, reports=Path(folder)))
        differing = _changes(known.get(name, {}), now)
        if not options.check:
            lock.write(path, {**known, name: now})
    except (ConfigError, Undecided, lock.LockError) as error:
        raise UserError(str(error)) from None
    print("\n".join([f"{name}: {lock.summary(list(now.values()))} in {path}", *(f"  {line}" for line in differing)]))
    return 1 if options.check and differing else 0


def _sent(lab: "Lab") -> tuple[str, "dict[str, frozenset[Entry]]"]:
    """The name of the target, and what it sends as each kind."""
    from agentcheck.lock import entries

    now = {}
    with lab:
        for kind in lab.kinds.replace("W", ""):
            lab.begin(kind)
            now[kind] = entries(lab)
    return lab.target.name, now


def _changes(before: "dict[str, frozenset[Entry]]", now: "dict[str, frozenset[Entry]]") -> list[str]:
    from agentcheck.lock import changes

    return changes(frozenset().union(*before.values()), frozenset().union(*now.values()))
