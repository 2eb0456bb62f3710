"""What another hash seed changes is blamed on the line that depends on it; what it does not change is left alone."""

import pytest
from agents import lab_of

from agentcheck.checks.factor_12_stateless_reducer import seed_dependence
from agentcheck.lab import Machine
from agentcheck.stories import Story

REDUCER = """
import helper
from agentcheck.reducer import *

TAGS = {{"a", "b", "c", "d", "e", "f", "g", "h"}}


class Plain:
    pass


class Agent:
    tools = ()

    def start(self, trigger):
        return Step({{"n": 0}})

    def reduce(self, state, event):
        return Step({{"n": {deed}}})
"""
HELPER = "def joined(tags):\n    return '-'.join(tags)\n"
LINE = REDUCER.split("\n").index('        return Step({{"n": {deed}}})') + 1
HERE = f"reducers.py:{LINE} in reduce"
EVENT = {"type": "TimePassed", "seconds": 1.0}
ORDER = "the order of a set, which differs from process to process"
DEPENDS = {
    "hash('a')": f"hash(), which differs from process to process, at {HERE}",
    "hash(Plain)": f"hash(), which differs from process to process, at {HERE}",
    "hash(Plain())": f"hash(), which differs from process to process, at {HERE}",
    "id(Agent)": f"id(), an address in memory, at {HERE}",
    "list(TAGS)": f"{ORDER}, at {HERE}",
    "helper.joined(TAGS)": f"{ORDER}, at helper.py:2 in joined < {HERE}",
}
SAME = ("sorted(TAGS)", "sum(len(t) for t in TAGS)", "hash(7)", "len({id(t) for t in TAGS})", "max(list(TAGS))")


def told(folder, deed):
    """The verdict on a story of one event, told in two processes."""
    (folder / "helper.py").write_text(HELPER)
    (folder / "reducers.py").write_text(REDUCER.format(deed=deed))
    with lab_of(folder, "reducers:Agent") as lab:
        story = Story("go", events=[EVENT])
        with lab.reducer() as remote:
            story.answers.append(remote.order("start", trigger="go"))
            story.answers.append(remote.order("reduce", state=story.answers[0]["state"], event=EVENT))
            remote.done()
        with lab.reducer(Machine(hash_seed=2)) as remote:
            verdict = seed_dependence(remote, story)
            remote.done()
        return verdict


@pytest.mark.parametrize("deed", DEPENDS)
def test_what_another_hash_seed_changes_is_blamed_on_its_line(tmp_path, deed):
    problem, after = told(tmp_path, deed)
    assert problem.startswith("a process with another hash seed comes to another state from the same state and event: ")
    assert f"reduce depends on {DEPENDS[deed]}" in problem
    assert after == 1


@pytest.mark.parametrize("deed", SAME)
def test_what_it_does_not_change_is_left_alone(tmp_path, deed):
    assert told(tmp_path, deed) == ("", 0)
