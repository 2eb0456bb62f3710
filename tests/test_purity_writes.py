"""What a call writes is named with its line: globals, attributes, its arguments, and what data may not hold."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from agentcheck.stage.guard import Guard
from agentcheck.stage.reducing import Service

HELPER = """
import collections, enum, functools, itertools

COUNT = 0
LOG = []
SEEN = {"of": {"deep": []}}
LIMITS = {"a": 1}
NEXT = itertools.count()
HISTORY = collections.deque(maxlen=3)
NAMES = frozenset({"a", "b"})


class Shared:
    total = 0
    names = []


class May(enum.Flag):
    READ = 1
    WRITE = 2


class Lazy:
    @functools.cached_property
    def words(self):
        return ["a"]


LAZY = Lazy()
NESTED = {"of": [Lazy(), Shared()]}


class Callable:
    calls = 0

    def __call__(self):
        self.calls += 1


CALLABLE = Callable()


def bump():
    global COUNT
    COUNT += 1


def note(text, seen=[]):
    seen.append(text)


def closed():
    count = 0

    def more():
        nonlocal count
        count += 1

    return more


more = closed()


@functools.cache
def square(n): return n * n
"""
AGENT = """
import datetime, functools, json
from dataclasses import dataclass, field
from typing import Any
import pydantic
import helper
from agentcheck.reducer import *

UTC = datetime.timezone.utc


class State(pydantic.BaseModel):
    n: int = 0
    items: list[Any] = []
    score: float = 0.0
    at: datetime.datetime | None = None


class Agent:
    tools = ()
    kept = 0

    @functools.cached_property
    def words(self):
        return ["a"]

    def start(self, trigger):
        return Step(State())

    def reduce(self, state: State, event: Event) -> Step[State]:
        new = state.model_copy(deep=True)
        result = None
        {deed}
        return Step(new, (Finish(result),))


class Plain(Agent):
    def start(self, trigger):
        return Step({"items": []})

    def reduce(self, state, event):
        new = {"items": [1]}
        {plain}
        return Step(new)
