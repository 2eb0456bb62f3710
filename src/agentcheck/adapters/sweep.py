"""The last resort against processes: found by what they carry, where the agent ended all that knew them."""

import contextlib
import os
from pathlib import Path
from typing import Final

import psutil

MARK: Final = "AGENTCHECK_RUN"  # in the environment of every process on the stage


def sweep(mark: str, folder: Path) -> list[str]:
    """End every process that has `mark` in its environment or works in `folder`, and all below; their names."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and _belongs(process, mark, folder):
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
    ended = []
    for process in found.values():
        with contextlib.suppress(psutil.Error, OSError):
            ended.append(" ".join(process.cmdline())[:80])
            process.kill()
    return ended


def _belongs(process: psutil.Process, mark: str, folder: Path) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        if process.environ().get(MARK) == mark:
            return True
    return Path(process.cwd()).is_relative_to(folder)
