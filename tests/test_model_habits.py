"""Habits of models: what each makes of a script's decisions."""

import pytest
from agents import lab_of, written

from agentcheck.messages import Message, Request, ToolSpec
from agentcheck.model import Script
from agentcheck.model_habits import HABITS, Habitual
from agentcheck.scenario import Call, Scenario, Turn, finish

SCHEMA = {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]}
TURNS = (Turn((Call("list_tags"),)), Turn((Call("deploy", {"tag": "v1"}),)), finish("Deployed."))


def decided(habit: str, times: int = 4) -> list[tuple[str, list[tuple[str, str]]]]:
    """What a model with this habit decides at so many requests: text, and calls with their arguments."""
    tools = (ToolSpec("list_tags"), ToolSpec("deploy", "", SCHEMA))
    request = Request("openai-chat", (Message("user", "go"),), tools)
    model = Habitual(Script(TURNS, Scenario()), habit)
    answers = [model.reply("main", request, None) for _ in range(times)]
    return [(a.text, [(c.name, c.arguments) for c in a.calls]) for a in answers]


def names(habit: str) -> list[list[str]]:
    return [[name for name, _ in calls] for _, calls in decided(habit)]


def test_stubborn_repeats_its_first_call_for_ever():
    assert names("stubborn") == [["list_tags"]] * 4


def test_forgetful_decides_everything_twice():
    assert names("forgetful") == [["list_tags"], ["list_tags"], ["deploy"], ["deploy"]]


def test_chatty_talks_about_calls_and_makes_none():
    assert names("chatty") == [[]] * 4
    assert decided("chatty")[1][0] == 'I will now call deploy with {"tag": "v1"}.'


def test_sloppy_breaks_the_schema():
    assert decided("sloppy")[1][1] == [("deploy", "{}")]
    assert decided("sloppy")[0][1] == [("list_tags", '{"agentcheck_unknown": [[]]}')]


def test_inventive_calls_what_there_is_not():
    assert names("inventive")[:2] == [["list_tags_v2"], ["deploy_v2"]]


def test_greedy_makes_each_call_ten_times_at_once():
    assert names("greedy")[:2] == [["list_tags"] * 10, ["deploy"] * 10]


def test_a_habit_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="no habit 'lazy'; the habits are stubborn, forgetful"):
        Habitual(Script(TURNS, Scenario()), "lazy")
    assert len(HABITS) == 6


def test_a_reply_that_was_lost_comes_again():
    request = Request("openai-chat", (Message("user", "go"),), (ToolSpec("list_tags"), ToolSpec("deploy", "", SCHEMA)))
    for habit in HABITS:
        model = Habitual(Script(TURNS, Scenario()), habit)
        for _ in range(3):
            lost = model.reply("main", request, None)
            model.take_back("main")
            assert model.reply("main", request, None) == lost


def test_a_lab_runs_agents_with_models_of_any_habit(tmp_path):
    written(tmp_path, "run = loop")
    with lab_of(tmp_path, tools={"look": {"returns": "a room"}}) as lab:
        assert len(lab.run(habit="greedy").of("tool_called")) == 10
        assert len(lab.run(habit="stubborn").requests()) == 10
        assert lab.run(habit="chatty").of("tool_called") == []
        assert lab.run(habit="inventive").first("model_reply").decision.calls[0].name == "look_v2"


def test_a_habit_outlives_a_pause_of_the_run(tmp_path):
    with lab_of(tmp_path, "agentcheck.fixtures.deploybot:target") as lab:
        lab.begin("H")
        run = lab.run(lab.call("deploy_backend"), habit="stubborn")
    calls = {(call.name, call.arguments) for e in run.of("model_reply") for call in e.decision.calls}
    after = run.of("model_reply", after=run.first("resumed"))
    assert len(after) > 1
    assert all(e.decision.calls for e in after)
    assert len(calls) == 1
