"""The fuzzer: stories played on good agents break nothing, on broken ones they are found, shrunk, kept and replayed."""

import json
import re
from pathlib import Path

import pytest
from agents import lab_of, written

from agentcheck.cli import main
from agentcheck.config import load
from agentcheck.fuzz.kept import FORMAT, StoryError, keep, read
from agentcheck.fuzz.laws import load as laws
from agentcheck.fuzz.moves import Move, failure, story
from agentcheck.fuzz.reach import PLACES, Reach
from agentcheck.fuzz.session import Failure, Fuzz
from agentcheck.fuzz.shorten import shortened
from agentcheck.fuzz.tables import NEVER, coverage, document, never, told, vacuity, vacuous
from agentcheck.lab import Lab
from agentcheck.render.text import Paper
from kill_matrix import ROOT, rows

DEPLOYBOT = "agentcheck.fixtures.deploybot:target"
CALLABLE = "agentcheck.fixtures.deploybot:callable_target"
FEW = {"R": 60, "C": 30, "H": 25}
TOLD = [  # a twin of each sort that is found quickly
    ("F01-malformed-json-is-refused", "R"),
    ("F03-tool-result-reaches-model", "R"),
    ("F05-state-is-single", "R"),
    ("F06-finished-stays-finished", "R"),
    ("F07-approval-gates-effect", "R"),
    ("F12-reduce-is-pure", "R"),
    ("F01-call-matches-schema", "C"),
    ("F07-human-is-a-tool", "C"),
    ("F05-state-is-single", "H"),
    ("F06-resume-continues", "H"),
]
SOUND = """
def run(task):
    return loop(task)
"""

