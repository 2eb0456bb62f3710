"""Keep snapshots of the agent as it is now, to be resumed by the code of later versions; or list them."""

import argparse
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from agentcheck.cli.doctor import make_lab
from agentcheck.cli.errors import UserError

if TYPE_CHECKING:
    from agentcheck.lab import Lab


def configure(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="deed", metavar="keep | list", required=True)
    keep = deeds.add_parser("keep", help="run the agent and keep what it saves", description=__doc__)
    keep.add_argument(
        "--name", metavar="NAME", default=date.today().isoformat(), help="of this version (default: today)"
    )
    listing = deeds.add_parser("list", help="what is kept", description="What is kept of this agent.")
    for one in (keep, listing):
        one.add_argument("--target", metavar="MODULE:OBJECT", help="the agent; otherwise that of the configuration")


def run(options: argparse.Namespace) -> int:
    from agentcheck.config import ConfigError, load
    from agentcheck.finding import Undecided
    from agentcheck.kept import KeepingError

    root = Path.cwd()
    try:
        config = load(root, target=options.target)
        if not config.named:
            raise UserError("no agent named: give --target package.module:object, or let `agentcheck init` find it")
        with (
            tempfile.TemporaryDirectory(prefix="agentcheck-") as folder,
            make_lab(config, rootdir=root, reports=Path(folder)) as lab,
        ):
            print(_kept(lab, options.name) if options.deed == "keep" else _listed(lab))
    except (ConfigError, Undecided, KeepingError) as error:
        raise UserError(str(error)) from None
    return 0


def _kept(lab: "Lab", name: str) -> str:
    from agentcheck.kept import keep

    place, points = keep(lab, name)
    shown = place.relative_to(lab.root)
    return (
        f"{len(points)} snapshots in {shown}: commit them; F06-old-snapshot-loads resumes them with the code of the day"
    )


def _listed(lab: "Lab") -> str:
    from agentcheck.kept import home, kept

    found = []
    for kind in lab.kinds:
        lab.begin(kind)
        found += [str(path.relative_to(lab.root)) for path in kept(lab)]
    return "\n".join(found) or f"nothing is kept in {home(lab).relative_to(lab.root)}: `agentcheck snapshots keep`"
