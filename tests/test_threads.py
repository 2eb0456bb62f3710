"""Threads and tasks: no request escapes, gets another's reply, or is missing from the recording."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from agents import lab_of, written

CROWD = Path(__file__).with_name("crowd.py")
THREADS, EACH = 8, 400


@pytest.mark.parametrize("client", ["requests", "urllib3", "httpx", "httpx2", "aiohttp", "all"])
def test_every_request_of_a_crowd_gets_its_own_reply_and_is_recorded(tmp_path, client):
    command = [sys.executable, str(CROWD), client, str(THREADS), str(EACH), str(tmp_path / "crowd.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"got": {"own": THREADS * EACH}, "escaped": 0, "recorded": THREADS * EACH}


def test_no_thread_gets_a_connection_while_another_is_being_refused(tmp_path):
    """The guard's own work in one thread opens nothing to the others."""
    written(
        tmp_path,
        """
        import http.client, socket, threading

        def run(task):
            said = loop(task)
            with socket.create_server(("127.0.0.1", 0)) as server:
                got = []
                threads = [threading.Thread(target=stray, args=(server.getsockname(), got)) for _ in range(8)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
            return json.dumps({"connected": got.count("connected"), "refused": got.count("refused")})

        def stray(address, got):
            for _ in range(100):
                with socket.socket() as one:
                    try:
                        one.connect(address)
                        got.append("connected")
                    except PermissionError:
                        got.append("refused")
        """,
    )
    with lab_of(tmp_path) as lab:
        run = lab.happy()
    assert json.loads(run.finished["result"]) == {"connected": 0, "refused": 800}
    assert len(run.of("refused")) == 800
