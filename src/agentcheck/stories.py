"""Stories: sequences of events that a reducer could meet, drawn by Hypothesis as the reducer asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure

from agentcheck.adapters.reducer import ReducerFailed, Remote
from agentcheck.arguments import Schema
from agentcheck.drawn import values
from agentcheck.jsonvalues import example
from agentcheck.reducer import to_data

MOST_EVENTS: Final = 8
EXAMPLES: Final = 30
SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
_VALUES: Final = st.sampled_from(["ok", "", ["v1", "v2"], {"status": "ok"}, 7, None, "x" * 300])
_FAILURES: Final = st.sampled_from([("RuntimeError", "it broke"), ("timeout", "no answer"), ("HTTPError", "HTTP 503")])


@dataclass
class Story:
    """A trigger and the events after it, with the reducer's answer to each."""

    trigger: Any
    events: list[Mapping[str, Any]] = field(default_factory=list)
    answers: list[Mapping[str, Any]] = field(default_factory=list)

    def code(self, reducer: str) -> str:
        """The story as a program that runs; `reducer` is "module:attribute.path", or a module that is one itself."""
        module, _, path = reducer.partition(":")
        root = path.partition(".")[0].removesuffix("()")
        lines = [
            "from agentcheck.messages import ToolCall",
            "from agentcheck.reducer import *",
            f"from {module} import {root}" if path else f"import {module}",
            "",
            f"reducer = {path or module}",
            f"step = reducer.start({self.trigger!r})",
            *(f"step = reducer.reduce(step.state, {_written(event)})" for event in self.events),
        ]
        return "\n".join(lines)


class Teller:
    """Draws stories for one reducer.

    Args:
        remote: the reducer in its process.
        trigger: what starts every story.
        watch: whether purity is watched.
        enough: whether a story has come to its point with this answer, and ends.
    """

    def __init__(
        self,
        remote: Remote,
        trigger: Any,
        *,
        watch: bool = False,
        enough: Callable[[Mapping[str, Any]], object] = lambda answer: False,
    ):
        self.enough = enough
        self.remote = remote
        self.trigger = trigger
        self.watch = watch
        self.reduced = 0  # events that were reduced, over all stories
        self._arguments = {t["name"]: _arguments(t["parameters"]) for t in remote.tools}

    def tell(self, data: st.DataObject, story: Story) -> None:
        """Draw one story into `story`, event by event, as the commands ask for them."""
        try:
            self._tell(data, story)
        except ReducerFailed as failed:  # what it raises is for other checks to judge; the story ends here
            if failed.error.get("impure"):
                story.answers.append({"impure": failed.error["impure"]})

    def _tell(self, data: st.DataObject, story: Story) -> None:
        pending = self._take(story, self.remote.order("start", trigger=self.trigger, watch=self.watch), [])
        while pending and len(story.events) < MOST_EVENTS and not self.enough(story.answers[-1]):
            event = data.draw(self._event(pending.pop(0)))
            if event is None:
                return
            story.events.append(event)
            answer = self.remote.order("reduce", state=story.answers[-1]["state"], event=event, watch=self.watch)
            self.reduced += 1
            pending = self._take(story, answer, pending)

    @staticmethod
    def _take(story: Story, answer: Mapping[str, Any], pending: list[Any]) -> list[Any]:
        story.answers.append(answer)
        return [*pending, *answer["commands"]]

    def _event(self, command: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        drawn: Callable[[Mapping[str, Any]], st.SearchStrategy[Any]] = getattr(self, f"_after_{command['type']}")
        return drawn(command)

    def _after_CallModel(self, command: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        prose = st.builds(lambda text: _event("ModelReplied", text=text, calls=[], finish="stop"), st.text(max_size=20))
        failure = st.sampled_from([429, 500, None]).map(
            lambda status: _event("ModelFailed", status=status, message="it failed", retry_after=None)
        )
        names = [t["name"] for t in command["tools"] if t["name"] in self._arguments]
        if not names:
            return st.one_of(prose, failure)
        calls = st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), self._arguments[name]))
        number = st.integers(min_value=1, max_value=99)
        called = st.builds(
            lambda call, n: _event("ModelReplied", text="", calls=[_call(call[0], call[1], n)], finish="calls"),
            calls,
            number,
        )
        return st.one_of(called, called, prose, failure)

    def _after_CallTool(self, command: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        id = command["call"]["id"]
        returned = _VALUES.map(lambda value: _event("ToolReturned", call_id=id, value=value))
        failed = _FAILURES.map(lambda f: _event("ToolFailed", call_id=id, kind=f[0], message=f[1]))
        return st.one_of(returned, failed)

    def _after_AskHuman(self, command: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        said = [{"type": "Approved"}, {"type": "Denied", "reason": "not now"}, {"type": "Text", "text": "go on"}]
        answered = st.sampled_from(said).map(lambda a: _event("HumanAnswered", id=command["id"], answer=a))
        silence = _event("TimePassed", seconds=command["deadline"] or 60.0)
        return st.one_of(answered, st.just(silence))

    def _after_Wait(self, command: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.just(_event("TimePassed", seconds=command["seconds"]))

    def _after_Finish(self, command: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.none()


def holds_for_all(tell: Callable[[st.DataObject], None], *, examples: int = EXAMPLES) -> None:
    """Run `tell` on drawn data until it raises; what it raises for the shortest story comes out.

    A reducer that misbehaves once, and not when the same story is told again, has misbehaved all the same.
    """

    @settings(SETTINGS, max_examples=examples)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        tell(data)

    try:
        holds()
    except FlakyFailure as flaky:
        raise next((e for e in flaky.exceptions if isinstance(e, AssertionError)), flaky) from None


def _arguments(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Arguments of a tool: mostly one good example, sometimes others that the schema allows, or broken text."""
    plain = st.just(example(schema))
    drawn = values(schema) if Schema(schema).usable else plain
    return st.one_of(plain, plain, drawn, st.just("{broken"))


def _call(name: str, arguments: Any, number: int) -> dict[str, Any]:
    import json

    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"name": name, "arguments": text, "id": f"call_{number}"}


def _event(type: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": type, **fields}


def _written(event: Mapping[str, Any]) -> str:
    """An event as the expression that makes it."""
    parts = []
    for name, value in event.items():
        if name == "calls":
            parts.append(f"calls=[{', '.join(_constructed('ToolCall', c) for c in value)}]")
        elif name == "answer":
            parts.append(f"answer={_constructed(value['type'], value)}")
        elif name != "type":
            parts.append(f"{name}={value!r}")
    return f"{event['type']}({', '.join(parts)})"


def _constructed(name: str, fields: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in fields.items() if k != 'type')})"


def replayed(remote: Remote, trigger: Any, events: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The JSON of the state after the trigger and after each event."""
    answer = remote.order("start", trigger=to_data(trigger))
    states = [answer["json"]]
    for event in events:
        answer = remote.order("reduce", state=answer["state"], event=event)
        states.append(answer["json"])
    return states
