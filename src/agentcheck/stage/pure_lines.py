"""Whose line did it: the call chain inside the user's own code, however deep in libraries the deed itself was."""

import linecache
import os
import zoneinfo
from types import CodeType, FrameType
from typing import Final

_LIBRARY: Final = os.path.dirname(os.__file__)
_READING_CODE: Final = (  # on whose behalf files are read and caches filled: Python's own machinery, not the reducer
    "<frozen importlib",
    "<frozen zipimport",
    linecache.__file__,
    os.path.dirname(zoneinfo.__file__),
    os.path.join(_LIBRARY, "importlib", "metadata"),
    os.path.join(_LIBRARY, "_strptime.py"),
    os.path.join(_LIBRARY, "warnings.py"),
)
_LONGEST: Final = 6  # lines of a chain; the rest is how the stage came to call the reducer


class Lines:
    """Tells the user's code from everybody else's, and names its lines."""

    def __init__(self, project: tuple[str, ...]):
        self.project = project
        self._known: dict[str, bool] = {}

    def owns(self, file: str) -> bool:
        """Whether the user wrote this file."""
        known = self._known.get(file)
        if known is None:
            known = file.startswith(self.project) and "site-packages" not in file and "/agentcheck/stage/" not in file
            self._known[file] = known
        return known

    def chain(self, frame: FrameType | None, line: int | None = None) -> list[str]:
        """The user's lines on the stack, innermost first; none where Python's machinery did it by itself.

        Args:
            line: the line of the innermost frame, where the frame has gone on since.
        """
        found: list[str] = []
        while frame is not None and len(found) < _LONGEST:
            code = frame.f_code
            if not found and is_machinery(code):
                return []
            if self.owns(code.co_filename):
                found.append(named(code, frame.f_lineno if line is None else line))
            frame, line = frame.f_back, None
        return found


def is_machinery(code: CodeType) -> bool:
    """Whether this is code of Python that reads code, zones or formats, once, for whoever comes first."""
    return code.co_filename.startswith(_READING_CODE)


def named(code: CodeType, line: int) -> str:
    return f"{os.path.basename(code.co_filename)}:{line} in {code.co_name}"


def item(what: str, chain: list[str]) -> dict[str, str]:
    """One thing that was seen, as it goes to the lab."""
    return {"what": what, "where": chain[0], "chain": " < ".join(chain)}
