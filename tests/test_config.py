"""The configuration: where it is read from, what it gives, and the sentence for each mistake."""

import json
import pickle
from pathlib import Path

import pytest

from agentcheck.config import Config, ConfigError, LimitsTable, ToolTable, load
from agentcheck.target import BY_ADAPTERS, DECLARED, Limits, ToolBinding

GOOD = """
target = "bot.agent:run"
human = []
volatile = ["run-[0-9]+"]
channels = ["slack"]
[tools]
deploy = "ops:deploy"
[tools.tags]
bind = "ops:tags"
returns = ["v1"]
[limits]
seconds = 5
[environment]
REGION = "eu"
"""


def config(folder: Path, text: str, **overrides: str) -> Config:
    folder.joinpath("agentcheck.toml").write_text(text)
    return load(folder, **overrides)


def test_declarations_are_what_the_user_said_and_nothing_else(tmp_path: Path) -> None:
    loaded = config(tmp_path, GOOD)
    assert loaded.declarations() == {
        "human": [],
        "volatile": ["run-[0-9]+"],
        "channels": ["slack"],
        "tools": {"deploy": "ops:deploy", "tags": {"bind": "ops:tags", "returns": ["v1"]}},
        "limits": {"seconds": 5.0},
    }
    assert loaded.environment == {"REGION": "eu"}
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    assert json.loads(json.dumps(loaded.declarations())) == loaded.declarations()


def test_pyproject_says_the_same_as_the_file_of_its_own(tmp_path: Path) -> None:
    nested = GOOD.replace("[tools", "[tool.agentcheck.tools").replace("[limits", "[tool.agentcheck.limits")
    nested = nested.replace("[environment", "[tool.agentcheck.environment")
    tmp_path.joinpath("pyproject.toml").write_text(f"[tool.agentcheck]{nested}")
    (tmp_path / "own").mkdir()
    assert load(tmp_path) == config(tmp_path / "own", GOOD)


def test_keys_keep_step_with_the_declarations_of_target() -> None:
    assert {*DECLARED, "reducer", "run", "host", "limits"} - {*BY_ADAPTERS} <= Config.model_fields.keys()
    assert {*ToolTable.model_fields, "mixed"} == {*ToolBinding.__dataclass_fields__}  # which adapters see
    assert LimitsTable.model_fields.keys() == Limits.__dataclass_fields__.keys()


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    loaded = config(tmp_path, 'run = "a:run"\nhost = "a:host"\nhuman = []', target="other:agent")
    assert (loaded.target, loaded.run, loaded.host, loaded.human) == ("other:agent", None, None, [])


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({"target": "my_agent:run"}, "my_agent"),
        ({"target": "pkg.bots:deployer"}, "bots-deployer"),
        ({"target": "pkg.deploybot.targets:target"}, "deploybot"),
        ({"target": "agent:run"}, "agent"),
        ({"target": "a:b", "name": "Deploy bot / eu"}, "Deploy-bot-eu"),
        ({"target": "a:b", "name": "../.."}, "target"),
    ],
)
def test_labels_are_fit_for_folders(given: dict[str, str], label: str) -> None:
    assert Config(**given).label == label  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tols = 1", "agentcheck.toml: unknown key 'tols' (did you mean 'tools'?); the keys are target, reducer, "),
        (
            "[limits]\nsecond = 1",
            "agentcheck.toml: unknown key 'limits.second' (did you mean 'seconds'?); the keys are ",
        ),
        (
            "[tools.x]\nbnd = 'a:b'",
            "agentcheck.toml: unknown key 'tools.x.bnd' (did you mean 'bind'?); the keys are bind,",
        ),
        ("human = 'x'", "agentcheck.toml: human must be an array of tool names, not 'x'"),
        ("human = ['x', 5]", "agentcheck.toml: human must be an array of tool names, not ['x', 5]"),
        ("[tools]\nx = 5", 'agentcheck.toml: tools.x must be text like "module:function", or a table of bind, '),
        ("[tools.x]\nallow = 'yes'", "agentcheck.toml: tools.x.allow must be true or false, not 'yes'"),
        ("[limits]\nsteps = -1", "agentcheck.toml: limits.steps must be a number, 0 or more, not -1"),
        ("target = 'agent.py'", 'agentcheck.toml: target must be text like "package.module:object", not '),
        ("volatile = ['(']", "agentcheck.toml: volatile must be an array of regular expressions, not ['(']"),
        ("x =", "agentcheck.toml is not TOML: "),
        (
            "[tool.agentchk]\nname = 'x'",
            "agentcheck.toml: the keys stand at the top of this file or under [tool.agentch",
        ),
        ("name = 'y'\n[tool.agentcheck]\nname = 'x'", "agentcheck.toml: name is set at the top and under [tool."),
        (
            "[limits]\nsteps = 1\n[tool.agentcheck]\nlimits.steps = 2",
            "agentcheck.toml: limits.steps is set at the top and ",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_the_valid_choices(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, text)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_what_is_pasted_for_pyproject_counts_in_agentcheck_toml_too(tmp_path: Path) -> None:
    own = 'target = "a:run"\n[tools]\nlook = "a:look"\n'
    loaded = config(tmp_path, own + '[tool.agentcheck]\nhuman = []\n[tool.agentcheck.tools]\nask = "a:ask"')
    assert (loaded.target, loaded.human, loaded.tools) == ("a:run", [], {"look": "a:look", "ask": "a:ask"})


def test_two_configurations_are_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("pyproject.toml").write_text("[tool.agentcheck]\n")
    with pytest.raises(ConfigError, match=r"both agentcheck\.toml and .* keep one of them"):
        config(tmp_path, "")


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("agentcheck.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match=r"agentcheck\.toml is not TOML"):
        load(tmp_path)
