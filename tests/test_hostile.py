"""An agent under test may do anything: the harness stays up, ends what it started, and says what happened."""

import io
import json
import os
from pathlib import Path

import psutil
import pytest
from agents import lab_of, written
from vcr.request import Request

from agentcheck import catalog, process
from agentcheck.finding import HarnessError, NotReached, Undecided, Untestable
from agentcheck.stage.intercept import sent_bytes
from agentcheck.trace import Trace

FAST = {"limits": {"seconds": 2.0}}


def problem(folder: Path, code: str, **declared: object) -> Undecided:
    """How the first run of this agent is refused."""
    written(folder, code)
    with lab_of(folder, **{**FAST, **declared}) as lab, pytest.raises(Undecided) as caught:
        lab.happy()
    assert left_over(lab.stages.folder) == []
    return caught.value


def left_over(folder: Path) -> list[str]:
    """Command lines of processes that still stand in the lab's folders."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.pid != os.getpid() and one.cwd().startswith(str(folder)):
                found.append(" ".join(one.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("nowhere:run", "there is no module 'nowhere'"),
        ("my_agnet:run", "did you mean 'my_agent'?"),
        ("halved:run", "importing it raised SyntaxError: invalid syntax (halved.py, line 1)"),
        ("unset:run", '(at unset.py:1); give it in the configuration: environment = {NO_SUCH_SETTING = "…"}'),
        ("classy:Agent", "as in agent = Agent(…), and name its method, as in classy:agent.ask"),
        ("classy:Agent.ask", "is a method, which cannot be run alone: make an object, as in agent = Agent(…)"),
        ("my_agent:walk", "my_agent has no 'walk'; it has "),
        ("my_agent:TOOLS", "is a list, which cannot be run; name a function"),
        ("broken:run", "importing it raised ZeroDivisionError: division by zero (at broken.py:1)"),
        ("needy:run", "install 'no_such_package'"),
        ("leaver:run", "with exit status 3"),
        ("quitter:run", "importing it raised SystemExit"),
    ],
)
def test_a_target_that_cannot_be_loaded_gets_one_sentence(tmp_path, target, sentence):
    written(tmp_path, "def run(task): ...")
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "halved.py").write_text("def = 1")
    (tmp_path / "unset.py").write_text("import os; os.environ['NO_SUCH_SETTING']")
    (tmp_path / "classy.py").write_text("class Agent:\n    def ask(self, task): ...")
    (tmp_path / "needy.py").write_text("import no_such_package")
    (tmp_path / "leaver.py").write_text("import os; os._exit(3)")
    (tmp_path / "quitter.py").write_text("import sys; sys.exit(2)")
    with pytest.raises(HarnessError) as caught:
        lab_of(tmp_path, target)
    assert sentence in caught.value.message
    assert "\n" not in caught.value.message
    assert "stage-1" not in caught.value.message


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"target": None, "host": "my_agent:run"}, "my_agent:run has no `launch`, so it is no host; "),
        ({"target": None, "reducer": "my_agent:run"}, "my_agent:run has no `start`, so it is no reducer; "),
        ({"target": None, "run": "my_agent:TOOLS"}, "my_agent:TOOLS cannot be called; "),
        ({"target": None, "recordings": ["run.jsonl"]}, "recordings alone are not judged: name the agent"),
        ({"approve": "my_agent:conform"}, "my_agent:conform: my_agent has no 'conform'; it has "),
        ({"guard": "my_guard:ask"}, "my_guard:ask: there is no module 'my_guard' in "),
        ({"channels": {"slack": "my_agent:slack"}}, "my_agent:slack: my_agent has no 'slack'; it has "),
        ({"python": "/no/such/python"}, "python = '/no/such/python' cannot be started: No such file or directory"),
    ],
)
def test_a_part_that_is_not_what_it_is_declared_to_be_gets_one_sentence(tmp_path, declared, sentence):
    written(tmp_path, "def run(task): ...")
    with pytest.raises(HarnessError) as caught:
        lab_of(tmp_path, **{"target": "my_agent:run", **declared})
    assert caught.value.message.startswith(sentence)
    assert "\n" not in caught.value.message


def test_a_tool_that_is_named_and_never_offered_is_told(tmp_path):
    written(tmp_path, "def run(task): return loop(task)")
    with lab_of(tmp_path, high_stakes=["lock"], scenario={"trigger": "look", "human": [{"text": "Yes."}]}) as lab:
        assert lab.describe()["assumptions"] == []
        lab.happy()
        (note,) = lab.describe()["assumptions"]
    assert note == "'lock' of high_stakes was never offered to the model as a tool (did you mean 'look'?)"


def test_an_import_that_never_ends_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "START_SECONDS", 1.0)
    (tmp_path / "slow.py").write_text("import threading; threading.Event().wait()")
    with pytest.raises(HarnessError, match="importing it took more than 1 s"):
        lab_of(tmp_path, "slow:run")


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        (
            "def run(task): raise ValueError('no job')",
            HarnessError,
            "raised ValueError before it called the model: no job",
        ),
        ("def run(task): import threading; threading.Event().wait()", HarnessError, "ran for 2 s without calling"),
        (
            "def run(task): raise ValueError('no job\\nat all')",
            HarnessError,
            "before it called the model: no job at all",
        ),
        (
            "import pydantic\nclass Task(pydantic.BaseModel): at: pydantic.FutureDate\ndef run(task: Task): ask([])",
            HarnessError,
            "my_agent.run: the trigger makes no Task: at: ",
        ),
        (
            "def run(task): urllib.request.urlopen('http://localhost:9/v1/complete', b'{}')",
            Untestable,
            "speaks Anthropic's legacy Completions format (POST http://localhost:9/v1/complete), which agentcheck ",
        ),
        (
            "def run(task):\n    try: urllib.request.urlopen('http://localhost:9/v1/completions', b'{}')\n"
            "    except OSError: return 'Sorry.'",
            Untestable,
            "speaks OpenAI's legacy Completions format",
        ),
        ("def run(task): json.loads('{')", HarnessError, "(my_agent.py:"),
        ("def run(task): import os; os._exit(5)", HarnessError, "ended its process (exit status 5)"),
        ("def run(task): import sys; sys.exit(4)", HarnessError, "raised SystemExit"),
        ("def run(task): return 'done'", NotReached, "finished without calling a model"),
        ("def run(task): import os; os.abort()", HarnessError, "signal 6"),
        ("async def work(): ask([])\ndef run(task): work(); return 1", HarnessError, "never awaits its own work"),
        ("def run(task): bytearray(10**12)", HarnessError, "raised MemoryError"),
        ("def run(task): import os; os.closerange(3, 4096); ask([])", HarnessError, "lost its connection"),
        ("def run(task, user, city): ask([])", HarnessError, 'give them in the scenario: trigger = {task = "…"'),
        (
            "def run(task): urllib.request.urlopen('http://example.com/v1/embeddings', b'{}')",
            HarnessError,
            "example.com",
        ),
    ],
)
def test_a_run_that_never_reaches_the_model_gets_one_sentence(tmp_path, code, kind, sentence):
    refused = problem(tmp_path, code)
    assert isinstance(refused, kind)
    assert sentence in refused.message
    assert "\n" not in refused.message


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (None, b""),
        ("é", "é".encode()),
        (b"raw", b"raw"),
        ([b"in ", b"parts"], b"in parts"),
        (io.BytesIO(b"a file"), b"a file"),
        ({"messages": []}, b'{"messages": []}'),
        ([1], b"[1]"),
    ],
)
def test_a_body_is_what_would_have_gone_out(body, sent):
    assert sent_bytes(Request("POST", "http://localhost:9/", body, {}).body) == sent


NOISY = """
import sys, os
def run(task):
    sys.stdout.buffer.write(bytes(range(256)) * 1000)
    sys.stdout.flush()
    sys.stdout.close()
    os.close(1); os.close(2)
    return loop(task)