MENDED = """
def run(task):
    messages = [{"role": "user", "content": str(task)}]
    for _ in range(10):
        said = ask(messages)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            try:
                result = look(**json.loads(call["function"]["arguments"]))
            except RuntimeError as error:
                result = f"error: look failed: {error}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""


def lab_for(target: str, folder: Path) -> Lab:
    return Lab(load(folder, target=target), rootdir=ROOT, reports=folder)


@pytest.mark.parametrize(("target", "kind"), [(DEPLOYBOT, "R"), (DEPLOYBOT, "H"), (CALLABLE, "C")])
def test_a_good_agent_breaks_nothing_whatever_the_world_does(tmp_path, target, kind):
    with lab_for(target, tmp_path) as lab, Fuzz(lab, kind) as fuzz:
        found = fuzz.run(FEW[kind])
    assert [(f.check, f.message, story(f.moves)) for f in found.failures] == []
    assert found.examples >= FEW[kind]
    assert sum(found.bitten[check] > 0 for check in found.laws) > len(found.laws) / 2
    assert set(found.reach.made) <= {"begin", *PLACES[kind]}


@pytest.mark.parametrize(("check", "kind"), TOLD)
def test_a_twin_is_found_in_a_short_story(tmp_path, check, kind):
    row = next(row for row in rows() if (row.twin.check, row.kind) == (check, kind))
    with lab_for(row.reference, tmp_path) as lab, Fuzz(lab, kind) as fuzz:
        found = fuzz.run(200, until=row.expected)
        hit = next(f for f in found.failures if f.check in row.expected)
        assert len(hit.moves) <= 8
        broken, skipped = fuzz.replay(hit.moves)
    assert broken is not None
    assert broken.check in row.expected
    assert skipped == 0


def test_every_law_serves_a_must_check_and_knows_its_kinds():
    from agentcheck.catalog import load_all
    from agentcheck.check import Severity

    checks = {c.id: c for c in load_all()}
    for one in laws():
        assert checks[one.check].severity is Severity.MUST
        assert set(one.kinds) <= set(checks[one.check].kinds), one


def test_a_law_without_anything_to_bite_on_is_not_passed(tmp_path):
    written(tmp_path, SOUND)
    with lab_of(tmp_path) as lab, Fuzz(lab, "C") as fuzz:
        fuzz.found.bitten["F01-call-matches-schema"] = 3
        table = vacuity(fuzz.found).splitlines()
    assert next(line for line in table if "F07-contact-pauses" in line).endswith(NEVER)
    assert next(line for line in table if "F01-call-matches-schema" in line).endswith("held")


def test_what_was_reached_is_told(tmp_path):
    written(tmp_path, SOUND)
    with lab_of(tmp_path) as lab, Fuzz(lab, "C") as fuzz:
        found = fuzz.run(15)
    table = coverage(found).splitlines()
    assert table[0].split() == [
        "the",
        "world",
        "did,",
        "at",
        "the",
        "turn",
        "of",
        "the",
        "model",
        "a",
        "tool",
        "a",
        "human",
        "the",
        "end",
    ]
    assert max(map(len, [*table, *vacuity(found).splitlines()])) <= 80
    cell = re.search(r"^call +(\d+) / (\d+)$", "\n".join(table), re.M)
    assert cell is not None
    told = json.loads(json.dumps(document(found)))
    assert told["done"]["call"]["times"] == int(cell[1]) == told["done"]["call"]["at"]["the model"]["times"]
    assert len(told["done"]["call"]["at"]["the model"]["reached"]) == int(cell[2])
    assert told["examples"] == found.examples == 15
    assert told["vacuous"] == vacuous(found)
    assert set(never(found)).isdisjoint(found.reach.made)


def test_what_was_never_reached_is_told_with_its_turn():
    reach = Reach()
    moves = [Move("begin", {"sessions": 1}), Move("crash", {}), Move("call", {"calls": []})]
    reach.add(moves, ["nothing more", "the model", "the model"], [{"F01-a"}, {"F06-a"}, {"F06-b"}])
    assert reach.laws["crash", "the model"] == {"F06-a", "F06-b"}
    assert reach.laws["call", "the model"] == {"F06-b"}
    missed = reach.never("R")
    assert "crash (a tool or a human)" in missed
    assert "silence" in missed
    assert not any(one.startswith(("call", "begin")) for one in missed)


def test_other_seeds_are_other_stories(tmp_path):
    def drawn(seed):
        with lab_for(DEPLOYBOT, tmp_path) as lab, Fuzz(lab, "R", seed=seed) as fuzz:
            return fuzz.run(8).reach.times

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_story_loses_what_it_does_not_need():
    def breaks(moves):
        """Where a call is failed: the call and its failure go only together."""
        done = [move.do for move in moves]
        at = next((n for n in range(len(moves)) if done[n : n + 2] == ["call", "tool fails"]), None)
        return None if at is None else moves[: at + 2]

    call = {"tool": "look", "arguments": {}}
    once, twice = Move("call", {"calls": [call]}), Move("call", {"calls": [call, call]})
    fails = Move("tool fails", {"how": {"kind": "Reset"}})
    begun = [Move("begin", {"sessions": n, **more}) for n, more in ((2, {"watch": True}), (1, {}))]
    story = (begun[0], once, Move("return"), Move("crash", {}), once, Move("return"), twice, fails)
    assert shortened(story, breaks) == (begun[1], once, fails)


def test_a_story_reads_as_one():
    moves = [
        Move("begin", {"sessions": 1}),
        Move("call", {"calls": [{"tool": "look", "arguments": {"where": "up"}}]}),
        Move("tool fails", {"how": {"kind": "Http", "status": 503}}),
        Move("crash", {"far": True}),
        Move("answer", {"answer": {"type": "Denied", "reason": "no"}}),
    ]
    assert story(moves).splitlines() == [
        "  1. a run begins",
        '  2. the model calls look {"where": "up"}',
        "  3. the tool fails: Http(503)",
        "  4. the process is killed, and the run taken up again on another machine",
        "  5. the human answers: no (no)",
    ]
    assert [Move.from_data(m.to_data()) for m in moves] == moves


@pytest.mark.parametrize("data", [{"kind": "Nothing"}, {}, {"kind": "Http", "nothing": 1}])
def test_what_is_no_failure_is_refused(data):
    with pytest.raises(ValueError, match="describes no failure"):
        failure(data)


# --- kept stories -----------------------------------------------------------------------------------

FOUND = Failure(
    "C", "F09-hang-times-out", "it hung", (Move("begin", {"sessions": 1}), Move("finish", {"text": "\udcff"}))
)


def test_a_story_is_written_whole_and_read_again(tmp_path):
    path = keep(tmp_path / "new", FOUND, label="mine", target="my_agent:run")
    assert read(path).failure == FOUND
    assert read(path).target == "my_agent:run"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not of the format"),
        (json.dumps({"format": FORMAT}), "is not a whole story: 'moves'"),
        (json.dumps({"format": FORMAT, "kind": "X", "check": "", "message": "", "moves": []}), "no kind of target"),
        (
            json.dumps({"format": FORMAT, "kind": "C", "check": "", "message": "", "moves": [{"do": "fly"}]}),
            "no move is called 'fly'",
        ),
    ],
)
def test_a_spoiled_story_is_one_sentence(tmp_path, content, said):
    path = tmp_path / "story.json"
    path.write_text(content)
    with pytest.raises(StoryError, match=said):
        read(path)
    with pytest.raises(StoryError, match="cannot be read"):
        read(tmp_path / "none.json")


def test_a_story_is_still_broken_until_it_is_fixed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, SOUND)
    (tmp_path / "agentcheck.toml").write_text('target = "my_agent:run"\n')
    moves = (
        Move("begin", {"sessions": 1}),
        Move("call", {"calls": [{"tool": "look", "arguments": {"where": "up"}}]}),
        Move("tool fails", {"how": {"kind": "Raises", "message": "it broke"}}),
    )
    path = keep(tmp_path, Failure("C", "F09-error-reaches-model", "", moves), label="mine", target=None)
    assert main(["replay", str(path)]) == 1
    said = capsys.readouterr().out
    assert "3. the tool fails: Raises('it broke')" in said
    broken = "still broken: F09-error-reaches-model: look failed (RuntimeError), and that ended the run"
    assert broken in " ".join(said.split())
    written(tmp_path, MENDED)
    assert main(["replay", str(path)]) == 0
    assert "fixed: F09-error-reaches-model holds in this story" in capsys.readouterr().out


def test_a_failure_tells_its_story_and_how_to_see_it_again():
    lines = list(told(FOUND, "a/file.json", Paper()))
    assert lines[0] == "F09-hang-times-out: it hung"
    assert lines[-1] == "reproduce: agentcheck replay a/file.json"


# --- in pytest ------------------------------------------------------------------------------------


def fuzzed(pytester, *more):
    fuzz = ("--agentcheck-fuzz", "--agentcheck-fuzz-examples=12", "--agentcheck-check=F04-schema-is-valid")
    return pytester.runpytest_subprocess("--agentcheck-only", *fuzz, *more)


def test_stories_are_kept_played_first_and_gone_when_fixed(pytester):
    written(pytester.path, SOUND)
    (pytester.path / "agentcheck.toml").write_text('target = "my_agent:run"\nname = "mine"\n')
    result = fuzzed(pytester)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*F0?-*: *", "  1. a run begins", "reproduce: agentcheck replay .agentcheck/failures/mine-C-F0*.json"]
    )
    result.stdout.fnmatch_lines(
        [
            "Fuzzed as a callable: 12 stories of seed 0, * moves, *",
            "the world did, at the turn of *the model *a tool *a human *the end",
            "Cells: how often / how many of the * invariants had something to bite on from*",
            "invariant *bites*",
            "never done: *",
            "never anything to bite on: *",
            "the same stories again:",
            "  pytest --agentcheck-only --agentcheck-fuzz \\",
            "    --agentcheck-fuzz-seed=0 --agentcheck-fuzz-examples=12",
        ]
    )
    kept = sorted((pytester.path / ".agentcheck" / "failures").iterdir())
    sessions = json.loads((pytester.path / "reports" / "mine" / "fuzz.json").read_text())
    assert [one["kind"] for one in sessions] == ["C"]
    assert len(kept) == len(sessions[0]["failures"]) > 0
    assert list((pytester.path / "reports" / "mine" / "traces").glob("fuzz-C-*.jsonl"))
    for path in kept[1:]:
        path.unlink()
    (pytester.path / "my_agent.py").write_text(
        (pytester.path / "my_agent.py").read_text().replace("range(10)", "range(9)")
    )
    again = fuzzed(pytester)
    again.stdout.fnmatch_lines([f"reproduce: agentcheck replay .agentcheck/failures/{kept[0].name}"])
    moves = [{"do": "begin", "sessions": 1}, {"do": "finish", "text": "Done."}]
    kept[0].write_text(json.dumps({**json.loads(kept[0].read_text()), "moves": moves}))
    fuzzed(pytester).stdout.fnmatch_lines([f"fixed, and removed: {kept[0].name}"])


def test_a_spoiled_kept_story_is_told(pytester):
    written(pytester.path, SOUND)
    (pytester.path / "agentcheck.toml").write_text('target = "my_agent:run"\nname = "mine"\n')
    (pytester.path / ".agentcheck" / "failures").mkdir(parents=True)
    (pytester.path / ".agentcheck" / "failures" / "mine-C-spoiled.json").write_text("{")
    result = fuzzed(pytester)
    result.stdout.fnmatch_lines(["*mine-C-spoiled.json is not JSON: remove it, and let --agentcheck-fuzz find*"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--agentcheck-fuzz-examples=0", "ERROR: --agentcheck-fuzz-examples is a number of stories, 1 or more"),
        ("--agentcheck-fuzz-examples=-3", "ERROR: --agentcheck-fuzz-examples is a number of stories, 1 or more"),
        ("--agentcheck-fuzz-seed=-1", "ERROR: --agentcheck-fuzz-seed is a whole number, 0 or more"),
        ("--agentcheck-fuzz-seed=x", "*argument --agentcheck-fuzz-seed: invalid int value: 'x'"),
    ],
)
def test_numbers_that_are_none_are_refused(pytester, option, said):
    written(pytester.path, SOUND)
    result = pytester.runpytest_subprocess("--agentcheck-target", "my_agent:run", "--agentcheck-fuzz", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_a_seed_is_stated_in_what_reproduces(pytester):
    written(pytester.path, SOUND)
    result = fuzzed(pytester, "--agentcheck-target", "my_agent:run", "--agentcheck-fuzz-seed=7")
    again = "    --agentcheck-fuzz-seed=7 --agentcheck-fuzz-examples=12 --agentcheck-target=my_agent:run"
    result.stdout.fnmatch_lines(["Fuzzed as a callable: 12 stories of seed 7, *", again])


LEAVERS = """
import os
from dataclasses import replace

