"""What surrounds a process beyond its folder: environment, time zone, and the name of the host."""

import contextlib
import ctypes
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any, Final

_NEW_UTS: Final = 0x04000000  # unshare(2): a host name of its own


def settle(job: Mapping[str, Any]) -> bool:
    """Take on the surroundings that a job asks for; False where the system gives no name of its own."""
    for name in job.get("without", ()):
        os.environ.pop(name, None)
    os.environ.update(job.get("environment", {}))
    if "TZ" in job.get("environment", {}):
        time.tzset()
    tempfile.tempdir = None  # it may have been asked for before the fork, and been another folder then
    return _take_name(job["host_name"]) if job.get("host_name") else True


def _take_name(name: str) -> bool:
    if sys.platform != "linux" or ctypes.CDLL(None).unshare(_NEW_UTS):
        return False
    with contextlib.suppress(OSError):
        socket.sethostname(name)
    known = platform.uname()
    renamed = platform.uname_result(known.system, name, known.release, known.version, known.machine)
    vars(platform)["_uname_cache"] = renamed  # it was asked for before the fork
    return socket.gethostname() == name