"""
LINE = AGENT.split("\n").index("        {deed}") + 1
PLAIN_LINE = AGENT.split("\n").index("        {plain}") + 1
HERE = f" at agent.py:{LINE} in reduce"


def line_of(text):
    return HELPER.split("\n").index(text) + 1


@pytest.fixture
def answer(tmp_path, monkeypatch):
    """The answer of the stage to one event, watched, of an agent whose reduce does one deed."""
    monkeypatch.syspath_prepend(tmp_path)

    def ask(deed, *, plain="pass", agent="Agent"):
        (tmp_path / "helper.py").write_text(HELPER)
        (tmp_path / "agent.py").write_text(AGENT.replace("{deed}", deed).replace("{plain}", plain))
        for name in ("helper", "agent"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        guard = Guard()
        guard.project = (str(tmp_path),)
        reducer = getattr(importlib.import_module("agent"), agent)()
        service = Service(SimpleNamespace(reducer=reducer), guard)
        started = service.answer({"op": "start", "trigger": "go", "watch": True})
        event = {"type": "ToolReturned", "call_id": "c", "value": {"a": [1]}}
        return service.answer({"op": "reduce", "state": started["state"], "event": event, "watch": True})

    return ask


WRITES = {
    "helper.COUNT += 1": f"helper.COUNT{HERE}",
    "helper.bump()": f"helper.COUNT at helper.py:{line_of('    COUNT += 1')} in bump < agent.py:{LINE} in reduce",
    "helper.LOG.append(event)": f"helper.LOG{HERE}",
    "helper.SEEN['of']['deep'].append(1)": f"helper.SEEN{HERE}",
    "[helper.LOG.append(n) for n in 'a']": "helper.LOG at agent.py:",
    "helper.HISTORY.append(1)": f"helper.HISTORY{HERE}",
    "helper.Shared.total += 1": f"Shared.total{HERE}",
    "helper.Shared.names.append(1)": f"Shared.names{HERE}",
    "helper.Shared.new = 1": f"Shared.new{HERE}",
    "helper.COUNT = 7": f"helper.COUNT{HERE}",
    "helper.LIMITS['b'] = 1": f"helper.LIMITS{HERE}",
    "helper.LIMITS.update(b=1)": f"helper.LIMITS{HERE}",
    "helper.LIMITS.pop('a', 0)": f"helper.LIMITS{HERE}",
    "helper.LIMITS.clear()": f"helper.LIMITS{HERE}",
    "type(self).kept += 1": f"Agent.kept{HERE}",
    "self.kept += 1": f"self.kept{HERE}",
    "helper.note('x')": "the default arguments of helper.note.seen at helper.py:",
    "helper.more()": "the closure of helper.more.count at helper.py:",
    "helper.note.calls = 1": f"helper.note{HERE}",
    "next(helper.NEXT)": f"helper.NEXT{HERE}",
    "helper.NESTED['of'][1].mine = 1": f"helper.NESTED{HERE}",
    "helper.LAZY.other = 1": f"helper.LAZY{HERE}",
    "helper.CALLABLE()": "helper.CALLABLE at helper.py:",
}
HARMLESS = (
    "helper.square(3)",
    "self.words",
    "helper.LAZY.words, helper.NESTED['of'][0].words",
    "helper.May.READ | helper.May.WRITE",
    "helper.LIMITS['a'], helper.NAMES, helper.Shared.total",
    "import colorsys",
    "new.items.append(1)",
    "sum(x for x in {1, 2, 3})",
    "new.score = 1.5",
    "new.at = datetime.datetime(2026, 1, 1, tzinfo=UTC)",
    "result = '2026-01-01T00:00'",
    "result = 'NaN'",
    "helper.LIMITS['a'] = 1",
    "helper.COUNT = 0",
)


@pytest.mark.parametrize("deed", WRITES)
def test_what_is_written_is_named_with_its_line(answer, deed):
    assert answer(deed)["changed"][0].startswith(WRITES[deed])


@pytest.mark.parametrize("deed", HARMLESS)
def test_what_is_read_or_kept_by_a_cache_is_left_alone(answer, deed):
    got = answer(deed)
    assert [got[k] for k in ("impure", "changed", "mutated", "differs")] == [[], [], "", {}]


MUTATIONS = {
    "state.n = 5": "the state that it was given",
    "state.items.append(1)": "the state that it was given",
    "(lambda s: s.items.append(1))(state)": "the state that it was given",
    "event.value['b'] = 1": "the event that it was given",
    "event.value['a'].append(2)": "the event that it was given",
}


@pytest.mark.parametrize("deed", MUTATIONS)
def test_what_changes_its_arguments_is_named_with_its_line(answer, deed):
    mutated = answer(deed)["mutated"]
    assert mutated.startswith(f"{MUTATIONS[deed]} at agent.py:{LINE} in ")
    assert mutated.endswith(f"agent.py:{LINE} in reduce")


def test_a_state_of_plain_json_that_is_changed_is_named_too(answer):
    mutated = answer("pass", plain="state['items'].append(1)", agent="Plain")["mutated"]
    assert mutated == f"the state that it was given at agent.py:{PLAIN_LINE} in reduce"


ODD = {
    "new.score = float('nan')": "the float nan, which JSON does not have (state.score),",
    "new.items = [float('inf')]": "the float inf, which JSON does not have (state.items[0]),",
    "result = {'x': float('-inf')}": "the float -inf, which JSON does not have (commands[0].result['x']),",
    "new.at = datetime.datetime(2026, 1, 1)": "a datetime without zone, another instant on every machine (state.at),",
    "result = datetime.datetime(2026, 1, 1)": "a datetime without zone, another instant on every machine (comm",
}


@pytest.mark.parametrize("deed", ODD)
def test_what_plain_data_may_not_hold_is_named_with_the_line_that_makes_it(answer, deed):
    got = answer(deed)
    assert got["impure"][0]["what"].startswith(ODD[deed])
    assert got["impure"][0]["where"] == f"agent.py:{LINE} in reduce"


def test_nan_in_a_state_of_plain_json_is_named(answer):
    got = answer("pass", plain="new['x'] = float('nan')", agent="Plain")
    assert got["impure"][0]["chain"] == f"agent.py:{PLAIN_LINE} in reduce"


def test_a_module_that_is_imported_on_the_way_has_not_been_written(answer, tmp_path):
    (tmp_path / "later.py").write_text("NAMES = ['a']\nclass Box: items = []\n")
    sys.modules.pop("later", None)
    assert answer("import later")["changed"] == []
