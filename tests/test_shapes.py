"""Agents of every shape that people write: what they receive, where their tools live, how they decide."""

import importlib.util

import pytest
from agents import lab_of, written

from agentcheck.faults import Http, Raises, Reset, TimesOut, ToolFails
from agentcheck.finding import Untestable
from agentcheck.scenario import Call, Turn
from agentcheck.stage.bind import CannotBind, innermost
from agentcheck.trace import Trace

CLIENT = """
import asyncio, functools, json
from dataclasses import dataclass
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

client = OpenAI()
SCHEMA = {"type": "object", "properties": {"where": {"type": "string"}}, "required": ["where"]}
OFFERED = [{"type": "function", "function": {"name": "peek", "description": "Peek.", "parameters": SCHEMA}}]


def drive(task, call, complete=client.chat.completions.create):
    messages = [{"role": "user", "content": str(task)}]
    for _ in range(5):
        said = complete(model="m", messages=messages, tools=OFFERED).choices[0].message
        messages.append(said.model_dump(exclude_none=True))
        if not said.tool_calls:
            return said.content
        for one in said.tool_calls:
            result = call(one.function.name, json.loads(one.function.arguments))
            messages.append({"role": "tool", "tool_call_id": one.id, "content": json.dumps(result)})
"""
SHAPES = {
    "a global": """
def peek(where: str) -> str: raise AssertionError("real")
def run(task): return drive(task, lambda name, arguments: globals()[name](**arguments))
""",
    "a table with another function name": """
def look_there(where: str) -> dict: raise AssertionError("real")
TOOLS = {"peek": look_there}
def run(task): return drive(task, lambda name, arguments: TOOLS[name](**arguments))
""",
    "a class": """
class Tools:
    def peek(self, where: str) -> list[str]: raise AssertionError("real")
tools = Tools()
def run(task): return drive(task, lambda name, arguments: getattr(tools, name)(**arguments))
""",
    "an instance behind a bound method": """
class Agent:
    def __init__(self): self.tools = {"peek": self._peek}
    def _peek(self, where: str) -> str: raise AssertionError("real")
    def __call__(self, task): return drive(task, lambda name, arguments: self.tools[name](**arguments))
run = Agent()
""",
    "a decorator with a registry": """
REGISTRY = {}
def tool(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs): return {"result": function(*args, **kwargs)}
    REGISTRY[function.__name__] = wrapper
    return wrapper
@tool
def peek(where: str) -> str: raise AssertionError("real")
def run(task): return drive(task, lambda name, arguments: REGISTRY[name](**arguments))
""",
    "a tool object": """
@dataclass
class Tool:
    name: str
    func: object
    def invoke(self, arguments): return self.func(**arguments)
def _peek(where: str) -> str: raise AssertionError("real")
ALL = [Tool("peek", _peek)]
def run(task): return drive(task, lambda name, arguments: next(t for t in ALL if t.name == name).invoke(arguments))
""",
    "a closure": """
def build():
    secret = "x"
    def peek(where: str) -> str: raise AssertionError(secret)
    table = {"peek": peek}
    def run(task): return drive(task, lambda name, arguments: table[name](**arguments))
    return run
run = build()
""",
    "async": """
aclient = AsyncOpenAI()
async def peek(where: str) -> str: raise AssertionError("real")
async def run(task):
    messages = [{"role": "user", "content": task}]
    while True:
        said = (await aclient.chat.completions.create(model="m", messages=messages, tools=OFFERED)).choices[0].message
        messages.append(said.model_dump(exclude_none=True))
        if not said.tool_calls:
            return said.content
        results = await asyncio.gather(*(peek(**json.loads(c.function.arguments)) for c in said.tool_calls))
        messages += [{"role": "tool", "tool_call_id": c.id, "content": r} for c, r in zip(said.tool_calls, results)]
""",
    "streamed": """
def peek(where: str) -> str: raise AssertionError("real")
def run(task):
    messages = [{"role": "user", "content": task}]
    while True:
        text, calls = "", {}
        for chunk in client.chat.completions.create(model="m", messages=messages, tools=OFFERED, stream=True):
            delta = chunk.choices[0].delta if chunk.choices else None
            if delta is None: continue
            text += delta.content or ""
            for part in delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = part.id or call["id"]
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
        if not calls:
            return text
        functions = [{"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
            for c in calls.values()]
        messages.append({"role": "assistant", "content": text, "tool_calls": functions})
        for c in calls.values():
            messages.append({"role": "tool", "tool_call_id": c["id"], "content": peek(**json.loads(c["arguments"]))})
""",
    "decisions as JSON in the content": """
from typing import Literal, Union
class Peek(BaseModel):
    intent: Literal["peek"]
    where: str
class Done(BaseModel):
    intent: Literal["done"]
    answer: str
class Decision(BaseModel):
    next: Union[Peek, Done]
def peek(where: str) -> str: raise AssertionError("real")
def run(task):
    messages = [{"role": "user", "content": task}]
    for _ in range(5):
        reply = client.beta.chat.completions.parse(model="m", messages=messages, response_format=Decision)
        said = reply.choices[0].message
        decided = said.parsed.next
        messages.append({"role": "assistant", "content": said.content})
        if decided.intent == "done":
            return decided.answer
        messages.append({"role": "user", "content": "result: " + peek(decided.where)})
""",
}


