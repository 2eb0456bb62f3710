"""`--agentcheck-record`: what is asked of the live model, what becomes of the recording, and replay that cannot lie."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from provider import KEY, PLAIN_KEY, Provider, serving

from agentcheck.cassette import Cassette
from agentcheck.config import Config, load
from agentcheck.finding import HarnessError
from agentcheck.lab import Lab
from agentcheck.recording import renew
from agentcheck.wire import WireReply, WireRequest

AGENT = """
import json
from openai import OpenAI

client = OpenAI(max_retries=0)
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look.", "parameters":
    {"type": "object", "properties": {"where": {"type": "string", "description": "Where."}}, "required": ["where"]}}}]


def look(where: str) -> str:
    raise AssertionError("the real tool ran")


def ask(messages, stream=False):
    made = client.chat.completions.create(model="m", messages=messages, tools=TOOLS, stream=stream)
    if not stream:
        return made.choices[0].message
    deltas = [chunk.choices[0].delta for chunk in made if chunk.choices]
    return "".join(delta.content or "" for delta in deltas)


def run(task):
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": str(task)}]
    said = ask(messages)
    messages.append(said.model_dump(exclude_none=True))
    for call in said.tool_calls:
        result = look(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return ask(messages, stream=True)


PROMPT = "You look around."
"""
SCENARIO = {"trigger": "what is there?", "tools": {"look": {"returns": ["a door"]}}, "cassette": "run.jsonl"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with serving() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server


def project(folder: Path, code: str = "", **scenario: Any) -> Config:
    (folder / "my_agent.py").write_text(AGENT + dedent(code), encoding="utf-8")
    return load(folder, target="my_agent:run", scenario={**SCENARIO, **scenario})


def replayed(config: Config, folder: Path) -> tuple[Any, list[str]]:
    """The undisturbed run by the recording alone, and the notes on the target."""
    with Lab(config, rootdir=folder, reports=folder / "reports") as lab:
        return lab.happy(), lab.describe()["assumptions"]


def bodies(path: Path) -> list[dict[str, Any]]:
    return [json.loads(exchange.request.body) for exchange in Cassette.read(path).exchanges]


# --- the modes -------------------------------------------------------------------------


def test_new_records_a_run_that_is_then_replayed(provider: Provider, tmp_path: Path) -> None:
    config = project(tmp_path)
    assert renew("new", config, tmp_path) == "run.jsonl: 2 exchanges recorded, 0 replayed"
    assert [key for _, key, _ in provider.asked] == [f"Bearer {KEY}"] * 2
    assert os.environ["OPENAI_API_KEY"] == KEY
    cassette = Cassette.read(tmp_path / "run.jsonl")
    streamed = cassette.exchanges[1]
    assert len(streamed.times) == len(streamed.reply.chunks) > 2
    assert list(streamed.times) == sorted(streamed.times)
    assert [body for _, _, body in provider.asked] == bodies(cassette.path)
    assert cassette.provenance["agent"] == "my_agent:run"
    run, notes = replayed(config, tmp_path)
    assert run.finished["result"] == "The end."
    assert notes == []
    assert len(provider.asked) == 2


@pytest.mark.parametrize("key", [KEY, PLAIN_KEY])
def test_no_real_key_is_written_anywhere(
    key: str, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    code = 'import os; PROMPT = "The key is " + os.environ["OPENAI_API_KEY"]'
    renew("new", project(tmp_path, code), tmp_path)
    assert key in provider.asked[0][2]["messages"][0]["content"]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path
    assert "removed]" in bodies(tmp_path / "run.jsonl")[0]["messages"][0]["content"]


def test_new_asks_for_what_is_missing_and_adds_it(provider: Provider, tmp_path: Path) -> None:
    config = project(tmp_path)
    renew("new", config, tmp_path)
    path = tmp_path / "run.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b'{"request"') + 40])  # the last line is torn
    said = renew("new", config, tmp_path)
    assert said.startswith("run.jsonl: 1 exchange recorded, 1 replayed; ")
    assert "were moved to" in said
    assert len(provider.asked) == 3
    assert [body.get("stream") for body in bodies(path)] == [False, True]
    assert renew("new", config, tmp_path) == "run.jsonl: 0 exchanges recorded, 2 replayed"
    assert len(provider.asked) == 3


def test_new_keeps_what_nobody_asks_for_and_changed_drops_it(provider: Provider, tmp_path: Path) -> None:
    renew("new", project(tmp_path), tmp_path)
    config = project(tmp_path, 'PROMPT = "You look around carefully."')
    assert renew("new", config, tmp_path) == "run.jsonl: 2 exchanges recorded, 0 replayed"
    run, notes = replayed(config, tmp_path)
    assert run.reach("probe", name="unused_recordings")["value"]["count"] == 2
    assert len(notes) == 1
    assert notes[0].startswith(
        "no request asked for 2 of the 4 exchanges in run.jsonl (the first is number 1, POST /v1/"
    )
    assert "--agentcheck-record=changed" in notes[0]
    said = renew("changed", config, tmp_path)
    assert said == "run.jsonl: 0 exchanges recorded, 2 replayed, 2 dropped that no request asked for"
    assert {body["messages"][0]["content"] for body in bodies(tmp_path / "run.jsonl")} == {"You look around carefully."}
    assert replayed(config, tmp_path)[1] == []


def test_changed_drops_nothing_after_a_run_that_ended_badly(provider: Provider, tmp_path: Path) -> None:
    renew("new", project(tmp_path), tmp_path)
    failing = project(
        tmp_path, 'PROMPT = "Other."\ndef run(task):\n    ask([{"role": "user", "content": "x"}])\n    1/0'
    )
    said = renew("changed", failing, tmp_path)
    assert said == "run.jsonl: 1 exchange recorded, 0 replayed, none dropped, since the run ended as 'failed'"
    assert len(bodies(tmp_path / "run.jsonl")) == 3


def test_all_records_anew_and_replaces_the_old_one(provider: Provider, tmp_path: Path) -> None:
    config = project(tmp_path)
    renew("new", config, tmp_path)
    before = (tmp_path / "run.jsonl").stat().st_ino
    assert renew("all", config, tmp_path) == "run.jsonl: 2 exchanges recorded anew"
    assert len(provider.asked) == 4
    assert (tmp_path / "run.jsonl").stat().st_ino != before
    assert not (tmp_path / "run.jsonl.part").exists()
    assert replayed(config, tmp_path)[0].status == "finished"


@pytest.mark.parametrize("mode", ["new", "changed", "all"])
def test_a_model_that_breaks_off_costs_nothing_that_was_recorded(mode: str, provider: Provider, tmp_path: Path) -> None:
    renew("new", project(tmp_path), tmp_path)
    before = (tmp_path / "run.jsonl").read_bytes()
    provider.refuses = "a door"
    with pytest.raises(HarnessError, match="gave no whole reply") as caught:
        renew(mode, project(tmp_path, 'PROMPT = "Other."'), tmp_path)
    after = (tmp_path / "run.jsonl").read_bytes()
    assert after.startswith(before)
    if mode == "all":
        assert after == before
        assert "run.jsonl is as it was, and" in caught.value.message
        assert len(bodies(tmp_path / "run.jsonl.part")) == 1
    else:
        assert len(bodies(tmp_path / "run.jsonl")) == 3
        assert "holds 3 exchanges" in caught.value.message


# --- what cannot be recorded -----------------------------------------------------------


def test_a_refused_key_is_named_and_not_recorded(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(HarnessError, match=r"refused the key \(status 401\): put the real one into the environment"):
        renew("new", project(tmp_path), tmp_path)
    assert bodies(tmp_path / "run.jsonl") == []
    assert "planted" in provider.asked[0][1]


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ({"cassette": None}, r'write cassette = "run\.jsonl" in the scenario'),
        ({"cassette": "run.yaml"}, r"first run: agentcheck cassette convert \S*run\.yaml \S*run\.jsonl"),
        ({"model": [{"finish": "x"}]}, "names both decisions and a recording"),
    ],
)
def test_what_there_is_to_mend_first_is_one_sentence(scenario: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = {k: v for k, v in {**SCENARIO, **scenario}.items() if v is not None}
    (tmp_path / "my_agent.py").write_text(AGENT)
    with pytest.raises(HarnessError, match=said) as caught:
        renew("new", load(tmp_path, target="my_agent:run", scenario=given), tmp_path)
    assert "\n" not in caught.value.message
    assert not (tmp_path / "run.jsonl").exists()


def test_only_models_are_asked_while_recording(provider: Provider, tmp_path: Path) -> None:
    code = f"""
    inner = run
    def run(task):
        import urllib.request
        try:
            urllib.request.urlopen({provider.base.removesuffix("/v1")!r} + "/deploy", b"now")
        except OSError:
            pass
        return inner(task)
    """
    renew("new", project(tmp_path, code), tmp_path)
    assert provider.paths == ["/chat/completions", "/chat/completions"]


# --- beside the model's calls ----------------------------------------------------------

EMBEDDING = """
inner = run
WORDS = "north"
def run(task):
    try:
        client.embeddings.create(model="e", input=WORDS, encoding_format="float")
    except Exception:
        pass
    return inner(task)
"""


def test_embeddings_are_recorded_and_replayed(provider: Provider, tmp_path: Path) -> None:
    config = project(tmp_path, EMBEDDING)
    assert renew("new", config, tmp_path) == "run.jsonl: 3 exchanges recorded, 0 replayed"
    run, notes = replayed(config, tmp_path)
    assert (run.status, notes, len(run.of("probe", name="replayed"))) == ("finished", [], 1)
    assert provider.paths == ["/embeddings", "/chat/completions", "/chat/completions"]


def test_an_embedding_that_was_not_recorded_fails_the_run_though_the_agent_swallows_it(
    provider: Provider, tmp_path: Path
) -> None:
    renew("new", project(tmp_path, EMBEDDING), tmp_path)
    with pytest.raises(
        HarnessError, match=r"no reply to POST /v1/embeddings; .*\n  input: recorded \"north\", now"
    ) as e:
        replayed(project(tmp_path, EMBEDDING.replace('"north"', '"south"')), tmp_path)
    assert len(e.value.trace.of("miss")) == 1


# --- replay that cannot lie ------------------------------------------------------------

SWALLOWING = {
    "sync": """
    def run(task):
        for words in ("known", "unknown"):
            try:
                ask([{"role": "user", "content": words}])
            except BaseException:
                pass
        return "all is well"
    """,
    "async": """
    import asyncio
    from openai import AsyncOpenAI

    async def run(task):
        several = AsyncOpenAI()
        async def one(words):
            messages = [{"role": "user", "content": words}]
            return await several.chat.completions.create(model="m", messages=messages, tools=TOOLS, stream=False)
        await asyncio.gather(one("known"), one("unknown"), return_exceptions=True)
        return "all is well"
    """,
    "threads": """
    import threading
    def run(task):
        def one(words):
            try:
                ask([{"role": "user", "content": words}])
            except BaseException:
                pass
        threads = [threading.Thread(target=one, args=(w,)) for w in ("known", *["unknown"] * 7)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        return "all is well"
    """,
}


@pytest.mark.parametrize("how", SWALLOWING)
def test_a_miss_fails_the_run_though_the_agent_swallows_everything(how: str, tmp_path: Path) -> None:
    config = project(tmp_path, SWALLOWING[how])
    text = AGENT[AGENT.index("TOOLS = ") + 8 : AGENT.index("\n\n\ndef look")]
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "known"}],
        "tools": json.loads(text),
        "stream": False,
    }
    said = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}'
    with Cassette.create(tmp_path / "run.jsonl", provenance={}) as cassette:
        cassette.append(
            WireRequest("POST", "https://api.openai.com/v1/chat/completions", {}, json.dumps(body).encode()),
            WireReply(200, {"content-type": "application/json"}, (said,)),
        )
    with pytest.raises(HarnessError) as caught:
        replayed(config, tmp_path)
    assert 'messages[0].content: recorded "known", now "unknown"' in caught.value.message
    run = caught.value.trace
    assert run.reach("miss")["reason"].startswith(
        "the nearest recorded request is number 1 (POST /v1/chat/completions)"
    )
    assert run.first("finished") is None or run.finished["result"] != "all is well"


# --- in a session of pytest ------------------------------------------------------------


@pytest.fixture
def session(pytester: pytest.Pytester, provider: Provider) -> pytest.Pytester:
    project(pytester.path)
    scenario = 'trigger = "what is there?"\ncassette = "run.jsonl"\n[tools.look]\nreturns = ["a door"]\n'
    pytester.path.joinpath("scenario.toml").write_text(scenario)
    pytester.path.joinpath("agentcheck.toml").write_text('target = "my_agent:run"\nscenario = "scenario.toml"\n')
    return pytester


ONE = ("--agentcheck-only", "--agentcheck-check=F02-prompt-is-stable", "-p", "no:cacheprovider")


def test_a_session_records_first_and_then_judges_by_the_recording(session: pytest.Pytester, provider: Provider) -> None:
    result = session.runpytest_subprocess(*ONE, "--agentcheck-record=new")
    result.stdout.fnmatch_lines(["*run.jsonl: 2 exchanges recorded, 0 replayed*"])
    assert result.ret == 0
    assert len(provider.asked) == 2
    report = json.loads((session.path / "reports/my_agent/agentcheck.json").read_text())
    assert report["assumptions"] == ["run.jsonl: 2 exchanges recorded, 0 replayed"]
    result = session.runpytest_subprocess(*ONE)
    assert result.ret == 0
    assert len(provider.asked) == 2


def test_a_session_cannot_record_without_a_model(session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    result = session.runpytest_subprocess(*ONE, "--agentcheck-record=all")
    result.stdout.fnmatch_lines(["*the model at http://127.0.0.1:9/v1/chat/completions gave no whole reply*"])
    assert result.ret != 0
    assert not (session.path / "run.jsonl").exists()


@pytest.mark.parametrize("words", [("-n2",), ("--dist=load", "--tx=2*popen")])
def test_workers_do_not_record(words: tuple[str, ...], session: pytest.Pytester, provider: Provider) -> None:
    result = session.runpytest_subprocess(*ONE, *words, "--agentcheck-record=new")
    result.stderr.fnmatch_lines(["*--agentcheck-record=new records in one process only: record with -n0*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert provider.asked == []


def test_a_mode_that_does_not_exist_is_refused(session: pytest.Pytester) -> None:
    result = session.runpytest_subprocess(*ONE, "--agentcheck-record=once")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--agentcheck-record*invalid choice: 'once'*"])
