"""The user's lines that depend on the hash seed are suspects; what is the same in any order is none."""

import importlib
import sys

import pytest

from agentcheck.stage.pure_lines import Lines
from agentcheck.stage.pure_suspects import Suspects

CODE = """
from dataclasses import dataclass
TAGS = {"a", "b"}
NUMBERS = {1, 2}
ONE = {"a"}
NAMES = ["a", "b"]


@dataclass(slots=True)
class Box:
    tags: frozenset = frozenset({"a", "b"})


box = Box()


def tags():
    return {"a", "b"}


def stream():
    yield from TAGS


def reduce(state=None):
    local = {"x", "y"}
    return {deed}
"""
LINE = CODE.split("\n").index("    return {deed}") + 1
SUSPECTS = (
    "[t for t in TAGS]",
    "list(TAGS)",
    "', '.join(local)",
    "[t for t in {'a', 'b'}]",
    "[t for t in TAGS | local]",
    "[t for t in TAGS.union(NAMES)]",
    "list(box.tags)",
    "[*TAGS]",
    "f'{TAGS}'",
    "next(iter(TAGS))",
    "list(set(NAMES))",
    "[t for t in tags()]",
    "local.pop()",
    "dict.fromkeys(TAGS)",
    "hash('a') % 7",
    "id(box)",
    "(lambda: list(TAGS))()",
    "[x for x in (TAGS if NAMES else NUMBERS)]",
)
HARMLESS = (
    "sorted(TAGS)",
    "len(TAGS), 'a' in TAGS, TAGS == {'b', 'a'}, TAGS | local",
    "max(TAGS), min(TAGS)",
    "list(NUMBERS), [n for n in {1, 2}]",
    "list(ONE), list(NAMES), ', '.join(NAMES)",
    "[n for n in sorted(TAGS)]",
    "sum(len(t) for t in TAGS), sorted([t for t in TAGS]), any(t for t in TAGS), {t + '.' for t in TAGS}",
    "list({'a': 1, 'b': 2})",
    "{**{'a': 1}}",
)


def suspects(folder, monkeypatch, deed):
    (folder / "doubtful.py").write_text(CODE.replace("{deed}", deed))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "doubtful", raising=False)
    doubtful = importlib.import_module("doubtful")
    with Suspects(Lines((str(folder),))) as seen:
        doubtful.reduce()
    return seen.seen


@pytest.mark.parametrize("deed", SUSPECTS)
def test_a_line_that_depends_on_the_hash_seed_is_a_suspect(tmp_path, monkeypatch, deed):
    seen = suspects(tmp_path, monkeypatch, deed)
    assert seen[0]["where"].startswith(f"doubtful.py:{LINE} in ")
    assert seen[0]["chain"].endswith(f"doubtful.py:{LINE} in reduce")


@pytest.mark.parametrize("deed", HARMLESS)
def test_what_is_the_same_in_any_order_is_none(tmp_path, monkeypatch, deed):
    assert suspects(tmp_path, monkeypatch, deed) == []


def test_a_generator_two_calls_deep_is_in_the_chain(tmp_path, monkeypatch):
    seen = suspects(tmp_path, monkeypatch, "sorted(stream())")
    inner = CODE.split("\n").index("    yield from TAGS") + 1
    assert seen[0]["chain"] == f"doubtful.py:{inner} in stream < doubtful.py:{LINE} in reduce"