@pytest.mark.parametrize("code", SHAPES.values(), ids=SHAPES)
def test_the_tool_is_bound_called_and_its_result_heard(tmp_path, code):
    written(tmp_path, CLIENT + code)
    with lab_of(tmp_path) as lab:
        run = lab.happy()
        returned = run.reach("tool_returned", tool="peek")
        following = run.next_request(returned)
    assert run.status == "finished", run.finished
    assert following is not None
    assert lab.marker("peek-1") in following.request.text()
    assert lab.tool == "peek"


TASKS = {
    "text": ("def run(task: str): return drive(task.upper(), None)", "PLEASE DO THE JOB"),
    "a dict": ("def run(task: dict): return drive(task['task'], None)", "Please do the job"),
    "a model": (
        "class Job(BaseModel):\n    city: str\n    days: int = 3\ndef run(job: Job): return drive(job.city, None)",
        "Please do the job",
    ),
    "nothing": ("def run(): return drive('by itself', None)", "by itself"),
    "an optional one": ("def run(task='x', *, deep=False): return drive(task, None)", "Please do the job"),
    "a keyword": ("def run(*, task): return drive(task, None)", "Please do the job"),
}


@pytest.mark.parametrize(("code", "heard"), TASKS.values(), ids=TASKS)
def test_a_task_comes_in_the_form_that_the_signature_asks_for(tmp_path, code, heard):
    written(tmp_path, CLIENT.replace("tools=OFFERED", "tools=[]") + code)
    with lab_of(tmp_path) as lab:
        assert heard in lab.happy().requests()[0].request.text()


def test_several_parameters_come_from_the_trigger_of_the_scenario(tmp_path):
    written(tmp_path, CLIENT + "def run(task, user): return drive(f'{task} for {user}', None)")
    (tmp_path / "job.toml").write_text('trigger = {task = "pack", user = "Ada"}\n[[model]]\nfinish = "ok"\n')
    with lab_of(tmp_path, scenario="job.toml") as lab:
        assert "pack for Ada" in lab.happy().requests()[0].request.text()


def test_a_tool_that_handles_its_own_errors_wants_a_place_beneath(tmp_path):
    code = """
def fetch(where): raise AssertionError("real")
def peek(where: str) -> str:
    try:
        return fetch(where)
    except OSError as error:
        return f"peek failed: {error}"
def run(task): return drive(task, lambda name, arguments: peek(**arguments))
"""
    written(tmp_path, CLIENT + code)
    with lab_of(tmp_path) as lab, pytest.raises(Untestable) as caught:
        lab.run(faults=ToolFails("peek", Raises("no route")))
    assert 'inject = "module:function"' in caught.value.mend
    declared = {"tools": {"peek": {"bind": "my_agent:peek", "inject": "my_agent:fetch"}}}
    with lab_of(tmp_path, **declared) as lab:
        run = lab.run(faults=ToolFails("peek", Raises("no route", "OSError")))
        assert run.of("fault_fired")
        assert "peek failed: no route" in run.requests()[-1].request.text()


