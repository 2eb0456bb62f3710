"""What the world may do to an agent: one move after the other makes a story, and a story is plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from agentcheck import faults
from agentcheck.reducer import Answer, answer_from
from agentcheck.scenario import Call, Turn, arguments_text
from agentcheck.trials import excerpt

BEGIN: Final = "begin"


@dataclass(frozen=True)
class Move:
    """One move: `do` is its name, `details` what it needs beyond that, as JSON."""

    do: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.details[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.details.get(key, default)

    def to_data(self) -> dict[str, Any]:
        return {"do": self.do, **self.details}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Move":
        """Raises ValueError where it is none."""
        if data.get("do") not in WORDS:
            raise ValueError(f"no move is called {data.get('do')!r}; the moves are {', '.join(WORDS)}")
        return cls(data["do"], {k: v for k, v in data.items() if k != "do"})

    def __str__(self) -> str:
        return WORDS[self.do].format(**_shown(self.details))


Moves: TypeAlias = tuple[Move, ...]

WORDS: Final = {
    BEGIN: "{sessions}",
    "call": "the model calls {calls}",
    "say": "the model says {text!r}",
    "finish": "the model says that the job is done",
    "model fails": "the model fails: {how}",
    "return": "the tool returns {value}",
    "tool fails": "the tool fails: {how}",
    "answer": "the human answers: {answer}",
    "silence": "the human says nothing until the deadline is over",
    "answer again": "the last answer is delivered once more",
    "stray answer": "a yes arrives to a question that nobody asked",
    "crash": "the process is killed{when}, and the run taken up again on {on}",
    "stop": "the process is asked to stop, and the run taken up again on {on}",
    "take up": "the run is taken up again without an answer",
    "spoil": "its snapshot is spoiled ({how}), and the run taken up again",
    "keep calling": "the model makes the same call over and over, at most {times} times",
    "keep failing": "the model makes the same call {times} times, and the tool fails each time",
    "fail by turns": "the model makes the same call {times} times, and the tool fails every other time",
    "switch": "the other session goes on",
    "fork": "the run is taken up a second time in the same process",
    "repeat": "the same is played once more in another process",
    "rebuild": "another process folds the same events from the start",
    "late": "after the end {what} arrives",
}


def _shown(details: Mapping[str, Any]) -> dict[str, Any]:
    """The details of a move in words."""
    shown: dict[str, Any] = {"value": "what it should", "when": "", "on": "the same machine", **details}
    if "calls" in details:
        shown["calls"] = " and ".join(
            f"{c['tool']} {excerpt(arguments_text(c['arguments']))}" for c in details["calls"]
        )
    if "how" in details:
        shown["how"] = worded(details["how"]) if isinstance(details["how"], Mapping) else details["how"]
    if details.get("value") is not None:
        shown["value"] = excerpt(repr(details["value"]), 60)
    if details.get("after_effect"):
        shown["when"] = " after the effect, before anybody heard of it"
    if details.get("far"):
        shown["on"] = "another machine"
    if "answer" in details:
        shown["answer"] = spoken(details["answer"])
    if "sessions" in details:
        shown["sessions"] = "two runs begin" if details["sessions"] > 1 else "a run begins"
    return shown


def spoken(answer: Mapping[str, Any]) -> str:
    words = {"Approved": "yes", "Denied": f"no ({answer.get('reason', '')})"}
    return words.get(answer["type"]) or repr(answer.get("text"))


# --- failures as data -----------------------------------------------------------------------------

_KINDS: Final = {
    kind.__name__: kind
    for kind in (
        *(faults.Raises, faults.Http, faults.Reset, faults.Hangs, faults.TimesOut, faults.Returns),
        *(faults.CutStream, faults.StallStream, faults.LengthLimit, faults.EmptyReply, faults.Refusal),
        *(faults.UnknownFinish, faults.SameIds, faults.DoubleEncoded),
    )
}


def failure(data: Mapping[str, Any]) -> Any:
    """The failure that this data describes: {"kind": "Http", "status": 503}. Raises ValueError."""
    try:
        return _KINDS[data["kind"]](**{k: v for k, v in data.items() if k != "kind"})
    except (KeyError, TypeError):
        raise ValueError(f"{dict(data)!r} describes no failure; the kinds are {', '.join(_KINDS)}") from None


def worded(how: Mapping[str, Any]) -> str:
    """A failure for people."""
    told = [excerpt(repr(v), 60) for k, v in how.items() if k != "kind" and v not in (None, "", False)]
    return f"{how['kind']}({', '.join(told)})"


def turn(move: Move) -> Turn:
    """The model's decision that a move makes."""
    calls = tuple(Call(c["tool"], c["arguments"], c.get("id")) for c in move.get("calls", ()))
    return Turn(calls=calls, text=move.get("text", ""), verbatim=move.do == "say")


def answer(move: Move) -> Answer:
    return answer_from(move["answer"])


def story(moves: Sequence[Move]) -> str:
    """Moves as a story, a numbered line each."""
    return "\n".join(f"{n:3}. {move}" for n, move in enumerate(moves, 1))
