"""deploybot's reducer: what it decides, event by event, and what the model reads of it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentcheck.fixtures.deploybot import reducer, text
from agentcheck.fixtures.deploybot.history import State, Told
from agentcheck.fixtures.deploybot.reducer import DeployBot
from agentcheck.messages import Message, ToolCall
from agentcheck.reducer import (
    Approved,
    AskHuman,
    CallModel,
    CallTool,
    Command,
    Denied,
    Event,
    Finish,
    HumanAnswered,
    Interrupted,
    ModelFailed,
    ModelReplied,
    Step,
    Text,
    TimePassed,
    ToolFailed,
    ToolReturned,
    Wait,
    event_from,
    to_data,
)

TAGS = ToolCall("list_git_tags", "{}", "t1")
PRODUCTION = '{"tag": "v1.2.3", "environment": "production"}'
STAGING = '{"tag": "v1.2.3", "environment": "staging"}'
DEPLOY = ToolCall("deploy_backend", PRODUCTION, "d1")
QUESTION = ToolCall("ask_human", '{"question": "Which tag?", "urgency": "low"}', "q1")
TRIGGER = {"text": "deploy v1.2.3", "reply_to": {"channel": "slack", "address": "C1"}, "delivery": "e1"}


class Play:
    """A run of the reducer, one event after another."""

    def __init__(self, bot: DeployBot | None = None, trigger: Any = TRIGGER):
        self.bot = bot or DeployBot()
        self.step: Step[State] = self.bot.start(trigger)

    def __call__(self, *events: Event) -> "Play":
        for event in events:
            self.step = self.bot.reduce(self.step.state, event)
        return self

    def calls(self, *calls: ToolCall) -> "Play":
        return self(ModelReplied(calls=calls, finish="calls"))

    @property
    def command(self) -> Command:
        (command,) = self.step.commands
        return command

    @property
    def window(self) -> tuple[Message, ...]:
        return self.bot.messages(self.step.state)

    @property
    def result(self) -> Any:
        assert isinstance(self.command, Finish)
        return self.command.result

    def told(self, call_id: str) -> str:
        (message,) = [m for m in self.window if m.call_id == call_id]
        return message.text


def failing(play: Play, times: int, *, first: int = 1) -> Play:
    """The same call of list_git_tags made and failed, `times` times in a row."""
    for number in range(first, first + times):
        play.calls(ToolCall("list_git_tags", "{}", f"t{number}"))(ToolFailed(f"t{number}", "OSError", "disk is gone"))
    return play


def test_the_whole_job() -> None:
    play = Play()
    assert play.command == CallModel(play.window, play.bot.tools, settings=play.bot.settings)
    assert [m.role for m in play.window] == ["system", "user"]
    assert play.calls(TAGS).command == CallTool(TAGS, {}, 1.0)
    play(ToolReturned("t1", ["v1.2.3"])).calls(DEPLOY)
    assert isinstance(play.command, AskHuman)
    assert (play.command.kind, play.command.call) == ("approval", DEPLOY)
    assert play.step.state.status == "waiting"
    play(HumanAnswered("approval-d1", Approved()))
    assert play.command == CallTool(DEPLOY, json.loads(PRODUCTION), 1.0, "approval-d1")
    play(ToolReturned("d1", {"status": "queued"}))
    assert play.told("d1") == '{"status": "queued"}'
    play.calls(ToolCall("done_for_now", '{"message": "Queued."}', "f1"))
    assert play.result == {"status": "done", "message": "Queued.", "reply_to": TRIGGER["reply_to"]}
    assert play.step.state.status == "finished"


# --- what reaches no tool ----------------------------------------------------------------------

REFUSED = {
    "broken schema": (ToolCall("deploy_backend", '{"tag": "v1", "environment": "moon"}', "x"), "'moon' is not one of"),
    "missing argument": (ToolCall("deploy_backend", '{"tag": "v1"}', "x"), "'environment' is a required property"),
    "extra argument": (ToolCall("list_git_tags", '{"limit": 3}', "x"), "'limit' was unexpected"),
    "number for text": (ToolCall("deploy_backend", '{"tag": 1, "environment": "staging"}', "x"), "1 is not of type"),
    "not JSON": (ToolCall("deploy_backend", '{"tag": "v1", ', "x"), "not JSON"),
    "JSON within JSON": (ToolCall("deploy_backend", json.dumps(PRODUCTION), "x"), "is not of type 'object'"),
    "too deep": (ToolCall("list_git_tags", "[" * 50_000, "x"), "not JSON"),
    "unknown tool": (ToolCall("rm_rf", "{}", "x"), "There is no tool 'rm_rf'"),
}


@pytest.mark.parametrize(("call", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_call_that_must_not_act_is_told_to_the_model(call: ToolCall, why: str) -> None:
    play = Play().calls(call)
    assert isinstance(play.command, CallModel)
    assert why in play.told("x")
    assert len(play.told("x")) <= 400


@pytest.mark.parametrize("finish", ["length", "made_up"])
def test_a_reply_that_was_cut_off_acts_on_nothing(finish: str) -> None:
    play = Play()(ModelReplied("I will", (DEPLOY, TAGS), finish))
    assert isinstance(play.command, CallModel)
    assert play.window[-1].role == "user"
    assert f"'{finish}'" in play.window[-1].text
    assert not any(m.calls for m in play.window)


def test_a_filtered_reply_ends_the_run() -> None:
    assert Play()(ModelReplied("", (DEPLOY,), "filter")).result["status"] == "stopped"


def test_prose_acts_on_nothing_and_ends_the_run() -> None:
    play = Play()(ModelReplied(f"deploy_backend({PRODUCTION}) was called. It is deployed."))
    assert play.result["message"].startswith("deploy_backend(")


def test_an_empty_reply_is_asked_for_again() -> None:
    play = Play()(ModelReplied(""))
    assert isinstance(play.command, CallModel)
    assert "empty" in play.window[-1].text


def test_a_guard_vetoes_before_the_call_acts() -> None:
    seen: list[tuple[str, Mapping[str, Any]]] = []

    def guard(tool: str, arguments: Mapping[str, Any]) -> str | None:
        seen.append((tool, arguments))
        return "it is Friday" if tool == "deploy_backend" else None

    play = Play(DeployBot(guards=(guard,))).calls(DEPLOY)
    assert isinstance(play.command, CallModel)
    assert play.told("d1") == "deploy_backend was not run: it is Friday"
    assert seen == [("deploy_backend", json.loads(PRODUCTION))]


def test_finishing_beside_other_calls_waits_for_their_results() -> None:
    play = Play().calls(ToolCall("done_for_now", '{"message": "Done."}', "f1"), TAGS)
    assert play.command == CallTool(TAGS, {}, 1.0)
    assert "call it alone" in play.told("f1")


# --- humans --------------------------------------------------------------------------------------


def test_a_question_of_the_model_gets_its_answer() -> None:
    play = Play().calls(QUESTION)
    assert play.command == AskHuman("question-q1", "question", "Which tag?", QUESTION, 86_400.0)
    play(HumanAnswered("question-q1", Text("v1.2.3")))
    assert play.told("q1") == "v1.2.3"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Denied("not today"), "A human denied it: not today"),
        (Text("use v2"), "answered instead of approving it: use v2"),
    ],
)
def test_only_an_approval_approves(answer: Denied | Text, words: str) -> None:
    play = Play().calls(DEPLOY)(HumanAnswered("approval-d1", answer))
    assert isinstance(play.command, CallModel)
    assert words in play.told("d1")


@pytest.mark.parametrize(
    "call",
    [ToolCall("deploy_backend", STAGING, "d2"), ToolCall("deploy_backend", PRODUCTION, "d2"), DEPLOY],
    ids=["other arguments", "same arguments, another call", "same id again"],
)
def test_an_approval_opens_one_call_only(call: ToolCall) -> None:
    play = Play().calls(DEPLOY)(HumanAnswered("approval-d1", Approved()), ToolReturned("d1", "ok"))
    play.calls(call)
    assert isinstance(play.command, AskHuman)
    assert play.command.id != "approval-d1"


def test_answers_that_nothing_waits_for_change_nothing() -> None:
    play = Play().calls(DEPLOY)
    waiting = play.step.state
    for event in (HumanAnswered("approval-x", Approved()), ToolReturned("d1", "ok"), ModelReplied("hi")):
        assert play.bot.reduce(waiting, event) == Step(waiting)
    running = play(HumanAnswered("approval-d1", Approved())).step.state
    assert play.bot.reduce(running, HumanAnswered("approval-d1", Denied())) == Step(running)
    returned = play(ToolReturned("d1", "ok")).step.state
    assert play.bot.reduce(returned, ToolReturned("d1", "ok")) == Step(returned)


def test_silence_is_neither_consent_nor_denial() -> None:
    play = Play().calls(DEPLOY)(TimePassed(80_000))
    assert play.step.commands == ()
    assert play.step.state.status == "waiting"
    play(TimePassed(6_400))
    assert isinstance(play.command, CallModel)
    assert "neither a yes nor a no" in play.told("d1")
    assert play.step.state.history[-3].type == "unanswered"
    late = play.bot.reduce(play.step.state, HumanAnswered("approval-d1", Approved()))
    assert late == Step(play.step.state)


# --- failures of tools --------------------------------------------------------------------------

TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/ops.py", line 3\n    post()\nValueError: no host'
ERRORS = {
    "short": ("ConnectionError", "refused", "deploy_backend failed (ConnectionError): refused"),
    "traceback": ("ValueError", TRACEBACK, "deploy_backend failed (ValueError): ValueError: no host"),
    "known shape": ("Auth", "bad key sk-proj-abcdefghijklmnop1234", "deploy_backend failed (Auth): bad key [redacted]"),
    "held value": ("Auth", "no hunter2hunter2 here", "deploy_backend failed (Auth): no [redacted] here"),
}


@pytest.mark.parametrize(("kind", "message", "told"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_is_one_line_with_tool_and_kind(kind: str, message: str, told: str) -> None:
    play = Play(DeployBot(secrets=["hunter2hunter2"])).calls(DEPLOY)
    play(HumanAnswered("approval-d1", Approved()), ToolFailed("d1", kind, message))
    assert play.told("d1") == told
    assert "hunter2" not in play.step.state.model_dump_json()


def test_an_error_stays_within_its_budget_and_is_marked_as_cut() -> None:
    play = Play().calls(TAGS)(ToolFailed("t1", "E" * 500, "x" * 5_000))
    assert len(play.told("t1")) <= 300
    assert play.told("t1").endswith("x...")


def test_after_a_time_out_the_outcome_is_unknown() -> None:
    play = Play().calls(TAGS)(ToolFailed("t1", "timeout", "no answer within 1 seconds"))
    assert play.told("t1").endswith("; its outcome is unknown: it may have taken effect")


def test_no_failed_call_is_run_again_without_the_model() -> None:
    assert isinstance(failing(Play(), 1).command, CallModel)


def test_three_failures_of_one_call_ask_a_human() -> None:
    play = failing(Play(), 2)
    assert isinstance(play.command, CallModel)
    failing(play, 1, first=3)
    assert isinstance(play.command, AskHuman)
    assert "list_git_tags failed (OSError): disk is gone" in play.command.text
    play(HumanAnswered("help-t3", Text("the disk is back")))
    assert isinstance(play.command, CallModel)
    assert "the disk is back" in play.window[-1].text
    assert isinstance(failing(play, 2, first=4).command, CallModel)
    assert isinstance(failing(play, 1, first=6).command, AskHuman)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (HumanAnswered("help-t3", Denied("give up")), "not to go on (give up)"),
        (TimePassed(86_400), "no human answered"),
    ],
)
def test_without_help_repeated_failures_stop_and_say_why(event: Event, why: str) -> None:
    play = failing(Play(), 3)(event)
    assert play.result["status"] == "stopped"
    assert why in play.result["message"]
    assert "disk is gone" in play.result["message"]


@pytest.mark.parametrize(
    "between",
    [
        (ModelReplied(calls=(ToolCall("list_git_tags", "{}", "ok"),)), ToolReturned("ok", [])),
        (
            ModelReplied(calls=(DEPLOY,)),
            HumanAnswered("approval-d1", Approved()),
            ToolFailed("d1", "OSError", "disk is gone"),
        ),
    ],
    ids=["a success", "another call"],
)
def test_what_lies_between_resets_the_count(between: tuple[Event, ...]) -> None:
    play = failing(failing(Play(), 2)(*between), 2, first=3)
    assert isinstance(play.command, CallModel)
    assert isinstance(failing(play, 1, first=5).command, AskHuman)


def test_equal_calls_of_one_reply_count_as_repeated() -> None:
    play = Play().calls(*(ToolCall("list_git_tags", "{}", f"t{n}") for n in range(10)))
    play(*(ToolFailed(f"t{n}", "OSError", "no") for n in range(3)))
    assert isinstance(play.command, AskHuman)


# --- failures of the model ------------------------------------------------------------------------


def test_a_model_that_does_not_answer_is_asked_again_with_back_off() -> None:
    play, waits = Play(), []
    for _ in range(3):
        play(ModelFailed(503, "overloaded"))
        assert isinstance(play.command, Wait)
        waits.append(play.command.seconds)
        play(TimePassed(play.command.seconds))
        assert isinstance(play.command, CallModel)
    assert waits == [0.25, 0.5, 1.0]
    play(ModelFailed(503, "overloaded"))
    assert play.result["status"] == "failed"
    assert "HTTP 503, attempts: 4" in play.result["message"]


def test_retry_after_is_honoured_in_full() -> None:
    play = Play()(ModelFailed(429, "slow down", 30.0))
    assert play.command == Wait(30.0)
    assert play(TimePassed(29.0)).step.commands == ()
    assert isinstance(play(TimePassed(1.0)).command, CallModel)


@pytest.mark.parametrize(
    "failure", [ModelFailed(401, "no such key"), ModelFailed(429, "come back tomorrow", 86_400.0)], ids=["401", "a day"]
)
def test_what_waiting_cannot_mend_ends_at_once(failure: ModelFailed) -> None:
    assert failure.message in Play()(failure).result["message"]


def test_a_reply_resets_the_attempts() -> None:
    play = Play()
    for number in range(5):
        play(ModelFailed(None, "reset"), TimePassed(9)).calls(ToolCall("list_git_tags", "{}", f"t{number}"))
        play(ToolReturned(f"t{number}", []))
    assert isinstance(play.command, CallModel)


# --- bounds ---------------------------------------------------------------------------------------


def endless(play: Play, reply: str) -> tuple[int, Any]:
    """How many model calls a model gets that never finishes, and the result."""
    requests = 0
    while not isinstance(play.command, Finish):
        requests += isinstance(play.command, CallModel)
        call = ToolCall("list_git_tags", "{}", f"t{requests}")
        play(ModelReplied(reply, (call,)) if isinstance(play.command, CallModel) else ToolReturned(call.id, ["v1"]))
    return requests, play.result


def test_a_model_that_never_finishes_is_stopped() -> None:
    requests, result = endless(Play(), "")
    assert requests == 20
    assert (result["status"], "20 model calls" in result["message"]) == ("stopped", True)


def test_the_token_budget_ends_the_run() -> None:
    requests, result = endless(Play(), "x" * 20_000)
    assert requests < 20
    assert (result["status"], "token budget" in result["message"]) == ("stopped", True)


def test_a_large_result_is_bounded_and_marked() -> None:
    play = Play().calls(TAGS)(ToolReturned("t1", "x" * 200_000))
    assert len(play.told("t1")) < 4_100
    assert play.told("t1").endswith("[truncated: the first 4000 of 200000 characters]")


# --- the context window ---------------------------------------------------------------------------


def test_parallel_calls_are_handled_in_turn_and_each_has_one_result() -> None:
    other = ToolCall("deploy_backend", STAGING, "d2")
    play = Play().calls(DEPLOY, ToolCall("nope", "{}", "n1"), TAGS, other)
    play(HumanAnswered("approval-d1", Denied("no")))
    assert play.command == CallTool(TAGS, {}, 1.0)
    play(ToolFailed("t1", "OSError", "gone"), HumanAnswered("approval-d2", Approved()), ToolReturned("d2", None))
    assert isinstance(play.command, CallModel)
    made = [c.id for m in play.window for c in m.calls]
    answered = [m.call_id for m in play.window if m.role == "tool"]
    assert sorted(made) == sorted(i for i in answered if i) == ["d1", "d2", "n1", "t1"]


def test_notes_come_after_the_results_of_a_reply() -> None:
    calls = [ToolCall("list_git_tags", "{}", f"t{n}") for n in range(4)]
    play = Play().calls(*calls)(*(ToolFailed(f"t{n}", "OSError", "no") for n in range(3)))
    play(HumanAnswered("help-t2", Approved()), ToolReturned("t3", []))
    assert [m.role for m in play.window][-6:] == ["assistant", "tool", "tool", "tool", "tool", "user"]


def test_repeated_and_missing_ids_become_distinct() -> None:
    play = Play().calls(TAGS, TAGS, ToolCall("list_git_tags", "{}", ""))
    assert [c.id for c in play.window[-1].calls] == ["t1", "t1-2", "call"]


ODD_VALUES = {
    "nothing": (None, "null"),
    "empty": ("", "(an empty result)"),
    "bytes": (b"\xff\xfeok", "\\xff\\xfeok"),
    "lone surrogate": ("a\ud800", "a\\ud800"),
    "not a number": (float("nan"), "nan"),
    "set": ({"b", "a"}, '["a", "b"]'),
    "object": (object(), "<object object>"),
    "malformed JSON": ('{"a": ', '{"a": '),
}


@pytest.mark.parametrize(("value", "told"), ODD_VALUES.values(), ids=ODD_VALUES.keys())
def test_any_value_becomes_plain_text_and_plain_data(value: Any, told: str) -> None:
    play = Play().calls(TAGS)(ToolReturned("t1", value))
    assert play.told("t1") == told
    assert State.model_validate_json(play.step.state.model_dump_json()) == play.step.state


def test_a_secret_in_the_request_is_never_shown() -> None:
    play = Play(trigger="use ghp_abcdefghijklmnopqrstuvwxyz0123456789")
    assert play.window[-1].text == "use [redacted]"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-Zm9vYmFyYmF6cXV4MTIz",
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-1234567890-abcdefgh",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJl",
        "Bearer abcdefghijklmnop",
        "postgres://app:s3cr3t@db/prod",
        "password=hunter2",
        '"api_key": "abcdef123456"',
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_known_shapes_are_redacted(secret: str) -> None:
    shown = text.redact(f"before {secret} after")
    assert text.REDACTED in shown
    assert not set(secret.replace(":", " ").split()[-1:]) & set(shown.split())


def test_ordinary_words_are_left_alone() -> None:
    ordinary = 'task-42 tokens: 15 of sk-8, {"marker": "m-1f2e3d"}, basic needs, v1.2.3'
    assert text.redact(ordinary, ["true"]) == ordinary


# --- state ----------------------------------------------------------------------------------------

STORY: tuple[Event, ...] = (
    ModelFailed(500, "oops", 0.5),
    TimePassed(0.5),
    ModelReplied("Looking.", (TAGS, ToolCall("nope", "{", "n1")), "calls"),
    ToolReturned("t1", {"tags": ["v1.2.3"]}),
    Interrupted("deploy of the host"),
    ModelReplied("", (DEPLOY,), "calls"),
    TimePassed(60),
    HumanAnswered("approval-d1", Approved()),
    ToolFailed("d1", "timeout", "no answer"),
    ModelReplied("It may be deployed."),
)


def test_folding_the_saved_events_gives_the_live_state_at_every_step() -> None:
    live, bot = Play(), DeployBot()
    replayed = bot.start(json.loads(json.dumps(TRIGGER)))
    for event in STORY:
        live(event)
        saved = event_from(json.loads(json.dumps(to_data(event))))
        replayed = bot.reduce(State.model_validate_json(replayed.state.model_dump_json()), saved)
        assert replayed == live.step
    assert live.step.state.status == "finished"


def test_the_next_command_is_known_from_the_state_alone() -> None:
    play = Play()
    for event in STORY:
        play(event)
        loaded = State.model_validate(play.step.state.model_dump(mode="json"))
        if play.step.commands:
            assert DeployBot().command(loaded) == play.command


def test_a_fork_does_not_touch_its_sibling() -> None:
    play = Play().calls(DEPLOY)
    before = play.step.state.model_dump_json()
    yes = play.bot.reduce(play.step.state, HumanAnswered("approval-d1", Approved()))
    no = play.bot.reduce(play.step.state, HumanAnswered("approval-d1", Denied()))
    assert play.step.state.model_dump_json() == before
    assert isinstance(yes.commands[0], CallTool)
    assert not any(isinstance(e, Told) for e in yes.state.history)
    assert isinstance(no.commands[0], CallModel)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"version": 3, "history": []},
        {"version": 2, "history": []},
        {"version": 2, "history": [{"type": "started", "trigger": "x"}]},
        {"version": 2, "history": [{"type": "started", "trigger": "x"}, {"type": "asked", "id": 5}]},
        {
            "version": 2,
            "history": [
                {"type": "started", "trigger": "x"},
                {"type": "requested", "tokens": 1},
                {"type": "returned", "call_id": "never", "value": 1},
            ],
        },
    ],
)
def test_a_state_that_hangs_together_badly_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        State.model_validate(broken)


def test_a_state_of_version_1_goes_on() -> None:
    kept = Path(reducer.__file__).parent / "snapshots" / "state-v1.json"
    state = State.model_validate_json(kept.read_text())
    step = DeployBot().reduce(state, HumanAnswered("approval-call_2", Approved()))
    assert isinstance(step.commands[0], CallTool)
    assert step.state.version == 2


def test_the_reducer_imports_no_client() -> None:
    code = "import sys, agentcheck.fixtures.deploybot.reducer; print({'openai', 'httpx', 'sqlite3'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
