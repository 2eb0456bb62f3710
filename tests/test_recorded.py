"""The runs in a recording: told apart by what their requests show."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentcheck.cassette import Cassette
from agentcheck.dialects import openai_chat
from agentcheck.finding import HarnessError, Untestable
from agentcheck.messages import Decision, Request, ToolCall
from agentcheck.recorded import traces, written
from agentcheck.trace import Trace
from agentcheck.wire import CassetteError, WireReply, WireRequest, json_bytes

URL = "https://api.openai.com/v1/chat/completions"
SYSTEM = {"role": "system", "content": "You deploy."}
BUSY = WireReply(429, {"content-type": "application/json"}, (b'{"error": {"message": "busy"}}',))


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def call(id: str, tool: str = "look") -> Decision:
    return Decision("", (ToolCall(tool, "{}", id),), "calls")


def made(decision: Decision, result: str = "ok") -> list[dict[str, Any]]:
    """A decision and its result, as the next request tells them."""
    calls = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": "{}"}} for c in decision.calls]
    results = [{"role": "tool", "tool_call_id": c.id, "content": result} for c in decision.calls]
    return [{"role": "assistant", "content": decision.text or None, "tool_calls": calls}, *results]


def recording(folder: Path, *exchanges: tuple[Sequence[dict[str, Any]], Decision | WireReply]) -> Path:
    cassette = Cassette.create(folder / "run.jsonl", provenance={})
    for messages, answer in exchanges:
        request = WireRequest("POST", URL, {}, json_bytes({"model": "m", "messages": list(messages)}))
        reply = answer if isinstance(answer, WireReply) else openai_chat.reply(answer, Request("openai-chat", ()))
        cassette.append(request, reply)
    return cassette.path


def steps(path: Path) -> list[int]:
    """How many replies each run in a recording has."""
    return [len(trace.of("model_reply")) for trace in traces(path)]


def test_a_run_goes_on_as_long_as_requests_contain_the_one_before(tmp_path: Path) -> None:
    first, second = [SYSTEM, user("a")], [SYSTEM, user("a"), *made(call("1"))]
    path = recording(tmp_path, (first, call("1")), (second, Decision("Done.")))
    (trace,) = traces(path)
    assert [e.type for e in trace] == ["launched", "model_request", "model_reply", "model_request", "model_reply"]
    assert trace.requests()[1].request.messages[2].calls[0].id == "1"
    assert json.loads(trace.requests()[0]["raw"]["body"])["messages"] == first
    assert trace.of("model_reply")[1].decision.text == "Done."


def test_the_same_request_after_a_reply_begins_another_run_and_after_a_failure_tries_again(tmp_path: Path) -> None:
    first, second = [SYSTEM, user("a")], [SYSTEM, user("a"), *made(call("1"))]
    path = recording(
        tmp_path, (first, BUSY), (first, call("1")), (second, Decision("Done.")), (first, Decision("Done at once."))
    )
    assert steps(path) == [2, 1]
    assert "429" in traces(path)[0].of("model_failed")[0]["failure"]


def test_runs_at_the_same_time_are_told_apart_by_their_own_decisions(tmp_path: Path) -> None:
    first = [SYSTEM, user("a")]
    path = recording(
        tmp_path,
        (first, call("one")),
        (first, call("two")),
        ([*first, *made(call("one"))], call("three")),
        ([*first, *made(call("two"))], Decision("Two is done.")),
        ([*first, *made(call("one")), *made(call("three"))], Decision("One is done.")),
    )
    last = [trace.of("model_reply")[-1].decision.text for trace in traces(path)]
    assert (steps(path), last) == ([3, 2], ["One is done.", "Two is done."])


def test_a_window_that_forgets_its_beginning_is_still_one_run(tmp_path: Path) -> None:
    path = recording(
        tmp_path,
        ([SYSTEM, user("a")], call("1")),
        ([SYSTEM, user("a"), *made(call("1"))], call("2")),
        ([SYSTEM, *made(call("2"))], call("3")),
        ([SYSTEM, *made(call("3"))], Decision("Done.")),
    )
    assert steps(path) == [4]


def test_a_history_that_grows_inside_one_message_is_one_run(tmp_path: Path) -> None:
    texts = ["<asked/>", "<asked/><looked/>", "<asked/><looked/><deployed/>"]
    path = recording(tmp_path, *(([SYSTEM, user(text)], Decision('{"intent": "look"}')) for text in texts))
    assert steps(path) == [3]


def test_runs_that_cannot_be_told_apart_are_not_guessed_at(tmp_path: Path) -> None:
    states = [[SYSTEM, user(f"step {n}")] for n in range(3)]
    path = recording(tmp_path, *((state, call(str(n))) for n, state in enumerate(states)))
    with pytest.raises(Untestable, match=r"run\.jsonl cannot be told"):
        traces(path)


def test_answers_to_single_questions_are_runs_of_one_step(tmp_path: Path) -> None:
    path = recording(tmp_path, *(([SYSTEM, user(f"question {n}")], Decision("An answer.")) for n in range(3)))
    assert steps(path) == [1, 1, 1]


def test_other_traffic_than_model_calls_is_left_out(tmp_path: Path) -> None:
    path = recording(tmp_path, ([SYSTEM, user("a")], Decision("Done.")))
    request = WireRequest("GET", "https://api.openai.com/v1/models", {}, b"")
    again = Cassette.create(tmp_path / "more.jsonl", provenance={})
    again.append(request, WireReply(200, {}, (b"{}",)))
    for exchange in Cassette.read(path).exchanges:
        again.append(exchange.request, exchange.reply)
    assert steps(again.path) == [1]


def test_recordings_of_others_are_read_too(tmp_path: Path) -> None:
    def body(messages: list[dict[str, Any]]) -> str:
        return json.dumps({"model": "m", "messages": messages})

    def reply(decision: Decision) -> dict[str, Any]:
        text = openai_chat.reply(decision, Request("openai-chat", ())).body.decode()
        return {"status": {"code": 200}, "headers": {"content-type": ["application/json"]}, "body": {"string": text}}

    first = [SYSTEM, user("a")]
    pairs = [(first, call("1")), ([*first, *made(call("1"))], Decision("Done."))]
    interactions = [
        {"request": {"method": "POST", "uri": URL, "headers": {}, "body": body(m)}, "response": reply(d)}
        for m, d in pairs
    ]
    path = tmp_path / "run.yaml.gz"
    path.write_bytes(gzip.compress(yaml.safe_dump({"interactions": interactions, "version": 1}).encode()))
    assert steps(path) == [2]


def test_a_model_request_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = recording(tmp_path, ([{"role": "nobody", "content": "a"}], Decision("Done.")))
    with pytest.raises(CassetteError, match="role 'nobody'"):
        traces(path)


def test_runs_are_written_to_be_shown(tmp_path: Path) -> None:
    path = recording(tmp_path, ([SYSTEM, user("a")], Decision("Done.")))
    (run,) = written([path], tmp_path / "traces", prefix="W")
    shown = Trace.read(tmp_path / "traces" / "W001.jsonl")
    assert [e.data for e in shown] == [e.data for e in run]
    assert shown.events[0]["recording"] == "run.jsonl"
    with pytest.raises(HarnessError, match="there is no recording at"):
        written([tmp_path / "none.jsonl"], tmp_path / "traces", prefix="W")
