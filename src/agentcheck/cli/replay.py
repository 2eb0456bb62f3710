"""Play a story that broke an invariant again, without Hypothesis: still broken, or fixed."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from agentcheck.cli.doctor import make_lab
from agentcheck.cli.errors import UserError

if TYPE_CHECKING:
    from agentcheck.fuzz.kept import Kept
    from agentcheck.lab import Lab


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a story, as in .agentcheck/failures/")
    parser.add_argument("--target", metavar="MODULE:OBJECT", help="the agent; otherwise that of the story")


def run(options: argparse.Namespace) -> int:
    from agentcheck.config import ConfigError, load
    from agentcheck.finding import Undecided
    from agentcheck.fuzz.kept import StoryError, read

    root = Path.cwd()
    try:
        kept = read(options.file)
        config = load(root, target=options.target or kept.target)
        if not config.named:
            raise UserError("no agent named: give --target package.module:object, or let `agentcheck init` find it")
        with (
            tempfile.TemporaryDirectory(prefix="agentcheck-") as folder,
            make_lab(config, rootdir=root, reports=Path(folder)) as lab,
        ):
            if kept.failure.kind not in lab.kinds:
                raise UserError(f"{options.file} is of another kind of agent: {lab.target.name} is {lab.kinds}")
            return _replayed(lab, kept)
    except (ConfigError, Undecided, StoryError) as error:
        raise UserError(str(error)) from None


def _replayed(lab: "Lab", kept: "Kept") -> int:
    from agentcheck.fuzz.moves import story
    from agentcheck.fuzz.session import Fuzz
    from agentcheck.render.text import Paper

    moves, paper = kept.failure.moves, Paper()
    with Fuzz(lab, kept.failure.kind) as fuzz:
        broken, skipped = fuzz.replay(moves)
    for line in story(moves).splitlines():
        print("\n".join(paper.wrap(line, rest="     ")))
    if broken is None:
        left = f" ({skipped} of its {len(moves)} moves can no longer be made)" if skipped else ""
        print("\n".join(paper.wrap(f"fixed: {kept.failure.check} holds in this story{left}")))
        return 0
    print("\n".join(paper.wrap(f"still broken: {broken.check}: {broken.message}")))
    return 1
