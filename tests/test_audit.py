"""Recordings judged alone: what each check accuses, what it must not, and where it says that it is."""

import json
import os
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agentcheck import catalog
from agentcheck.audit import Audit
from agentcheck.audit import steps as steps_of
from agentcheck.audit.judgement import Ruling, pooled
from agentcheck.audit.recording import Place, place_of
from agentcheck.audit.traffic import Traffic
from agentcheck.cassette import Cassette
from agentcheck.check import on_recordings
from agentcheck.cli import main
from agentcheck.finding import Finding, HarnessError, Outcome
from agentcheck.messages import Decision, ToolCall
from agentcheck.report import schema
from agentcheck.wire import WireReply
from tests.audited import (
    DONE,
    LOOK,
    SYSTEM,
    audit,
    call,
    chat,
    chats,
    finding,
    interaction,
    made,
    steps,
    user,
    write,
)

TRACE = 'Traceback (most recent call last):\n  File "/app/ops.py", line 7, in deploy\n    post()\nOSError: refused'
PLAIN = [SYSTEM, user("go")]
AGAIN = [*PLAIN, *made(call("1"), "seen")]
HISTORY = "A long enough line of the conversation, number {n}, that nothing else says by accident."
REFUSED = WireReply(400, {"content-type": "application/json"}, (b'{"error": {"message": "no tool output found"}}',))
KEY = "sk-proj-9f8E7d6C5b4A3z2Y1x0W9v8U"


def tool(name: str = "look", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {**LOOK["function"], "name": name, **function}}


def judged(check: str, folder: Path, exchanges: Any, **more: Any) -> Finding:
    """The finding on one recording of these exchanges; `limits` apart, what is more goes into each request."""
    limits = more.pop("limits", {})
    return finding(check, chats(folder / "run.yaml", exchanges, **more), start=folder, **limits)


# --- what is accused, and where ---------------------------------------------------------------------


def self_repeating() -> list[Any]:
    """Six turns, each of which appends all that was said so far as one more message."""
    messages, exchanges = [SYSTEM, user(HISTORY.format(n=0))], []
    for n in range(1, 8):
        exchanges.append((list(messages), Decision(HISTORY.format(n=f"{n} of the model"))))
        messages += [{"role": "assistant", "content": HISTORY.format(n=f"{n} of the model")}]
        messages += [user("\n".join(m["content"] for m in messages[1:]))]
    return exchanges


