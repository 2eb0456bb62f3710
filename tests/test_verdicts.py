"""Verdicts on callables as people write them that were once false: passes that proved nothing, failures of ours."""

import pytest
from agents import lab_of, written

from agentcheck import catalog
from agentcheck.finding import Outcome

PROMPTED = """
def run(task):
    return loop({prompt})
"""
NEVER_CALLS = """
def run(task):
    return ask([{"role": "user", "content": str(task)}])["content"] or "nothing"
"""
NEVER_LISTENS = """
def run(task):
    for _ in range(3):
        ask([{"role": "user", "content": str(task)}])
    return "done"
"""
IGNORES_THE_NAME = """
def run(task):
    messages = [{"role": "user", "content": str(task)}]
    for _ in range(6):
        said = ask(messages)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            arguments = json.loads(call["function"]["arguments"])
            result = look(**arguments) if "where" in arguments else "no place is given"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""
BY_ID = """
def run(task):
    messages = [{"role": "user", "content": str(task)}]
    for _ in range(10):
        said = ask(messages)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        known = {call["id"]: call["function"]["arguments"] for call in said["tool_calls"]}
        for call in said["tool_calls"]:
            result = look(**json.loads(known[call["id"]]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""
TEXT_OR_OBJECT = """
def run(task):
    messages = [{"role": "user", "content": str(task)}]
    for _ in range(10):
        said = ask(messages)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            arguments = json.loads(call["function"]["arguments"])
            if isinstance(arguments, str):
                arguments = %s
            fits = isinstance(arguments, dict) and isinstance(arguments.get("where"), str)
            result = look(**arguments) if fits else "these arguments do not fit"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""
TAKES_TEXT = TEXT_OR_OBJECT % '{"where": arguments}'
OPENS_TEXT = TEXT_OR_OBJECT % "json.loads(arguments)"
SUMS_UP = """
def run(task):
    messages = [{"role": "user", "content": str(task)}]
    for _ in range(20):
        if len(messages) > 6:
            summary = ask([{"role": "user", "content": f"Sum this up: {messages}"}], tools=None)["content"]
            messages = [{"role": "user", "content": f"What was so far, in short: {summary}"}]
        said = ask(messages)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            try:
                result = look(**json.loads(call["function"]["arguments"]))
            except Exception as error:
                result = f"look failed: {error!r}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""
LEGACY = """
FUNCTIONS = [tool["function"] for tool in TOOLS]
def run(task):
    messages = [{"role": "user", "content": str(task)}]
    for _ in range(6):
        body = json.dumps({"model": "m", "messages": messages, "functions": FUNCTIONS}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request("http://localhost:9/v1/chat/completions", body, headers)
        with urllib.request.urlopen(request) as reply:
            said = json.load(reply)["choices"][0]["message"]
        messages.append(said)
        if not said.get("function_call"):
            return said["content"]
        result = look(**json.loads(said["function_call"]["arguments"]))
        messages.append({"role": "function", "name": "look", "content": result})
"""
MODULE_CLIENT = """
import openai
def run(task):
    asked = [{"role": "user", "content": str(task)}]
    return openai.chat.completions.create(model="m", messages=asked).choices[0].message.content
"""
NOW = "import datetime" + PROMPTED.format(prompt='f"It is {datetime.datetime.now()}."')
PLACE = "import os" + PROMPTED.format(prompt='f"You work in {os.getcwd()}."')
CHANCE = "import random" + PROMPTED.format(prompt='f"Example {random.random()}."')


@pytest.mark.parametrize(
    ("code", "check", "outcome", "says"),
    [
        (NOW, "F12-instances-hold-no-state", Outcome.PASS, ""),
        (PLACE, "F12-instances-hold-no-state", Outcome.PASS, ""),
        (PLACE, "F12-run-is-deterministic", Outcome.PASS, ""),
        (CHANCE, "F12-run-is-deterministic", Outcome.FAIL, "two processes"),
        (CHANCE, "F12-instances-hold-no-state", Outcome.UNTESTABLE, "follows from F12-run-is-deterministic"),
        (NEVER_CALLS, "F04-catalog-is-stable", Outcome.UNTESTABLE, "offered tools only once"),
        (NEVER_LISTENS, "F08-model-outage-is-survived", Outcome.UNTESTABLE, "no tool had run"),
        (IGNORES_THE_NAME, "F01-unknown-tool-is-refused", Outcome.FAIL, 'agentcheck_unknown_tool {"where": '),
        (BY_ID, "F01-call-matches-schema", Outcome.FAIL, "of two calls with one id, look ran with"),
        (TAKES_TEXT, "F01-invalid-arguments-are-refused", Outcome.FAIL, "JSON inside a JSON text: look"),
        (OPENS_TEXT, "F01-invalid-arguments-are-refused", Outcome.PASS, ""),
        (SUMS_UP, "F09-counter-resets-on-success", Outcome.PASS, ""),
        (SUMS_UP, "F01-call-matches-schema", Outcome.PASS, ""),
        (LEGACY, "F03-calls-and-results-pair", Outcome.PASS, ""),
        (MODULE_CLIENT, "F02-prompt-holds-no-secret", Outcome.PASS, ""),
    ],
)
def test_what_is_said_is_so(tmp_path, code, check, outcome, says):
    written(tmp_path, code)
    judged = next(c for c in catalog.load_all() if c.id == check)
    with lab_of(tmp_path) as lab:
        found = lab.judge(judged)
    assert found.outcome is outcome, found.message
    assert says in found.message
