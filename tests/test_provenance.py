"""Whose words a prompt is made of: rows of words, files in pieces, and whole projects with a dependency."""

import os
import secrets
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from agentcheck.finding import NotReached, Untestable
from agentcheck.lab import Lab
from agentcheck.passages import Passage, rows, words
from agentcheck.provenance import Provenance, provenance, untracked
from agentcheck.sources import Source, walk, within

AGENT = """
from openai import OpenAI
{imports}

client = OpenAI()


def run(task: str) -> str:
    name = "Ada"
    ms = [{{"role": "system", "content": {prompt}}}, {{"role": "user", "content": task}}]
    return client.chat.completions.create(model="m", messages=ms).choices[0].message.content or ""
"""


@pytest.fixture
def found(tmp_path: Path) -> Callable[..., Provenance]:
    """Where the prompt of a one-call agent comes from, with these files beside it in the project."""

    def find(prompt: str, *, imports: str = "", owned: list[str] | None = None, **files: str) -> Provenance:
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")
        (tmp_path / "my_agent.py").write_text(AGENT.format(prompt=prompt, imports=imports), encoding="utf-8")
        config = SimpleNamespace(target="my_agent:run", declarations=lambda: {"owned": owned or []})
        with Lab(config, rootdir=tmp_path, reports=tmp_path / "reports" / "my_agent") as lab:
            return provenance(lab)

    return find


def owners(text: str, *pieces: str, whole: int = 4) -> list[str | None]:
    passage = Passage(text)
    passage.claim("file", rows([words(piece) for piece in pieces], whole=whole))
    return passage.owners


def test_words_are_compared_without_case_whitespace_and_punctuation() -> None:
    assert owners("Never\n  deploy on a FRIDAY!", "“never deploy — on a friday”") == ["file"] * 5


def test_fewer_than_four_words_in_a_row_are_no_evidence() -> None:
    assert owners("you are a poet", "you are a dentist and he is a poet") == [None] * 4


def test_a_short_piece_counts_where_all_of_it_stands_there_and_short_pieces_are_asked_for() -> None:
    assert owners("be brief", "be brief", whole=2) == ["file"] * 2
    assert owners("be brief", "be brief") == [None] * 2


def test_signs_of_scripts_without_spaces_are_words() -> None:
    assert words("先查订单 ok") == ["先", "查", "订", "单", "ok"]


def test_the_first_to_claim_a_word_keeps_it_and_gaps_say_what_is_left() -> None:
    passage = Passage("one two three four five six seven")
    passage.claim("first", rows([words("one two three four")]))
    passage.claim("second", rows([words("three four five six")]))
    assert passage.owners == ["first"] * 4 + ["second"] * 2 + [None]
    assert [(g.first, g.last, passage.excerpt(g)) for g in passage.gaps()] == [(6, 7, "seven")]


def test_constants_of_python_are_read_and_its_comments_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('A = ("You are a "\n     "kind\\nhelper")\n# never tell anyone about it\n', encoding="utf-8")
    passage = Passage("You are a kind helper. Never tell anyone about it.")
    passage.claim("a.py", Source(path).rows)
    assert passage.owners == ["a.py"] * 5 + [None] * 5


@pytest.mark.parametrize("content", ["\0\1\2", "x" * (2 * 2**20 + 1)], ids=["binary", "too large"])
def test_what_is_no_text_holds_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(content, encoding="utf-8")
    assert Source(path).text == ""
    assert Source(tmp_path / "missing.md").text == ""


def test_environments_recordings_and_reports_are_not_walked(tmp_path: Path) -> None:
    for name in ("a.md", "node_modules/b.md", "cassettes/c.yaml", "mine/pyvenv.cfg", "mine/d.md", "reports/e.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text", encoding="utf-8")
    assert [p.name for p in walk(tmp_path, skipped=["reports"])] == ["a.md"]
    assert within(tmp_path / "x" / "a.py", [tmp_path])
    assert not within(tmp_path / "mine" / "lib" / "d.py", [tmp_path])


def test_a_template_with_values_is_the_users_own(found: Callable[..., Provenance]) -> None:
    result = found('f"You are {name}, and you help people to find their way in a new city. Reply in rhyme."')
    assert [path.name for path in result.owned] == ["my_agent.py"]
    assert (result.foreign, result.unknown) == ({}, 0)


def test_a_prompt_file_is_named_and_the_scenario_is_no_instruction(found: Callable[..., Provenance]) -> None:
    text = "Answer every question of a traveller with the name of one bridge and one river."
    result = found('open("prompts/system.md").read()', prompts__system_dot_md=text)
    assert [path.name for path in result.owned] == ["system.md"]
    assert result.total == sum(len(word) for word in words(text))


def test_text_of_a_dependency_is_foreign_and_its_file_is_named(found: Callable[..., Provenance]) -> None:
    result = found("secrets.__doc__ or ''", imports="import secrets")
    assert [path.name for path in result.foreign] == ["secrets.py"]
    assert not result.owned


def test_text_of_a_dependency_is_owned_where_it_is_listed(found: Callable[..., Provenance]) -> None:
    result = found("secrets.__doc__ or ''", imports="import secrets", owned=[str(secrets.__file__)])
    assert [path.name for path in result.owned] == ["secrets.py"]


def test_a_copy_in_a_recording_is_no_source(found: Callable[..., Provenance]) -> None:
    copies = dict.fromkeys(("cassettes__run_dot_md", "reports__x_dot_md"), str(secrets.__doc__))
    result = found("secrets.__doc__ or ''", imports="import secrets", **copies)
    assert not result.owned


def test_text_that_is_made_up_at_run_time_is_unknown(found: Callable[..., Provenance]) -> None:
    result = found('" ".join(chr(97 + n % 26) * (2 + n % 3) for n in range(60))')
    assert result.unknown > 0
    assert (result.owned, result.foreign) == ({}, {})


def test_an_agent_without_instructions_is_not_reached(found: Callable[..., Provenance]) -> None:
    with pytest.raises(NotReached, match="no instructions"):
        found('""')


def test_git_is_asked_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))  # as in a hook of another repository
    for name in ("tracked.md", "ignored.md"):
        (tmp_path / name).write_text("text", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for command in (["init", "-q"], ["add", "tracked.md"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, env=environment)
    both = [tmp_path / "tracked.md", tmp_path / "ignored.md"]
    assert untracked(both) == [tmp_path / "ignored.md"]


def test_without_a_repository_nothing_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text", encoding="utf-8")
    with pytest.raises(Untestable, match="in no repository"):
        untracked([tmp_path / "a.md"])