BROKEN: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "a credential in a message": (
        "F02-prompt-holds-no-secret", [([SYSTEM, user(f"use {KEY}")], DONE)], {}, "interaction 1, message 2",
    ),
    "a credential in a tool": (
        "F02-prompt-holds-no-secret", [(PLAIN, DONE)], {"tools": [tool(description=f"With {KEY}.")]}, "interaction 1",
    ),
    "a result without a call": (
        "F03-calls-and-results-pair", [([*PLAIN, *made(call("1"), "a")[1:]], DONE)], {}, "interaction 1, message 3",
    ),
    "a call without a result": (
        "F03-calls-and-results-pair", [([*PLAIN, *made(call("1"), "a")[:1]], DONE)], {}, "interaction 1, message 3",
    ),
    "a result twice": (
        "F03-calls-and-results-pair", [([*AGAIN, AGAIN[-1]], DONE)], {}, "interaction 1, message 5",
    ),
    "history inside itself": (
        "F03-context-grows-linearly", self_repeating(), {}, "interaction 7, message 14",
    ),
    "an unknown type": (
        "F04-schema-is-valid",
        [(PLAIN, DONE)],
        {"tools": [tool(parameters={"type": "object", "properties": {"sum": {"type": "money"}}})]},
        "interaction 1: tool look",
    ),
    "no description": (
        "F04-tool-is-described", [(PLAIN, DONE)], {"tools": [tool(description="")]}, "interaction 1: look",
    ),
    "an argument without one": (
        "F04-tool-is-described",
        [(PLAIN, DONE)],
        {"tools": [tool(parameters={"type": "object", "properties": {"at": {"type": "string"}}})]},
        "interaction 1: look.at",
    ),
    "a stack trace": (
        "F09-error-is-compact", steps(TRACE), {}, "interaction 2, message 4: Traceback",
    ),
    "a flood": (
        "F09-error-is-compact", steps("Error: " + "no luck, " * 99), {}, "interaction 2, message 4: Error",
    ),
    "a bare error": (
        "F09-error-names-the-tool", steps("Error: the tool failed."), {}, "interaction 2, message 4",
    ),
    "many tools": (
        "F10-tool-count-is-small", [(PLAIN, DONE)], {"tools": [tool(f"look_{n}") for n in range(11)]}, "interaction 1",
    ),
    "a manual": (
        "F10-prompt-is-small", [([SYSTEM, user("read on. " * 4000)], DONE)], {}, "interaction 1",
    ),
    "many steps": (
        "F10-run-is-short", steps(*(f"result {n}" for n in range(21))), {}, "interaction 22",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_accused_where_it_stands(case: str, tmp_path: Path) -> None:
    check, exchanges, more, where = BROKEN[case]
    found = judged(check, tmp_path, exchanges, **more)
    assert found.outcome is Outcome.FAIL, found.message
    assert found.evidence[0]["text"].startswith(f"run.yaml, {where}"), found.evidence


def test_a_catalogue_that_changes_without_a_word_is_accused(tmp_path: Path) -> None:
    """Each way to change it, between two requests of one run."""
    both = [LOOK, tool("peek")]
    for earlier, later, said in (
        ([LOOK], both, "peek came without a word"),
        (both, both[1:], "look went without a word"),
        (both, both[::-1], "the same tools came in another order: peek, look after look, peek"),
        ([LOOK], [tool(description="Look away.")], "look changed without a word"),
    ):
        first, second = chat(PLAIN, call("1"), tools=earlier), chat(AGAIN, call("2"), tools=later)
        path = write(tmp_path / "run.yaml", first, second)
        found = finding("F04-catalog-is-stable", path, start=tmp_path)
        assert found.outcome is Outcome.FAIL
        assert said in found.message
        assert found.evidence[0]["text"] == "run.yaml, interaction 2"


def test_what_every_run_fetches_first_is_told_over_all_recordings(tmp_path: Path) -> None:
    paths = [
        chats(tmp_path / f"{n}.yaml", [([SYSTEM, user(f"job {n}")], call("1", arguments='{"at": "tags"}'))])
        for n in range(3)
    ]
    found = finding("F13-predictable-fetch-is-prefetched", *paths, start=tmp_path)
    assert (found.outcome, len(found.evidence)) == (Outcome.FAIL, 3)
    assert "all 3 runs of one agent begin with look" in found.message
    assert finding("F13-predictable-fetch-is-prefetched", *paths[:2], start=tmp_path).outcome is Outcome.UNTESTABLE


# --- what must not be accused ------------------------------------------------------------------------

PASSES, CANNOT_SHOW = Outcome.PASS, Outcome.UNTESTABLE
INNOCENT: dict[str, tuple[str, Any, dict[str, Any], Outcome]] = {
    "a broken history that the provider refused": (
        "F03-calls-and-results-pair", [(AGAIN[:3], REFUSED)], {}, CANNOT_SHOW,
    ),
    "ids that the model uses again, each time answered": (
        "F03-calls-and-results-pair", [([*AGAIN, *made(call("1"), "b")], DONE)], {}, PASSES,
    ),
    "calls without ids, which mean the order": (
        "F03-calls-and-results-pair", [([*PLAIN, *made(call(""), "a"), *made(call(""), "b")], DONE)], {}, CANNOT_SHOW,
    ),
    "history kept by the provider": (
        "F03-calls-and-results-pair",
        [(made(call("1"), "a")[1:], DONE)],
        {"previous_response_id": "resp_1"},
        CANNOT_SHOW,
    ),
    "a single call": ("F04-catalog-is-stable", [(PLAIN, DONE)], {"tools": [LOOK]}, CANNOT_SHOW),
    "the same long result at every turn": (
        "F03-context-grows-linearly", steps(*[HISTORY] * 8), {}, PASSES,
    ),
    "an argument that the tool's docstring explains": (
        "F04-tool-is-described",
        [(PLAIN, DONE)],
        {
            "tools": [
                tool(
                    description="Look.\n\nArgs:\n    at (str): the place",
                    parameters={"type": "object", "properties": {"at": {"type": "string"}}},
                )
            ]
        },
        PASSES,
    ),
    "a log that was read, with a stack trace in it": (
        "F09-error-is-compact", steps(f"2026-11-25 deploy began\n{TRACE}"), {}, CANNOT_SHOW,
    ),
    "what the model's own code raised": (
        "F09-error-is-compact",
        steps('Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\nZeroDivisionError: no'),
        {},
        PASSES,
    ),
    "the answer to a search for errors": (
        "F09-error-is-compact", steps("Errors in Python: " + "an essay. " * 99), {}, CANNOT_SHOW,
    ),
    "a result that says that there was no error": (
        "F09-error-names-the-tool", steps('{"error": null, "status": "ok"}'), {}, CANNOT_SHOW,
    ),
    "a failure with its kind": (
        "F09-error-names-the-tool", steps("ConnectionError: registry-7 refused"), {}, PASSES,
    ),
    "failures of a history that was written for the test": (
        "F09-error-is-compact", [([*PLAIN, *made(call("1"), TRACE)], DONE)], {}, CANNOT_SHOW,
    ),
    "an image in the first request": (
        "F10-prompt-is-small", [([SYSTEM, user("data:image/png;base64," + "iVBORw0K" * 8000)], DONE)], {}, PASSES,
    ),
    "a long history from before the recording": (
        "F10-prompt-is-small", [([*AGAIN, user("and this: " * 5000)], DONE)], {}, CANNOT_SHOW,
    ),
    "tools that are loaded once they are searched for": (
        "F10-tool-count-is-small",
        [(PLAIN, DONE)],
        {"tools": [LOOK, *({**tool(f"look_{n}"), "defer_loading": True} for n in range(30))]},
        PASSES,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", INNOCENT)
def test_what_is_no_fault_is_not_accused(case: str, tmp_path: Path) -> None:
    check, exchanges, more, outcome = INNOCENT[case]
    found = judged(check, tmp_path, exchanges, **more)
    assert found.outcome is outcome, found.message


def test_a_long_conversation_is_no_long_run(tmp_path: Path) -> None:
    messages, exchanges = list(PLAIN), []
    for n in range(30):
        exchanges.append((list(messages), Decision(f"Answer {n}.")))
        messages += [{"role": "assistant", "content": f"Answer {n}."}, user(f"question {n}")]
    assert judged("F10-run-is-short", tmp_path, exchanges).message == "1 of 1 recording"


def test_a_tool_that_was_asked_for_and_one_in_another_model_are_no_change(tmp_path: Path) -> None:
    loaded = [*PLAIN, *made(call("1", "load", '{"name": "peek"}'), "loaded")]
    first, second = chat(PLAIN, call("1", "load", '{"name": "peek"}'), tools=[LOOK]), chat(loaded, DONE, tools=[LOOK])
    second = chat(loaded, call("2"), tools=[LOOK, tool("peek")])
    path = write(tmp_path / "loaded.yaml", first, second)
    assert finding("F04-catalog-is-stable", path, start=tmp_path).outcome is Outcome.PASS
    other = chat(AGAIN, call("2"), tools=[tool("peek")], model="another")
    path = write(tmp_path / "models.yaml", chat(PLAIN, call("1"), tools=[LOOK]), other)
    assert finding("F04-catalog-is-stable", path, start=tmp_path).outcome is Outcome.UNTESTABLE


def test_a_first_call_that_the_job_names_is_no_habit(tmp_path: Path) -> None:
    asked = [f"{words} staging" for words in ("look at", "what about", "how is")]
    exchanges = [([SYSTEM, user(text)], call("1", arguments='{"at": "staging"}')) for text in asked]
    paths = [chats(tmp_path / f"{n}.yaml", [exchange]) for n, exchange in enumerate(exchanges)]
    assert finding("F13-predictable-fetch-is-prefetched", *paths, start=tmp_path).outcome is Outcome.PASS


def test_a_failure_that_the_format_marks_is_seen_whatever_its_words(tmp_path: Path) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "no " * 300}
    first = {"model": "claude", "max_tokens": 9, "messages": [user("go")]}
    second = {
        **first,
        "messages": [user("go"), {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}],
    }
    url, base = "https://api.anthropic.com/v1/messages", {"type": "message", "role": "assistant", "usage": {}}
    replies = [
        {**base, "content": [use], "stop_reason": "tool_use"},
        {**base, "content": [{"type": "text", "text": "Sorry."}], "stop_reason": "end_turn"},
    ]
    pairs = zip((first, second), replies, strict=True)
    path = write(tmp_path / "run.yaml", *(interaction(url, body, 200, json.dumps(reply)) for body, reply in pairs))
    found = finding("F09-error-is-compact", path, start=tmp_path)
    assert found.outcome is Outcome.FAIL
    assert found.evidence[0]["text"].startswith("run.yaml, interaction 2, message 3")


# --- files ---------------------------------------------------------------------------------------------


def folder_of_all_kinds(folder: Path) -> Path:
    """One file of each kind, and one that stands twice in the paths."""
    chats(folder / "good.yaml", [(PLAIN, DONE)], tools=[LOOK])
    write(folder / "deep" / "embeddings.yaml", interaction("https://api.openai.com/v1/embeddings", {}, 200, "{}"))
    write(folder / "legacy.yaml", interaction("https://api.openai.com/v1/completions", {"prompt": "a"}, 200, "{}"))
    (folder / "broken.yaml").write_text("interactions:\n- request: [\n")
    (folder / "settings.json").write_text('{"debug": true}')
    (folder / "empty.yaml").write_text("")
    (folder / "notes.txt").write_text("not looked at in a folder")
    return folder


def test_each_file_is_judged_or_said_to_be_something_else(tmp_path: Path) -> None:
    folder = folder_of_all_kinds(tmp_path)
    files = {file.label: file for file in audit(folder, folder / "good.yaml", start=tmp_path).files}
    assert {label: file.status for label, file in files.items()} == {
        "good.yaml": "judged",
        "deep/embeddings.yaml": "other",
        "legacy.yaml": "other",
        "broken.yaml": "broken",
        "settings.json": "skipped",
        "empty.yaml": "skipped",
    }
    assert "1 × embeddings" in files["deep/embeddings.yaml"].why
    assert "OpenAI's legacy Completions" in files["legacy.yaml"].why
    assert "broken.yaml is truncated" in files["broken.yaml"].why


def test_counts_are_those_of_all_files(tmp_path: Path) -> None:
    chats(tmp_path / "a.yaml", steps("one", "two"))
    busy = WireReply(429, {"content-type": "application/json"}, (b"{}",))
    write(tmp_path / "b.yaml", chat(PLAIN, busy), interaction("https://api.openai.com/v1/models", "", 200, "{}", "GET"))
    data = audit(tmp_path, start=tmp_path).as_data()
    assert data["formats"] == {"openai-chat": {"exchanges": 4, "decisions": 3, "results": 2, "errors": 1}}
    assert data["side"] == {"a list of models": 1}
    assert data["counts"] == {"judged": 2, "other": 0, "skipped": 0, "broken": 0}


def test_a_torn_recording_of_ours_is_judged_and_said_to_be_torn(tmp_path: Path) -> None:
    from agentcheck.foreign import exchanges

    source = chats(tmp_path / "run.yaml", [(PLAIN, DONE)])
    ours = Cassette.create(tmp_path / "ours.jsonl", provenance={})
    for exchange in exchanges(source.read_text(), source):
        ours.append(exchange.request, exchange.reply)
    with ours.path.open("a") as file:
        file.write('{"request": {"meth')
    (seen,) = audit(ours.path, start=tmp_path).files
    assert (seen.status, len(seen.notes)) == ("judged", 1)
    assert "torn" in seen.notes[0]


def test_paths_that_are_not_there_or_hold_nothing_are_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="there is no file or folder"):
        audit(tmp_path / "none", start=tmp_path).findings()
    with pytest.raises(HarnessError, match="there is no recording in"):
        audit(tmp_path, start=tmp_path).findings()


def test_a_request_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    odd = chat([{"role": "nobody", "content": "a"}], DONE)
    (file,) = audit(write(tmp_path / "run.yaml", odd, chat(PLAIN, DONE)), start=tmp_path).files
    assert (file.status, file.runs, len(file.traffic.unreadable)) == ("judged", 1, 1)
    (file,) = audit(write(tmp_path / "odd.yaml", odd), start=tmp_path).files
    assert file.status == "other"
    assert "role 'nobody'" in file.why


# --- all together ----------------------------------------------------------------------------------------


def rulings(*outcomes: str) -> list[Ruling]:
    return [Ruling(f"{n}.yaml", "F04-tool-is-described", Outcome(o), f"because {o}") for n, o in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "outcome", "message"),
    [
        (("pass", "pass", "untestable"), "pass", "2 of 2 recordings (1 more cannot show it)"),
        (("pass", "fail", "untestable"), "fail", "1 of 2 recordings (1 more cannot show it): because fail"),
        (("untestable", "untestable"), "untestable", "2 of 2 recordings: because untestable"),
        (("fail", "error"), "error", "1 of 2 recordings: because error"),
    ],
)
def test_what_one_recording_cannot_show_takes_nothing_from_another(
    outcomes: tuple[str, ...], outcome: str, message: str
) -> None:
    found = pooled(catalog.find("F04-tool-is-described", catalog.load_all()), rulings(*outcomes))
    assert (found.outcome, found.message) == (Outcome(outcome), message)


