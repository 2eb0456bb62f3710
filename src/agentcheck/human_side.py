"""The humans: who is asked, through which channel, and what they say."""

from collections.abc import Mapping
from typing import Any

from agentcheck.boundary import Boundary, marker
from agentcheck.conditions import Silence
from agentcheck.reducer import Answer, Approved, Denied, Text, to_data
from agentcheck.trace import Event


class HumanSide(Boundary):
    """Answers questions and requests for approval, as the plan, the scenario or kindness has it."""

    def is_human(self, tool: str) -> bool:
        return tool in (self.target.human or ())

    def answer_to(self, kind: str, tool: str) -> Answer | None:
        """What the human says to a question of this kind about this tool; None: nothing, ever."""
        if isinstance(self.humans, Silence):
            return None
        for plan in (*(self.humans or ()), *self.scenario.humans):
            if plan.to in ("*", tool):
                return plan.answer
        return Approved() if kind == "approval" else Text(marker("answer"))

    def ask_human(self, message: Mapping[str, Any], **question: Any) -> tuple[Event, Answer | None]:
        """Record a question and its answer."""
        asked = self._record(message, "asked", **question)
        answer = self.answer_to(question["kind"], question.get("tool") or "*")
        if answer is not None:
            self._record(message, "answered", id=question["id"], answer=to_data(answer))
        return asked, answer

    def _human_tool(self, message: Mapping[str, Any], called: Event) -> dict[str, Any]:
        text = " ".join(str(v) for v in called["arguments"].values())
        question = {"id": called["call"], "kind": "question", "text": text, "tool": called["tool"], "via": "tool"}
        _, answer = self.ask_human(message, **question)
        if answer is None:
            return {"call": called["call"], "do": "hang"}
        return {"call": called["call"], "do": "return", "value": spoken(answer)}

    def _on_approval(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"approved": self._approval(message, str(message["arguments"]), "function")}

    def _on_input(self, message: Mapping[str, Any]) -> dict[str, Any]:
        prompt, tool = message["prompt"], self._open_high_stakes()
        kind = "question" if tool is None else "approval"
        question = {"id": f"i{len(self.trace)}", "kind": kind, "text": prompt, "tool": tool, "via": "input"}
        _, answer = self.ask_human(message, **question)
        return {"text": typed(answer, prompt, approval=tool is not None)}

    def _approval(self, message: Mapping[str, Any], text: str, via: str) -> bool:
        tool = self._open_high_stakes()
        question = {"id": f"a{len(self.trace)}", "kind": "approval", "text": text, "tool": tool, "via": via}
        _, answer = self.ask_human(message, **question)
        return answer is not None and _is_yes(answer)

    def _open_high_stakes(self) -> str | None:
        stakes = self.target.high_stakes or ()
        return next((o["call"].name for o in self._open if o["call"].name in stakes), None)


def typed(answer: Answer | None, prompt: str, *, approval: bool) -> str | None:
    """An answer as a human would type it at a prompt; None: nobody is there."""
    if isinstance(answer, Text) and not approval:
        return answer.text
    if answer is None and not approval:
        return None
    yes, no = ("yes", "no") if "yes" in prompt.lower() else ("y", "n")
    return yes if answer is not None and _is_yes(answer) else no


def _is_yes(answer: Answer) -> bool:
    return isinstance(answer, Approved) or (isinstance(answer, Text) and answer.text.lower() in ("y", "yes", "approve"))


def spoken(answer: Answer) -> str:
    """An answer as a human would type it."""
    if isinstance(answer, Text):
        return answer.text
    return (
        "yes, approved"
        if isinstance(answer, Approved)
        else f"no: {answer.reason or 'denied'}"
        if isinstance(answer, Denied)
        else ""
    )