from agentcheck.fixtures.deploybot import target as bot
from agentcheck.fixtures.deploybot.reducer import DeployBot


class Leaver(DeployBot):
    def reduce(self, state, event):
        if type(event).__name__ == "ToolFailed":
            os._exit(3)
        return super().reduce(state, event)


class Hanger(DeployBot):
    def reduce(self, state, event):
        while type(event).__name__ == "ToolFailed":
            pass
        return super().reduce(state, event)


limits = replace(bot.limits, seconds=1.0)
leaver = bot.having(reducer=Leaver(), host=None, recordings=(), snapshots=(), limits=limits)
hanger = bot.having(reducer=Hanger(), host=None, recordings=(), snapshots=(), limits=limits)
"""


@pytest.mark.parametrize(("name", "how"), [("leaver", "the end of its process"), ("hanger", "a step that never ended")])
def test_a_reducer_that_ends_or_holds_up_its_process_ends_a_story_and_not_the_session(tmp_path, name, how):
    (tmp_path / "leavers.py").write_text(LEAVERS)
    config = load(tmp_path, target=f"leavers:{name}")
    with Lab(config, rootdir=tmp_path, reports=tmp_path) as lab, Fuzz(lab, "R") as fuzz:
        found = fuzz.run(30, until=["F09-error-reaches-model"])
    assert any(how in failure.message for failure in found.failures)
