"""What a call is given, the state and the event (or the trigger), and whether the call changed them in place."""

import contextlib
import json
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final, Protocol

from agentcheck import reducer as vocabulary
from agentcheck.stage.pure_locate import Look
from agentcheck.stage.pure_words import Words

_WORDS: Final = Words(lambda kind: hasattr(kind, "__dict__"))
_DEEP: Final = 8


class Codec(Protocol):
    """How the stage writes and reads states."""

    def text(self, state: Any) -> str: ...

    def load(self, data: Any) -> Any: ...


class Given:
    """State and event of one order, remembered as they were."""

    def __init__(self, codec: Codec, state: Any, order: Mapping[str, Any]):
        self._codec, self._state, self._order = codec, state, order
        self._input = "trigger" if order["op"] == "start" else "event"
        self._state_was = self._words(state)
        self._input_was = json.dumps(order[self._input])

    def changed(self) -> str:
        """What was changed, in the words of a message; empty where nothing was."""
        if self._words(self._state) != self._state_was:
            return "the state that it was given"
        return f"the {self._input} that it was given" if json.dumps(self._order[self._input]) != self._input_was else ""

    def order(self) -> dict[str, Any]:
        """The order as it was."""
        return {**self._order, self._input: json.loads(self._input_was)}

    def again(self, reducer: Any) -> tuple[Callable[[], Any], Look]:
        """The same call with arguments of its own, and a look at them."""
        state, given = self._restored(), json.loads(self._input_was)

        def look(frame: FrameType, returned: Any) -> tuple[str, str]:
            return self._words(state), json.dumps(given)

        if self._input == "trigger":
            return lambda: reducer.start(given), look
        event = vocabulary.event_from(given)
        return lambda: reducer.reduce(state, event), look

    def _restored(self) -> Any:
        with contextlib.suppress(Exception):
            return self._codec.load(json.loads(self._state_was))
        return self._state

    def _words(self, state: Any) -> str:
        try:
            return self._codec.text(state)
        except Exception:  # no plain data, which is for another check to judge
            return _WORDS.of(state, _DEEP)
