"""The world around the agent: what the model, the tools and the humans say, and the record of it."""

from collections.abc import Mapping
from typing import Any, Final

from agentcheck.model_side import ModelSide

CHOOSE: Final[dict[str, Any]] = {"do": "choose"}  # the answer is not decided yet


class World(ModelSide):
    """Answers each message from the agent's process."""

    def handle(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one message of a callable or host. Raises CutOff where the run ends here."""
        self.tear()
        self._note_save(message)
        handler = getattr(self, f"_on_{message['op']}", None)
        answer: dict[str, Any] = (handler(message) if handler is not None else None) or {}
        return answer if answer is CHOOSE else self.with_stop(answer)

    def with_stop(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, with a word to stop where somebody asked for that."""
        if self.stopping and answer.get("do") != "bind":
            self.stopping = False
            return {**answer, "stop": True}
        return answer

    def _on_refused(self, message: Mapping[str, Any]) -> None:
        self._record(message, "refused", **{k: message[k] for k in ("what", "detail", "where")})

    def _on_fault_fired(self, message: Mapping[str, Any]) -> None:
        self._record(message, "fault_fired", fault=message["fault"])

    def _on_probe(self, message: Mapping[str, Any]) -> None:
        self._record(message, "probe", name=message["name"], value=message["value"])

    def _on_begins(self, message: Mapping[str, Any]) -> None:
        if self.meeting is not None:
            self.meeting.begin(self.target.limits.seconds)

    def _on_writes(self, message: Mapping[str, Any]) -> None:
        if self.meeting is not None:
            self.meeting.before_write()

    def _on_saving(self, message: Mapping[str, Any]) -> None:
        self.about_to_save(message)

    def _on_finished(self, message: Mapping[str, Any]) -> None:
        if self.meeting is not None:
            self.meeting.leave()
        data = {k: v for k, v in message.items() if k not in ("op", "session", "pid")}
        for question in message.get("questions", ()):
            call = question.get("call") or {}
            self._record(message, "asked", **{**question, "tool": call.get("name"), "via": "pause"})
        self._record(message, "finished", **data)