def test_equal_messages_are_told_once() -> None:
    many = [Ruling(f"{n}.yaml", "x", Outcome.FAIL, f"message {n % 6}") for n in range(60)]
    lines = pooled(catalog.find("F04-tool-is-described", catalog.load_all()), many).message.split("\n")
    assert lines[:2] == ["60 of 60 recordings:", "10 × message 0"]
    assert lines[-1] == "and 20 more, each with its own words"


def test_every_check_of_kind_W_has_a_reader_and_no_other() -> None:
    for check in catalog.load_all():
        assert (check.reader is not None) == ("W" in check.kinds), check.id
    with pytest.raises(ValueError, match="no check that is judged on recordings"):
        on_recordings("F01-call-matches-schema")(lambda recording: None)


def test_a_judge_that_breaks_is_an_error_of_that_recording_alone(tmp_path: Path) -> None:
    from dataclasses import replace

    def breaks(recording: Any) -> None:
        if recording.label == "a.yaml":
            raise ZeroDivisionError("a bug of ours")

    check = replace(catalog.find("F03-context-is-printable", catalog.load_all()), reader=breaks)
    for name in ("a", "b"):
        chats(tmp_path / f"{name}.yaml", [(PLAIN, DONE)])
    seen = Audit([tmp_path], [check], start=tmp_path)
    assert [file.rulings[0].outcome for file in seen.files] == [Outcome.ERROR, Outcome.PASS]
    assert "a bug of ours" in seen.judge(check).message


