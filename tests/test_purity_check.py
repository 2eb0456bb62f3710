"""The check as a whole: a reducer of harmless neighbours passes, and one impure line is what the message names."""

import pytest
from agents import lab_of

from agentcheck import catalog

REDUCER = """
import copy, dataclasses, datetime, enum, functools, json, logging, random, re, uuid
from dataclasses import dataclass, field
import jsonschema
import helper
from agentcheck.messages import Message
from agentcheck.reducer import *

UTC = datetime.timezone.utc
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
WORDS = {"one", "two", "three", "four"}
CACHE = {}
log = logging.getLogger(__name__)


class May(enum.Flag):
    READ = 1
    WRITE = 2


@functools.lru_cache
def longest(words):
    return max(words, key=lambda word: (len(word), word))


@dataclass(frozen=True)
class State:
    history: tuple[str, ...] = ()
    at: datetime.datetime = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    notes: dict = field(default_factory=dict)
    total: float = 0.5


class Agent:
    tools = ()

    @functools.cached_property
    def pattern(self):
        return re.compile("a+")

    def start(self, trigger):
        return self.next(State(history=(str(trigger),)))

    def reduce(self, state: State, event: Event) -> Step[State]:
        notes = copy.deepcopy(state.notes)
        notes["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, repr(event)))
        notes["chance"] = random.Random(len(state.history)).choice(sorted(WORDS))
        notes["longest"] = longest(frozenset(WORDS))
        notes["may"] = (May.READ | May.WRITE).value
        notes["size"] = sum(len(word) for word in WORDS)
        jsonschema.validate({"n": 1}, SCHEMA)
        log.debug("reduced %s", event)
        later = state.at + datetime.timedelta(seconds=1)
        notes["seen"] = later.astimezone(UTC).isoformat() + str(bool(self.pattern.search("aa")))
        DEED
        return self.next(dataclasses.replace(state, history=(*state.history, str(event)), at=later, notes=notes))

    def next(self, state):
        if len(state.history) > 4:
            return Step(state, (Finish(json.dumps(sorted(WORDS))),))
        return Step(state, (CallModel((Message("user", "; ".join(state.history)),)),))
"""
HELPER = "import time\n\n\ndef stamp():\n    return time.time()\n"
LINE = REDUCER.split("\n").index("        DEED") + 1
IMPURE = {
    "notes['at'] = helper.stamp()": "reduce uses the clock (time.time) at "
    f"helper.py:5 in stamp < reducers.py:{LINE} in reduce",
    "CACHE['last'] = notes['id']": f"reduce writes to reducers.CACHE at reducers.py:{LINE} in reduce",
    "state.notes['x'] = 1": f"reduce changes the state that it was given at reducers.py:{LINE} in reduce",
    "notes['order'] = list(WORDS)": "reduce depends on the order of a set, which differs from process to process, at "
    f"reducers.py:{LINE} in reduce",
    "notes['hash'] = hash('a')": "reduce depends on hash(), which differs from process to process, at "
    f"reducers.py:{LINE} in reduce",
}


def finding(folder, deed):
    (folder / "helper.py").write_text(HELPER)
    (folder / "reducers.py").write_text(REDUCER.replace("DEED", deed))
    pure = next(check for check in catalog.load_all() if check.id == "F12-reduce-is-pure")
    with lab_of(folder, "reducers:Agent") as lab:
        return lab.judge(pure)


def test_a_reducer_of_harmless_neighbours_passes(tmp_path):
    found = finding(tmp_path, "pass")
    assert str(found.outcome) == "pass", found.message


@pytest.mark.parametrize("deed", IMPURE)
def test_one_impure_line_is_what_the_message_names(tmp_path, deed):
    found = finding(tmp_path, deed)
    assert str(found.outcome) == "fail"
    assert IMPURE[deed] in found.message
