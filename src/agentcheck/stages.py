"""The processes of one lab: a zygote for each machine, and folders for sandboxes and stores."""

import contextlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from agentcheck.adapters import disk
from agentcheck.adapters.process import Stage
from agentcheck.planted import planted_secrets
from agentcheck.process import Machine, Zygote, environment, interpreter

ROOM: Final = 4 * 2**30  # bytes


def _in_memory() -> str | None:
    """A folder in memory, where there is room: a store that waits for a disk at each save makes every run slow."""
    shared = Path("/dev/shm")
    chosen = any(name in os.environ for name in ("TMPDIR", "TEMP", "TMP"))
    with contextlib.suppress(OSError):
        if not chosen and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= ROOM:
            return str(shared)
    return None


class Stages:
    """Starts zygotes when they are first needed, and ends everything at `close`.

    Args:
        config: the configuration of the target.
        root: the user's project.
        planted: environment variable → what stands there instead of a secret; default: for every secret.
    """

    def __init__(self, config: Any, root: Path, planted: Mapping[str, str] | None = None):
        self.config = config
        self.root = root
        self.planted = planted_secrets() if planted is None else dict(planted)
        self.folder = Path(tempfile.mkdtemp(prefix="agentcheck-", dir=_in_memory())).resolve()
        self._stages: dict[tuple[int, float | None, int], Stage] = {}
        self._count = 0
        self._lock = threading.Lock()

    def on(self, machine: Machine) -> Stage:
        """The stage of a machine. Raises HarnessError where the target cannot be imported."""
        key = machine.hash_seed, machine.imported_at, machine.lane
        stage = self._stages.get(key)
        if stage is not None and not stage.zygote.alive:
            stage.zygote.close()
            stage = None
        if stage is None:
            stage = Stage(self._new_zygote(machine), project=self.root, known=set())
            stage.learn(sorted({module for other in self._stages.values() for module in other.known}))
            self._stages[key] = stage
        return stage

    def end(self, lane: int) -> None:
        """End the processes of a lane."""
        for key in [key for key in self._stages if key[2] == lane]:
            self._stages.pop(key).zygote.close()

    def next(self) -> int:
        """A number that nothing else in this lab has."""
        with self._lock:
            self._count += 1
            return self._count

    def new_store(self) -> Path:
        """An empty folder in which a host keeps one run."""
        store = self.folder / f"store-{self.next()}"
        store.mkdir()
        return store

    @staticmethod
    def drop(store: Path) -> None:
        """Remove a store that nobody needs any more."""
        disk.remove(store)

    def close(self) -> None:
        for stage in self._stages.values():
            stage.zygote.close()
        self._stages.clear()
        disk.remove(self.folder)

    @property
    def sandboxes(self) -> str:
        """A regular expression for where in the file system runs were put: another place each time."""
        return re.escape(str(self.folder)) + r"/(?:stage-\d+(?:-held)?(?:-lane\d+)?(?:/\d+)?|store-\d+)"

    def project_folders(self) -> list[str]:
        """Where the user's own code is: the project, and the bundled reference agents."""
        from agentcheck import fixtures

        return [str(self.root), *(str(Path(p).resolve()) for p in fixtures.__path__)]

    def _new_zygote(self, machine: Machine) -> Zygote:
        lane = f"-lane{machine.lane}" if machine.lane else ""
        sandbox = self.folder / f"stage-{machine.hash_seed}{'' if machine.imported_at is None else '-held'}{lane}"
        disk.remove(sandbox)
        (sandbox / "tmp").mkdir(parents=True)
        extra = getattr(self.config, "environment", None) or {}
        return Zygote(
            {**self._spec(), "clock": machine.imported_at},
            hash_seed=machine.hash_seed,
            sandbox=sandbox,
            environment=environment(self.planted, extra, sandbox),
            python=interpreter(getattr(self.config, "python", None)),
        )

    def _spec(self) -> dict[str, Any]:
        return {
            "target": self.config.target,
            **{part: getattr(self.config, part, None) for part in ("reducer", "run", "host")},
            "declared": self.config.declarations(),
            "path": [str(self.root), str(self.root / "src"), str(Path(__file__).parent.parent)],
            "project": self.project_folders(),
        }