# --- the command and the plugin -----------------------------------------------------------------------------


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["audit", *arguments])
    return status, capsys.readouterr().out


def test_the_command_reports_and_its_status_says_how_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    good = chats(tmp_path / "good.yaml", [(PLAIN, DONE)], tools=[tool(description="")])
    status, shown = run("good.yaml", capsys=capsys)
    assert status == 0
    assert "F04-tool-is-described (SHOULD)" in shown
    assert run("good.yaml", "--strict", capsys=capsys)[0] == 1
    chats(tmp_path / "bad.yaml", [(AGAIN[:3], DONE)])
    status, shown = run("bad.yaml", "--check", "F03-calls-and-results-pair", capsys=capsys)
    assert status == 1
    assert "bad.yaml, interaction 1, message 3" in shown
    (tmp_path / "broken.yaml").write_text("interactions:\n- request: [\n")
    assert run("good.yaml", "broken.yaml", capsys=capsys)[0] == 1
    write(tmp_path / "other.yaml", interaction("https://api.openai.com/v1/embeddings", {}, 200, "{}"))
    assert run("other.yaml", capsys=capsys)[0] == 12
    assert main(["audit", "none.yaml"]) == 2
    assert main(["audit", str(good), "--factor", "7"]) == 2


def test_the_report_holds_every_recording_and_follows_its_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder_of_all_kinds(tmp_path))
    run(".", "--report", "out", capsys=capsys)
    report = json.loads((tmp_path / "out" / "agentcheck.json").read_text())
    jsonschema.Draft202012Validator(schema()).validate(report)
    assert report["target"] == {"name": ".", "kind": "W", "framework": None}
    (good,) = [file for file in report["recordings"]["files"] if file["file"] == "good.yaml"]
    assert len(good["findings"]) == 13  # all of kind W but the one that is asked once about all
    page = (tmp_path / "out" / "agentcheck.md").read_text()
    assert "## Recordings (6 files)" in page
    assert "broken.yaml" in page
    printed = json.loads(run("good.yaml", "--json", capsys=capsys)[1])
    assert printed["recordings"]["files"] == [good]


