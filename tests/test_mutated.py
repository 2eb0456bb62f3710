"""Spoilt recordings, requests and replies get a clear error each: no crash, no hang, no unbounded memory."""

import subprocess
import sys
from pathlib import Path

MUTATED = Path(__file__).with_name("mutated.py")


def test_whatever_is_spoilt_is_read_or_refused_in_a_sentence():
    command = [sys.executable, str(MUTATED), "5000", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"wrong_in_all": 0' in done.stdout
