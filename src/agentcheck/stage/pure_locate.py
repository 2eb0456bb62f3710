"""The line that changed something: the call once more, line by line, with a look after each line.

Slow, so only done where it is known already that something was changed.
"""

import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from agentcheck.stage.pure_lines import Lines

Look = Callable[[FrameType, Any], object]  # what is to change, seen from a frame and what it returns just now


class Locator:
    """Traces the user's lines; `chain` is that of the first line after which `look` sees something else."""

    def __init__(self, lines: Lines, look: Look):
        self.chain: list[str] = []
        self._lines, self._look = lines, look
        self._last: tuple[FrameType, int] | None = None
        self._seen: object = None

    def __enter__(self) -> "Locator":
        self._seen = self._look(sys._getframe(), None)
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if self.chain or not self._lines.owns(frame.f_code.co_filename):
            return None
        self._notice(frame, arg if event == "return" else None)
        within = frame.f_back if event == "return" and frame.f_back else frame
        self._last = (within, within.f_lineno)
        return self._trace

    def _notice(self, frame: FrameType, returned: Any) -> None:
        now = self._look(frame, returned)
        if now != self._seen and self._last is not None:
            self.chain = self._lines.chain(*self._last)
        self._seen = now