def test_what_is_said_of_hundreds_of_files_is_short_and_fits_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(120):
        path = (
            tmp_path / f"a_folder_with_quite_a_long_name_{n % 7}" / f"test_of_something_that_has_a_long_name_{n}.yaml"
        )
        names = [tool(f"look_{n}", description=""), tool("peek", description="")] if n % 2 else [tool(description="")]
        chats(path, [(PLAIN, DONE)], tools=names)
        write(path.with_suffix(".json.yaml"), interaction("https://api.openai.com/v1/embeddings", {}, 200, "{}"))
    monkeypatch.chdir(tmp_path)
    lines = run(".", capsys=capsys)[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 70
    assert any("120 of 120 recordings" in line for line in lines)
    assert any("60 × without a description: look" in line for line in lines)
    assert max(map(len, run(".", "-v", capsys=capsys)[1].splitlines())) <= 80


@pytest.mark.parametrize("more", [(), ("-n2",)], ids=["alone", "xdist"])
def test_pytest_judges_recordings_in_place_of_an_agent(pytester: pytest.Pytester, more: tuple[str, ...]) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    pytester.makepyfile(test_own="def test_own():\n    pass\n")
    chats(pytester.path / "tests" / "cassettes" / "bad.yaml", [(AGAIN[:3], DONE)], tools=[LOOK])
    result = pytester.runpytest_subprocess("--agentcheck", "--agentcheck-audit", "tests/cassettes", *more)
    result.assert_outcomes(passed=8, failed=1, skipped=6)
    result.stdout.fnmatch_lines(["*tests/cassettes/bad.yaml, interaction 1, message 3*", "Report: reports/audit"])
    report = json.loads((pytester.path / "reports" / "audit" / "agentcheck.json").read_text())
    assert report["recordings"]["counts"]["judged"] == 1
    (fail,) = [f for f in report["findings"] if f["outcome"] == "fail"]
    assert "--agentcheck-audit=tests/cassettes" in fail["reproduce"]


def test_a_broken_recording_fails_the_session_and_an_agent_beside_it_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    chats(pytester.path / "c" / "good.yaml", [(PLAIN, DONE)])
    (pytester.path / "c" / "broken.yaml").write_text("interactions:\n- request: [\n")
    result = pytester.runpytest_subprocess("--agentcheck-only", "--agentcheck-audit=c")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*recordings that are broken, which count as errors: 1"])
    for wrong in (("--agentcheck-audit=nix",), ("--agentcheck-audit=c", "--agentcheck-target=a:b")):
        refused = pytester.runpytest_subprocess("--agentcheck-only", *wrong)
        assert refused.ret == pytest.ExitCode.USAGE_ERROR
        refused.stderr.fnmatch_lines(["*--agentcheck-audit*"])


def test_calls_that_are_named_twice_are_read_from_decisions_too(tmp_path: Path) -> None:
    """Two calls in one reply, one of which failed: the failure is tied to its own call."""
    both = Decision("", (ToolCall("look", '{"at": "a"}', "1"), ToolCall("peek", "{}", "2")), "calls")
    exchanges = [(PLAIN, both), ([*PLAIN, *made(both, "seen", "TimeoutError: after 3 s")], DONE)]
    found = judged("F09-error-reaches-model", tmp_path, exchanges)
    assert found.outcome is Outcome.PASS
    (seen,) = audit(tmp_path, start=tmp_path).files
    assert next(r for r in seen.rulings if r.check == "F09-error-reaches-model").message.startswith("1 failure told")


# --- recordings of real providers: ../shared/cassettes ---------------------------------------------------

SHARED = Path(os.environ.get("AGENTCHECK_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "cassettes"
SAMPLE = Path(__file__).parents[1] / "reports" / "audit-sample.md"
shared = pytest.mark.skipif(
    not (SHARED / "MANIFEST.json").is_file(),
    reason="the shared recordings are not here; AGENTCHECK_SHARED names the folder that holds cassettes/",
)


@cache
def of_the_shared() -> Audit:
    seen = audit(SHARED, start=SHARED)
    assert seen.files
    return seen


@shared
def test_every_shared_recording_is_judged_or_named_and_every_exchange_counted() -> None:
    entries = {entry["file"]: entry for entry in json.loads((SHARED / "MANIFEST.json").read_text(encoding="utf-8"))}
    files = {file.label: file for file in of_the_shared().files if file.label != "MANIFEST.json"}
    assert files.keys() == entries.keys()
    assert {file.status for file in files.values()} == {"judged", "other"}
    for label, file in files.items():
        traffic = file.traffic
        counted = sum(counts.exchanges for counts in traffic.formats.values())
        others = traffic.unread.total() + traffic.side.total() + len(traffic.unreadable)
        assert counted + others == entries[label]["interactions"], label
        assert all(ruling.outcome is not Outcome.ERROR for ruling in file.rulings), label


@shared
def test_what_was_found_in_the_shared_recordings_was_looked_at_by_hand() -> None:
    """Each failure was held against the raw bytes: another one than these is to be looked at before it is believed."""
    failed = Counter(r.check for f in of_the_shared().files for r in f.rulings if r.outcome is Outcome.FAIL)
    assert failed == {"F04-tool-is-described": 54}


@shared
def test_a_place_is_where_the_raw_request_says_the_same() -> None:
    checked: Counter[str] = Counter()
    for file in of_the_shared().judged:
        cassette = Cassette.read(SHARED / file.label, lenient=True)
        for step in steps_of(cassette, Traffic()):
            raw = step.exchange.request.json()
            for index, message in enumerate(step.request.messages):
                words = re.findall(r"[A-Za-z]{4,}", message.text or " ".join(c.name for c in message.calls))[:8]
                place = place_of(step, index)
                here = raw[step.dialect.array][place.number - 1] if isinstance(place, Place) else raw
                assert all(word in json.dumps(here, ensure_ascii=False) for word in words), (file.label, step.number)
                checked[step.request.dialect] += bool(words) and isinstance(place, Place)
    assert len(checked) >= 7
    assert min(checked.values()) >= 1


@shared
def test_the_findings_that_were_checked_by_hand_still_stand() -> None:
    verdicts = tomllib.loads((Path(__file__).parents[1] / "tools" / "audit_sample.toml").read_text(encoding="utf-8"))
    found = {f"{r.check} {f.label}": r.outcome for f in of_the_shared().judged for r in f.rulings}
    assert len(verdicts) == 20
    assert all(entry["verdict"] == "right" for entry in verdicts.values())
    told = re.findall(r"^## \d+\. (F\S+): (\w+)$", SAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [(key.split()[0], str(found[key])) for key in verdicts] == told
