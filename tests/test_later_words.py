"""Text of other people that the model gets only later is named with its file and line."""

from pathlib import Path

from agentcheck.config import load
from agentcheck.lab import Lab
from agentcheck.later_words import later_words

FRAMEWORK = '''
"""A package that somebody else has written."""
UNKNOWN = "There is nothing here that goes by the name of {name}, so pick something else from the list."
LIMIT = "All steps of this run are used up by now; tell the user in a few words how far you have come."
'''
AGENT = """
import json
from openai import OpenAI
import someones_words

TAG = {"type": "object", "properties": {"tag": {"type": "string", "description": "a git tag"}}, "required": ["tag"]}
TOOLS = [{"type": "function", "function": {"name": "deploy", "description": "Deploy a tag.", "parameters": TAG}}]

def deploy(tag: str) -> str:
    raise AssertionError("the real tool ran")

def run(task):
    messages = [{"role": "system", "content": "You deploy what you are asked to."}, {"role": "user", "content": task}]
    for _ in range(9):
        message = OpenAI().chat.completions.create(model="m", messages=messages, tools=TOOLS).choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            if call.function.name == "deploy":
                said = str(deploy(**json.loads(call.function.arguments)))
            else:
                said = someones_words.UNKNOWN.format(name=call.function.name)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
        if not message.tool_calls:
            return message.content
    messages.append({"role": "user", "content": someones_words.LIMIT})
    return OpenAI().chat.completions.create(model="m", messages=messages).choices[0].message.content
"""


def test_what_a_package_says_after_a_call_of_no_tool_and_at_the_limit_is_found(tmp_path: Path) -> None:
    installed = tmp_path / "env" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "someones_words.py").write_text(FRAMEWORK)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "my_agent.py").write_text(f"import sys\nsys.path.append({str(installed)!r})\n{AGENT}")
    with Lab(load(folder, target="my_agent:run"), rootdir=folder, reports=folder / "reports") as lab:
        unknown, limit = (found.told(lab) for found in later_words(lab))
    assert unknown.startswith("after a call of no tool ")
    assert "someones_words.py:3: “There is nothing here that goes by the name of" in unknown
    assert limit.startswith("at the limit of steps ")
    assert "someones_words.py:4: “All steps of this run are used up by now" in limit
