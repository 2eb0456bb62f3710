"""Scenario files: each mistake in them is one sentence that says where it is and how to mend it."""

from pathlib import Path

import pytest
from agents import lab_of, written

from agentcheck.finding import HarnessError
from agentcheck.scenario import Call, Scenario, ScenarioError, Turn


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x =", "job.toml: is not TOML: "),
        ("triger = 'x'", "job.toml: unknown key 'triger'; the keys are trigger, model, tools, human, cassette"),
        ("model = 3", "job.toml: model must be tables: [[model]]"),
        ("model = [3]", "job.toml: model 1: expected a table with call, "),
        ("[[model]]", "job.toml: model 1: decides nothing; give it one of call, calls, finish, text"),
        ("[[model]]\nfinish = 'a'\n[[model]]\ncall = 3", "job.toml: model 2: call must be text"),
        ("[[model]]\ncall = 'a'\nargumants = {}", "job.toml: model 1: unknown key 'argumants'; the keys are call, "),
        ("[[model]]\ncall = 'a'\narguments = 3", "job.toml: model 1: arguments must be a table, or text "),
        ("[[model]]\ncall = 'a'\nid = 3", "job.toml: model 1: id must be text"),
        ("[[model]]\ncall = 'a'\nfinish = 'b'", "job.toml: model 1: decides both call and finish; give it one of "),
        ("[[model]]\ncalls = 3", "job.toml: model 1: calls must be an array of tables"),
        ("[[model]]\ncalls = [3]", "job.toml: model 1: expected a table with call, arguments, id"),
        ("[[model]]\ncalls = [{arguments = {}}]", "job.toml: model 1: call must be text"),
        ("[[model]]\nfinish = 3", "job.toml: model 1: finish must be text"),
        ("tools = 3", "job.toml: tools must be tables: [tools.NAME], each with returns = […]"),
        ("[tools.a]\nreturns = 3", "job.toml: tools.a: returns must be an array, one value for each call in order"),
        ("[tools.a]\nreturn = [3]", "job.toml: tools.a: unknown key 'return'; the keys are returns"),
        ("human = 3", "job.toml: human must be tables: [[human]]"),
        ("[[human]]\nanswer = 'yes'", "job.toml: human 1: answers nothing; give it answer = "),
        ("[[human]]\ndeny = 3", "job.toml: human 1: deny must be text"),
        ("cassette = 3", "job.toml: cassette must be the path of a recording, as text"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        Scenario.read(path)
    assert str(caught.value).startswith(f"{tmp_path}/{sentence}")
    assert "\n" not in str(caught.value)


def test_decisions_are_read_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(
        '[[model]]\ncalls = [{call = "a", id = "1"}, {call = "b", arguments = "{broken"}]\n[[model]]\ntext = "{}"'
    )
    assert Scenario.read(path).turns == (
        Turn(calls=(Call("a", {}, "1"), Call("b", "{broken"))),
        Turn(text="{}", verbatim=True),
    )


def test_a_tool_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    written(tmp_path, "def run(task): return loop(task)")
    scenario = {"trigger": "go", "model": [{"call": "lock", "arguments": {"where": "here"}}]}
    with lab_of(tmp_path, scenario=scenario) as lab, pytest.raises(HarnessError) as caught:
        lab.happy()
    assert caught.value.message == (
        "the scenario calls 'lock' (did you mean 'look'?), which the agent never offers the model; its tools are look"
    )
