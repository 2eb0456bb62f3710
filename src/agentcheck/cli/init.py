"""Write agentcheck.toml for the agent in this folder: the code is read, never run."""

import argparse
import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agentcheck.cli.discover import Found, discover
from agentcheck.cli.errors import UserError

FILE: Final = "agentcheck.toml"
_MORE: Final = """
# What the agent says of itself decides more checks; `agentcheck doctor` tells which. For instance:
# human = []            # the tools that reach a human; [] says that there are none
# high_stakes = []      # the tools that need a human's approval; [] says that there are none
# channels = []         # where requests come from, such as "slack"; [] says: from code alone
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="the project (default: this folder)")


def run(options: argparse.Namespace) -> int:
    root = options.folder
    _refuse_to_overwrite(root)
    found = discover(root)
    usable = [f for f in found if not f.obstacle]
    if not usable:
        raise UserError(_nothing(root, found))
    agent = usable[0]
    path = root / FILE
    _write(path, _config(agent))
    print("\n".join(_story(path, agent, [f for f in found if f is not agent])))
    return 0


def _refuse_to_overwrite(root: Path) -> None:
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; name the folder of the project")
    if (root / FILE).exists():
        raise UserError(f"{root / FILE} exists and is left as it is; remove it to have it written anew")
    shared = root / "pyproject.toml"
    try:
        data = tomllib.loads(shared.read_text(encoding="utf-8")) if shared.is_file() else {}
    except (OSError, ValueError) as error:
        raise UserError(f"{shared} cannot be read: {error}") from None
    if "agentcheck" in data.get("tool", {}):
        raise UserError(f"{shared} already holds [tool.agentcheck] and is left as it is")


def _nothing(root: Path, found: Sequence[Found]) -> str:
    if found:
        return f"the only agent found, {found[0].path}, cannot be named: {found[0].obstacle}"
    return (
        f'no agent found in {root.resolve()}: no function there calls a model; write target = "package.module:object" '
        f"into {FILE} yourself"
    )


def _config(agent: Found) -> str:
    tools = "".join(f'{name} = "{where}"\n' for name, where in sorted(agent.tools.items()))
    table = f"\n# Where each tool of the model is found in the code.\n[tools]\n{tools}" if tools else ""
    return f'target = "{agent.path}"\n{_MORE}{table}'


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


def _story(path: Path, agent: Found, others: Sequence[Found]) -> Iterator[str]:
    yield f'Wrote {path}: target = "{agent.path}"'
    yield f"  because {agent.why}"
    if agent.tools:
        yield f"  and bound its tools: {', '.join(sorted(agent.tools))}"
    if others:
        yield "Not chosen:"
    for other in others[:5]:
        yield f"  {other.path}: {other.why}" + (f"; but {other.obstacle}" if other.obstacle else "")
    yield "Next: pytest --agentcheck"
