"""Decisions tried out on the agent, several in one run, and what became of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agentcheck.finding import NotReached
from agentcheck.lab import Lab
from agentcheck.model import catalog
from agentcheck.plan import Run
from agentcheck.scenario import Call, Turn, arguments_text
from agentcheck.trace import Event
from agentcheck.wording import new_messages

MOST_AT_ONCE: Final = 8  # decisions in one run, so that the agent's own bound is not in the way
_NOTHING: Final = frozenset({"", "null", "none", '""', "''", "{}", "[]"})


@dataclass(frozen=True, slots=True)
class Trial:
    """One turn of the model in a run: `reply` is the event of the reply that `turn` became."""

    turn: Turn
    run: Run
    reply: Event

    @property
    def call(self) -> Call:
        return self.turn.calls[0]

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments of the call; none where they are text that is sent as it is."""
        return self.call.arguments if isinstance(self.call.arguments, Mapping) else {}

    @property
    def events(self) -> tuple[Event | None, ...]:
        """The evidence: the reply, and what came after it."""
        return self.reply, self.following or self.run.finished

    @property
    def following(self) -> Event | None:
        """The next model request of the session."""
        return self.run.next_request(self.reply)

    @property
    def ran(self) -> Event | None:
        """The invocation of the tool that carries out this decision."""
        return self.run.first("tool_called", decision=self.reply.seq)

    @property
    def waits(self) -> bool:
        """Whether the decision hangs on a human who has not answered."""
        asked = self.run.of("asked", after=self.reply, before=self.following)
        answered = {e["id"] for e in self.run.of("answered", after=self.reply)}
        return any(e["id"] not in answered for e in asked)

    @property
    def told(self) -> str:
        """What the next request says anew, the model's own words left out; "" where that is nothing."""
        before = self.run.of("model_request", before=self.reply, session=self.reply.session)[-1]
        known = [m.text for m in before.request.messages]
        fresh = (_beyond(m.text, known) for m in new_messages(self.run, self.reply) if m.role != "assistant")
        said = "\n".join(text for text in fresh if text.strip().lower() not in _NOTHING)
        return said.strip()

    @property
    def outcome(self) -> str:
        """What came of it, for people."""
        if self.ran is not None:
            return f"{self.ran['tool']} ran"
        if self.following is not None:
            return f"the model was told {excerpt(self.told)!r}" if self.told else "the model was told nothing"
        ended = self.run.finished
        error = ended.get("error") if ended is not None else None
        return f"{error['kind']} ended the run" if error else f"the run ended as {self.run.status}"

    @property
    def broke_off(self) -> bool:
        """Whether the run ended in this turn, and not of its own will."""
        return self.following is None and self.run.status not in ("finished", "waiting")

    def acts(self, lab: Lab) -> list[Event]:
        """The tools that ran until the next request, those left out that the agent calls of itself."""
        unasked = {e["tool"] for e in lab.happy().of("tool_called") if e["decision"] is None}
        lab.cited.trace = self.run
        called = self.run.of("tool_called", after=self.reply, before=self.following, session=self.reply.session)
        return [e for e in called if e["tool"] not in unasked or self._is_meant(e)]

    def _is_meant(self, called: Event) -> bool:
        """Whether an invocation has the arguments of this decision."""
        received = called["arguments"]
        return isinstance(received, dict) and bool(self.arguments) and self.arguments.items() <= received.items()


def trials(lab: Lab, turns: Iterable[Turn]) -> list[Trial]:
    """Let the model decide on these turns, one after the other, in as few runs as the agent's bounds allow.

    Raises NotReached where a run ends before its first decision.
    """
    waiting, tried = list(turns), list[Trial]()
    while waiting:
        chunk = waiting[:MOST_AT_ONCE]
        run = lab.run(*chunk, returns=_stand_ins(lab, chunk))
        played = _played(lab, run, chunk)
        if not played:
            raise NotReached("the run ended before the model could decide anything", trace=run)
        tried += played
        waiting = waiting[len(played) :]
    return tried


def _played(lab: Lab, run: Run, turns: Sequence[Turn]) -> list[Trial]:
    """Each turn that was played, with its reply; where nothing is offered, no call is played."""
    found = list[Trial]()
    for reply in run.of("model_reply", session="main"):
        asked = run.of("model_request", before=reply, session="main")[-1]
        turn = turns[len(found)]
        if not turn.calls or catalog(asked.request, lab.scenario):
            found.append(Trial(turn, run, reply))
        if len(found) == len(turns):
            break
    return found


def _stand_ins(lab: Lab, turns: Iterable[Turn]) -> dict[str, str]:
    """What tools return that may run for real: what is tried here is not what they were allowed for."""
    tools = {call.tool for turn in turns for call in turn.calls}
    return {t: lab.marker(t) for t in sorted(tools) if lab.target.binding(t).allow and t not in lab.scenario.returns}


def alone(lab: Lab, trial: Trial) -> Trial:
    """The same decision as the first of a run of its own, where nothing that came before can matter."""
    return trials(lab, [trial.turn])[0]


def answered(lab: Lab, trial: Trial) -> Trial:
    """The trial, or one of the same decision alone, in which the model is told something.

    Raises NotReached where the agent waits for a human instead.
    """
    trial = trial if trial.told else alone(lab, trial)
    if trial.waits and trial.following is None:
        raise NotReached(f"after {written(trial.call)} the run waits for a human", trace=trial.run)
    return trial


def named(called: Sequence[Event]) -> str:
    """The tools of these invocations, for people."""
    return " and ".join(dict.fromkeys(str(e["tool"]) for e in called))


def excerpt(text: str, most: int = 120) -> str:
    """A text on one line, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def written(call: Call) -> str:
    """A call for people: its name and its arguments as the model sends them, cut."""
    return f"{call.tool} {excerpt(arguments_text(call.arguments))}"


def _beyond(text: str, known: Sequence[str]) -> str:
    """What a text says beyond an earlier message that it repeats and goes on from."""
    shared = max((_shared(text, old) for old in known), default=0)
    whole = max((len(old) for old in known if _shared(text, old) == shared), default=0)
    return text[shared:] if shared and shared * 2 > whole else text


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common from the start."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
