"""One job for the agent: trigger, model decisions, tool results, human answers."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from agentcheck.reducer import Answer, Approved, Denied, Text

T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario is not usable; the message says where and how to mend it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the model decides on; `arguments` as text is sent verbatim."""

    tool: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One model decision: calls, or text. `verbatim` text is the whole content, JSON decisions included."""

    calls: tuple[Call, ...] = ()
    text: str = ""
    verbatim: bool = False

    @property
    def ends(self) -> bool:
        """Whether this is an ordinary final answer."""
        return not self.calls and not self.verbatim


@dataclass(frozen=True, slots=True)
class HumanPlan:
    """The answer to questions about tool `to` ("*": any)."""

    to: str
    answer: Answer


@dataclass(frozen=True)
class Scenario:
    """What is fixed beforehand about a run; `turns` None: agentcheck makes the decisions itself."""

    name: str = "default"
    trigger: Any = None
    turns: tuple[Turn, ...] | None = None
    returns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    humans: tuple[HumanPlan, ...] = ()
    cassette: Path | None = None

    @classmethod
    def read(cls, path: Path) -> "Scenario":
        """Load a scenario from TOML. Raises ScenarioError in one sentence."""
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{path}: is not TOML: {error}") from None
        return cls.parse(data, where=str(path), folder=path.parent, name=path.stem)

    @classmethod
    def parse(cls, data: Mapping[str, Any], *, where: str, folder: Path, name: str = "default") -> "Scenario":
        """A scenario from the parsed form of its TOML. Raises ScenarioError."""
        _known(data, _KEYS, where)
        models, humans = _several(data, "model", where), _several(data, "human", where)
        tools, cassette = data.get("tools", {}), data.get("cassette")
        if not isinstance(tools, Mapping):
            raise ScenarioError(f"{where}: tools must be tables: [tools.NAME], each with returns = […]")
        if not isinstance(cassette, str | None):
            raise ScenarioError(f"{where}: cassette must be the path of a recording, as text")
        return cls(
            name=name,
            trigger=data.get("trigger"),
            turns=tuple(_turn(m, f"{where}: model {n}") for n, m in models) if "model" in data else None,
            returns={tool: _returns(plan, f"{where}: tools.{tool}") for tool, plan in tools.items()},
            humans=tuple(_human(h, f"{where}: human {n}") for n, h in humans),
            cassette=None if cassette is None else folder / cassette,
        )

    def once(self, name: str, made: Callable[["Scenario"], T]) -> T:
        """What follows from the scenario alone, made at the first asking and kept under this name."""
        if name not in self.__dict__:
            self.__dict__[name] = made(self)
        return self.__dict__[name]  # type: ignore[no-any-return]

    @cached_property
    def tools(self) -> set[str]:
        """The names of all tools that the scenario speaks of."""
        called = {call.tool for turn in self.turns or () for call in turn.calls}
        return called | set(self.returns) | {h.to for h in self.humans if h.to != "*"}


_KEYS: Final = ("trigger", "model", "tools", "human", "cassette")


_DECISIONS: Final = ("call", "calls", "finish", "text", "say")


def _several(data: Mapping[str, Any], key: str, where: str) -> list[tuple[int, Any]]:
    """The tables under a key, numbered from one."""
    found = data.get(key, [])
    if not isinstance(found, list):
        raise ScenarioError(f"{where}: {key} must be tables: [[{key}]], one after the other")
    return list(enumerate(found, 1))


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    if not isinstance(data.get(key), str):
        raise ScenarioError(f"{where}: {key} must be text")
    return str(data[key])


def _known(data: Any, keys: Sequence[str], where: str) -> None:
    if not isinstance(data, Mapping):
        raise ScenarioError(f"{where}: expected a table with {', '.join(keys)}")
    unknown = set(data) - set(keys)
    if unknown:
        raise ScenarioError(f"{where}: unknown key {min(unknown)!r}; the keys are {', '.join(keys)}")


def _turn(data: Any, where: str) -> Turn:
    _known(data, ("call", "arguments", "id", "calls", "finish", "text", "say"), where)
    decided = [key for key in _DECISIONS if key in data]
    if len(decided) != 1:
        what = f"decides both {decided[0]} and {decided[1]}" if decided else "decides nothing"
        raise ScenarioError(f"{where}: {what}; give it one of call, calls, finish, text")
    match decided:
        case ["calls"]:
            if not isinstance(data["calls"], list) or not data["calls"]:
                raise ScenarioError(f"{where}: calls must be an array of tables, each with call and arguments")
            return Turn(calls=tuple(_call(c, where) for c in data["calls"]))
        case ["call"]:
            return Turn(calls=(_call(data, where),))
    return Turn(text=_text(data, decided[0], where), verbatim=decided == ["text"])


def _call(data: Any, where: str) -> Call:
    _known(data, ("call", "arguments", "id"), where)
    arguments = data.get("arguments", {})
    if not isinstance(arguments, (str, Mapping)):
        raise ScenarioError(f"{where}: arguments must be a table, or text to send as it is")
    return Call(_text(data, "call", where), arguments, _text(data, "id", where) if "id" in data else None)


def _returns(plan: Any, where: str) -> list[Any]:
    _known(plan, ("returns",), where)
    values = plan.get("returns")
    if not isinstance(values, list):
        raise ScenarioError(f"{where}: returns must be an array, one value for each call in order")
    return values


def _human(data: Any, where: str) -> HumanPlan:
    _known(data, ("to", "answer", "deny", "text"), where)
    to = _text(data, "to", where) if "to" in data else "*"
    if data.get("answer") == "approve":
        return HumanPlan(to, Approved())
    if "deny" in data:
        return HumanPlan(to, Denied(_text(data, "deny", where)))
    if "text" in data:
        return HumanPlan(to, Text(_text(data, "text", where)))
    raise ScenarioError(f'{where}: answers nothing; give it answer = "approve", deny = "reason" or text = "…"')


# --- decisions, as the author of a check writes them -----------------------------------------


def call(tool: str, arguments: Mapping[str, Any] | str | None = None, *, id: str | None = None) -> Turn:
    """The model calls one tool."""
    return Turn(calls=(Call(tool, {} if arguments is None else arguments, id),))


def together(*turns: Turn) -> Turn:
    """The model makes all these calls in one reply."""
    return Turn(calls=tuple(c for turn in turns for c in turn.calls))


def say(text: str) -> Turn:
    """The model replies in prose, which most agents take as the end."""
    return Turn(text=text)


def finish(text: str = "Done.") -> Turn:
    """The model says that the job is done, in the way that the agent expects."""
    return Turn(text=text)


def arguments_text(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
