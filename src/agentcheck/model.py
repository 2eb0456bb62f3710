"""Where the model's replies come from: a script, agentcheck's own decisions, or a recording."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agentcheck.intents import Intent, as_tools, offered
from agentcheck.jsonvalues import example_arguments
from agentcheck.messages import Decision, Message, Request, ToolCall, ToolSpec
from agentcheck.replay import Player
from agentcheck.scenario import Call, Scenario, Turn, arguments_text, finish
from agentcheck.wire import WireReply, WireRequest


class Model(Protocol):
    """One request in, one reply out: a decision, bytes as they were recorded, or None for a miss."""

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> Decision | WireReply | None: ...


def catalog(request: Request, scenario: Scenario) -> tuple[ToolSpec, ...]:
    """What the model can choose from: native tools, or intents in the schema of its content."""
    return request.tools or as_tools(offered(request, scenario))


@dataclass
class Script:
    """Plays turns in order; after the last one `then` for ever. Each session has a place of its own.
    Where a request offers nothing to call, a call waits for one that does, and prose answers.

    Without turns it decides by itself: each tool that `may_call` allows once, with arguments from
    its schema, then the end. After a resume, a request that was asked before gets the same answer.
    """

    turns: tuple[Turn, ...] | None
    scenario: Scenario
    ending: str | None = None  # the tool or intent that ends a run, where plain text does not
    then: Turn = field(default_factory=finish)
    may_call: Callable[[str], bool] = lambda tool: True
    place: dict[str, int] = field(default_factory=dict)
    resumed: set[str] = field(default_factory=set)
    _asked: dict[str, list[tuple[Request, int]]] = field(default_factory=dict)
    _made: dict[str, list[Turn]] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)  # the place before the last reply

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> Decision:
        place = self._before[session] = self._place(session, request)
        turn = self._turn(session, place, request)
        if turn.calls and not catalog(request, self.scenario):  # a summary, a title, the closing words
            self.place[session] = place
            return Decision(text=finish().text)
        self.place[session] = place + 1
        return self._decided(turn, request)

    def take_back(self, session: str) -> None:
        """The last reply never arrived: the next request gets it."""
        self.place[session] = self._before[session]

    def continue_from(self, other: "Script") -> None:
        """Stand where another script stands."""
        self.place = dict(other.place)
        self._made = {session: list(turns) for session, turns in other._made.items()}
        self._asked = {session: list(asked) for session, asked in other._asked.items()}

    def fork(self, session: str, name: str) -> None:
        """Let a further session stand where `session` stands."""
        self.place[name] = self.place.get(session, 0)
        self._made[name] = list(self._made.get(session, ()))
        self._asked[name] = list(self._asked.get(session, ()))

    def _place(self, session: str, request: Request) -> int:
        history, place = self._asked.setdefault(session, []), self.place.get(session, 0)
        if session in self.resumed:
            self.resumed.discard(session)
            place = self._taken_up(session, request, place)
        history.append((request, place))
        return place

    def _taken_up(self, session: str, request: Request, place: int) -> int:
        """The place of a request after a resumption: that of the same one before, or of one whose reply was lost."""
        history, key = self._asked[session], fingerprint(request)
        known = next((p for asked, p in reversed(history) if fingerprint(asked) == key), None)
        if known is not None or not history:
            return place if known is None else known
        asked, last = history[-1]
        names = [call.tool for call in self._turn(session, last, asked).calls]
        same = request.messages[:1] == asked.messages[:1]  # and not of a sub-agent
        lost = same and last == place - 1 and names and not any(_says_more(request, asked, name) for name in names)
        return last if lost else place

    def _turn(self, session: str, place: int, request: Request) -> Turn:
        if self.turns is not None:
            return self.turns[place] if place < len(self.turns) else self.then
        made = self._made.setdefault(session, [])
        if place >= len(made):
            made.append(self._improvised(made, request))
        return made[place]

    def _improvised(self, made: list[Turn], request: Request) -> Turn:
        called = {call.tool for turn in made for call in turn.calls}
        for spec in catalog(request, self.scenario):
            if spec.name not in called and spec.name != self.ending and not spec.hosted and self.may_call(spec.name):
                return Turn(calls=(Call(spec.name, example_arguments(spec.parameters)),))
        return self.then

    def _decided(self, turn: Turn, request: Request) -> Decision:
        intents = {i.name: i for i in offered(request, self.scenario)}
        if turn.ends and self.ending:
            return self._ended(turn, request, intents)
        if not turn.calls:
            return Decision(text=self._prose(turn, intents))
        if intents:
            return Decision(text=self._written(turn.calls[0], intents))
        calls = tuple(self._call(c) for c in (turn.calls[:1] if _one_at_a_time(request) else turn.calls))
        return Decision(text=turn.text, calls=calls, finish="calls")

    def _ended(self, turn: Turn, request: Request, intents: Mapping[str, Intent]) -> Decision:
        spec = next((s for s in catalog(request, self.scenario) if s.name == self.ending), None)
        arguments = example_arguments(spec.parameters, text=turn.text) if spec else {}
        return self._decided(Turn(calls=(Call(str(self.ending), arguments),)), request)

    def _prose(self, turn: Turn, intents: Mapping[str, Intent]) -> str:
        """A final answer, in an intent of its own where the content must be JSON."""
        if turn.verbatim or not intents:
            return turn.text
        without_function = [i for i in intents.values() if not self.may_call(i.name)]
        closing = (without_function or list(intents.values()))[-1]
        return closing.written(example_arguments(closing.parameters, text=turn.text))

    def _written(self, call: Call, intents: Mapping[str, Intent]) -> str:
        pattern = intents.get(call.tool) or next(iter(intents.values()))
        arguments: Any = call.arguments
        named = Intent(call.tool, pattern.key, {}, pattern.path, pattern.inside)
        return named.written_as(arguments) if isinstance(arguments, str) else named.written(arguments)

    @staticmethod
    def _call(call: Call) -> ToolCall:
        return ToolCall(call.tool, arguments_text(call.arguments), call.id or "")


def _one_at_a_time(request: Request) -> bool:
    """Whether a reply to this request can hold one call at the most."""
    return request.settings.get("parallel_tool_calls") is False or bool(request.settings.get("legacy_functions"))


@dataclass
class Replay:
    """Plays a recording back byte for byte; a request that matches nothing is a miss."""

    player: Player

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> WireReply | None:
        return self.player.answer(wire) if wire is not None else None

    def missed(self, request: Request, wire: WireRequest | None) -> str:
        """Why there was no reply, with the nearest recorded request."""
        return self.player.nearest(wire) if wire is not None else "it did not come over a wire"


@dataclass
class Recited:
    """The decisions of a recording in order, for an agent without a wire; beyond the last, all are misses."""

    decisions: Sequence[Decision]
    place: int = 0

    def reply(self, session: str, request: Request, wire: WireRequest | None) -> Decision | None:
        self.place += 1
        return self.decisions[self.place - 1] if self.place <= len(self.decisions) else None

    @property
    def unsaid(self) -> int:
        """How many decisions no request has asked for."""
        return max(0, len(self.decisions) - self.place)

    def missed(self, request: Request, wire: WireRequest | None) -> str:
        return f"the recording holds {len(self.decisions)} replies, and this is request {self.place}"


def fingerprint(request: Request) -> str:
    """What a request says, its ids left out."""
    return json.dumps([(m.role, m.text, [(c.name, c.arguments) for c in m.calls]) for m in request.messages])


def _says_more(request: Request, earlier: Request, name: str) -> bool:
    """Whether a request speaks of a tool more often than an earlier one did."""
    one, other = (sum(_times(message, name) for message in r.messages) for r in (request, earlier))
    return one > other


def _times(message: Message, name: str) -> int:
    return message.text.count(name) + sum(call.name == name for call in message.calls)


def intent_call(decision: Decision, request: Request, scenario: Scenario) -> tuple[ToolCall, ...]:
    """The calls of a decision, those written as JSON in the content included."""
    if decision.calls or not decision.text.lstrip().startswith("{"):
        return decision.calls
    try:
        body = json.loads(decision.text)
    except ValueError:
        return ()
    for intent in offered(request, scenario):
        found = body
        for wrapper in intent.path:
            found = found.get(wrapper, {}) if isinstance(found, dict) else {}
        if isinstance(found, dict) and found.get(intent.key) == intent.name:
            arguments = (
                found.get(intent.inside, {}) if intent.inside else {k: v for k, v in found.items() if k != intent.key}
            )
            return (ToolCall(intent.name, json.dumps(arguments, ensure_ascii=False)),)
    return ()