"""
HOMELESS = """
import shutil, os
def run(task):
    shutil.rmtree(os.getcwd(), ignore_errors=True)
    return loop(task)
"""


@pytest.mark.parametrize("code", [NOISY, HOMELESS], ids=["prints binary and closes stdout", "deletes its directory"])
def test_an_agent_may_make_a_mess_of_its_stage(tmp_path, code):
    written(tmp_path, code)
    with lab_of(tmp_path) as lab:
        run = lab.happy()
    assert run.status == "finished"
    assert run.of("tool_returned")
    assert (tmp_path / "my_agent.py").exists()


def test_an_agent_may_send_and_return_text_that_utf_8_cannot_hold(tmp_path):
    written(tmp_path, "def run(task): return loop('lone \\ud800, line\\u2028end') + '\\udfff'")
    with lab_of(tmp_path) as lab:
        run = lab.happy()
        found = lab.judge(catalog.find("F02-prompt-is-owned", catalog.load_all()))
    assert run.requests()[0].request.messages[1].text == "lone \ud800, line\u2028end"
    assert Trace.read(run.path).events == run.events
    assert json.dumps([found.message, found.evidence], ensure_ascii=False).encode()


def test_a_process_that_is_started_is_refused_and_named(tmp_path):
    written(
        tmp_path,
        """
        import subprocess
        def run(task):
            try:
                subprocess.Popen(["sleep", "60"])
            except OSError:
                pass
            return loop(task)
        """,
    )
    with lab_of(tmp_path) as lab:
        refused = lab.happy().of("refused", what="process")
    assert refused
    assert "sleep" in refused[0]["detail"]
    assert refused[0]["where"].startswith("my_agent.py:")


def test_children_behind_the_guards_back_are_ended_and_named(tmp_path):
    written(
        tmp_path,
        """
        import ctypes, time, os
        def run(task):
            if ctypes.CDLL(None).fork() == 0:
                os.setsid()
                time.sleep = None
                import threading
                threading.Event().wait()
            return loop(task)
        """,
    )
    with lab_of(tmp_path) as lab:
        run = lab.happy()
        assert run.of("probe", name="left_running")
        assert lab.run(machine=process.Machine()).status == "finished"
    assert left_over(lab.stages.folder) == []


def test_an_agent_that_kills_its_parent_does_not_stop_the_lab(tmp_path):
    written(
        tmp_path,
        """
        import os, signal
        def run(task):
            if "die" in str(task):
                os.kill(os.getppid(), signal.SIGKILL)
            return loop(task)
        """,
    )
    with lab_of(tmp_path) as lab:
        assert lab.run(triggers={"main": "die"}).of("probe", name="parent_gone")
        assert lab.run(triggers={"main": "live"}).status == "finished"
    assert left_over(lab.stages.folder) == []


@pytest.mark.parametrize(
    ("act", "what"),
    [
        ("open('/etc/agentcheck-was-here', 'w')", "write"),
        ("open(__file__, 'a')", "write"),
        ("__import__('os').remove(__file__)", "write"),
        ("__import__('socket').create_connection(('203.0.113.1', 80))", "connection"),
        ("__import__('socket').getaddrinfo('example.com', 80)", "connection"),
        ("__import__('os').system('true')", "process"),
    ],
)
def test_nothing_leaves_the_stage(tmp_path, act, what):
    written(
        tmp_path, f"def run(task):\n    try:\n        {act}\n    except OSError:\n        pass\n    return loop(task)\n"
    )
    with lab_of(tmp_path) as lab:
        run = lab.happy()
    assert [e["what"] for e in run.of("refused")] == [what]
    assert (tmp_path / "my_agent.py").exists()
    assert not Path("/etc/agentcheck-was-here").exists()


def test_relative_files_of_the_project_can_be_read(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "system.md").write_text("Be brief.")
    written(tmp_path, "def run(task): return ask([{'role': 'system', 'content': open('prompts/system.md').read()}])")
    with lab_of(tmp_path) as lab:
        run = lab.happy()
    assert run.requests()[0].request.messages[0].text == "Be brief."
    assert str(tmp_path / "prompts" / "system.md") in run.files


def test_the_environment_holds_no_real_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real-0123456789abcdef0123")
    monkeypatch.setenv("MY_SERVICE_TOKEN", "really-secret")
    written(tmp_path, "import os\ndef run(task): return ask([{'role': 'user', 'content': str(dict(os.environ))}])")
    with lab_of(tmp_path) as lab:
        said = lab.happy().requests()[0].request.text()
        planted = lab.planted
    assert "sk-real" not in said
    assert "really-secret" not in said
    assert planted["MY_SERVICE_TOKEN"] in said


def test_a_run_that_outlives_its_time_is_ended(tmp_path):
    written(tmp_path, "def run(task):\n    loop(task)\n    import threading; threading.Event().wait()")
    with lab_of(tmp_path, **FAST) as lab:
        assert lab.happy().status == "timeout"


def test_reports_that_cannot_be_written_get_one_sentence(tmp_path):
    written(tmp_path, "run = loop")
    (tmp_path / "reports").write_text("a file")
    with lab_of(tmp_path) as lab, pytest.raises(HarnessError, match="cannot be written"):
        lab.happy()


def test_an_unbound_tool_is_never_called_for(tmp_path):
    written(tmp_path, "look = None\nrun = loop")
    with lab_of(tmp_path) as lab:
        assert not lab.happy().of("tool_called")
        with pytest.raises(Untestable) as caught:
            _ = lab.tool
    assert caught.value.mend == '[tool.agentcheck.tools]\nlook = "module:function"'
