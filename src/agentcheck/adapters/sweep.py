"""The last resort against processes: found by what they carry, where the agent ended all that knew them."""

import contextlib
import os
import time
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
    _wait(list(found.values()))
    return ended


def _wait(killed: list[psutil.Process]) -> None:
    """Return when they are gone, or nothing is left of them but an entry; after a second at the latest."""
    for _ in range(100):
        if not any(_runs(process) for process in killed):
            return
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _belongs(process: psutil.Process, mark: str, folder: Path) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        if process.environ().get(MARK) == mark:
            return True
    return Path(process.cwd()).is_relative_to(folder)