def test_a_tool_without_a_known_result_is_not_called(tmp_path):
    written(tmp_path, CLIENT + "def peek(where): ...\ndef run(task): return drive(task, None)")
    with lab_of(tmp_path) as lab:
        assert not lab.happy().of("tool_called")
        with pytest.raises(Untestable) as caught:
            _ = lab.tool
    assert 'peek = {returns = "…"}' in caught.value.mend


def test_a_decision_that_names_two_tools_calls_both(tmp_path):
    written(tmp_path, CLIENT + SHAPES["a global"])
    with lab_of(tmp_path) as lab:
        both = Turn(calls=(Call("peek", {"where": "a"}), Call("peek", {"where": "b"})))
        run = lab.run(both)
    assert [e["arguments"] for e in run.of("tool_called")] == [{"where": "a"}, {"where": "b"}]
    assert len({e["wire"] for e in run.of("tool_called")}) == 2


def test_decisions_of_a_scenario_never_make_an_unbound_tool_run(tmp_path):
    code = """
def really_peek(**arguments): open("/nowhere/it-ran", "w")
def run(task): return drive(task, lambda name, arguments: really_peek(**arguments))
"""
    written(tmp_path, CLIENT + code)
    (tmp_path / "job.toml").write_text('[[model]]\ncall = "peek"\narguments = {where = "x"}\n')
    with lab_of(tmp_path, scenario="job.toml") as lab, pytest.raises(Untestable) as caught:
        lab.happy()
    assert "peek, which may not run: no function of this name" in caught.value.message
    assert not [e for e in Trace.read(next((tmp_path / "reports" / "traces").glob("*.jsonl"))) if e.type == "refused"]


def test_threads_that_the_target_starts_at_import_are_there_in_every_run(tmp_path):
    code = """
import queue, threading
jobs, results = queue.Queue(), queue.Queue()
def peek(where: str) -> str: raise AssertionError("real")
def work():
    while True:
        results.put(peek(**jobs.get()))
threading.Thread(target=work, daemon=True).start()
def call(name, arguments):
    jobs.put(arguments)
    return results.get(timeout=20)
def run(task): return drive(task, call)
"""
    written(tmp_path, CLIENT + code)
    with lab_of(tmp_path) as lab:
        for run in (lab.happy(), lab.run(lab.call(), lab.call())):
            assert run.status == "finished"
            assert run.of("tool_returned", tool="peek")


@pytest.mark.parametrize(
    ("how", "heard"),
    [(Http(503, "over quota"), "503: over quota"), (Reset(), "no connection"), (TimesOut(), "too late")],
    ids=str,
)
def test_failures_enter_through_the_http_traffic_of_a_tool(tmp_path, how, heard):
    code = """
import requests
def peek(where: str) -> str:
    try:
        answer = requests.get(f"https://rooms.example/{where}", timeout=3)
    except (requests.Timeout, TimeoutError):
        return "too late"
    except (requests.ConnectionError, OSError):
        return "no connection"
    return answer.text if answer.ok else f"{answer.status_code}: {answer.text}"
def run(task): return drive(task, lambda name, arguments: peek(**arguments))
"""
    written(tmp_path, CLIENT + code)
    with lab_of(tmp_path, tools={"peek": {"inject": "http"}}) as lab:
        run = lab.run(faults=ToolFails("peek", how))
        assert run.of("fault_fired")
        assert heard in run.requests()[-1].request.text()


def test_an_installed_class_is_not_replaced_for_one_of_its_objects(tmp_path):
    """All tools of such a package go through its one way to call them: one stub would stand for every tool."""
    installed = tmp_path / "env" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "toolkit.py").write_text("class Tool:\n    def __call__(self, **given): return str(given)\n")
    spec = importlib.util.spec_from_file_location("toolkit", installed / "toolkit.py")
    toolkit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toolkit)
    with pytest.raises(CannotBind, match=r"toolkit\.Tool holds no Python function that can be replaced"):
        innermost(toolkit.Tool())
