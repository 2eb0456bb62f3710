"""An adapter for tinyagents, the framework beside it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentcheck.adapter import Ability, Adapter, adapted, as_text, write_whole
from agentcheck.messages import ToolCall
from agentcheck.reducer import Approved, Finished, HumanAnswered, Paused, Question
from agentcheck.target import Target, ToolBinding

FILE = "messages.json"


class TinyAgents:
    """What the entry point names: `[project.entry-points."agentcheck.adapters"] tinyagents = "…:TinyAgents"`."""

    name = "tinyagents"
    packages = ("tinyagents",)

    def accepts(self, agent: Any) -> bool:
        # By name: adapters are asked about every object, whether or not their framework is installed.
        return any(f"{kind.__module__}.{kind.__name__}" == "tinyagents.Agent" for kind in type(agent).__mro__)

    def target(self, agent: Any) -> Target:
        return adapted(
            self,
            host=Host(agent),
            # The user's own functions: agentcheck puts stubs in their place, beneath the framework's handling.
            tools={tool.__name__: ToolBinding(bind=tool) for tool in agent.tools},
            can={
                Ability.SNAPSHOT: True,
                Ability.RESUME: True,
                Ability.STEP: bool(agent.ask_first),
                Ability.APPROVALS: bool(agent.ask_first),
                Ability.CONTACT: False,
                Ability.FAULTS: True,
                Ability.BOUNDS: True,
            },
            cites={Ability.CONTACT: "a tool cannot wait for an answer (http://tinyagents.example/limits)"},
        )


class Host:
    """Launches and resumes runs, each with its messages in a folder of its own. It adds nothing to the framework:
    what it saves is the framework's own state, whenever the framework says that it has changed."""

    def __init__(self, agent: Any):
        self._agent = agent

    def launch(self, trigger: Any, store: Path) -> Paused | Finished:
        agent = self._saving_in(store)
        return self._standing(agent, agent.start(as_text(trigger)), store)

    def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Paused | Finished:
        """Raises FileNotFoundError or ValueError where the store holds no run."""
        agent = self._saving_in(store)
        messages = json.loads((store / FILE).read_text(encoding="utf-8"))
        if not isinstance(messages, list) or not all(isinstance(m, dict) and "role" in m for m in messages):
            raise ValueError(f"{store / FILE} holds no messages of a run")
        told = {answered.id: isinstance(answered.answer, Approved) for answered in answers}
        return self._standing(agent, agent.go_on(messages, told), store)

    def _saving_in(self, store: Path) -> Any:
        kind = type(self._agent)
        return kind(**{**vars(self._agent), "after_step": lambda messages: save(messages, store)})

    def _standing(self, agent: Any, messages: list[Any], store: Path) -> Paused | Finished:
        save(messages, store)
        waiting = [call for call in agent.open_calls(messages) if agent.waits(call)]
        if waiting:
            return Paused(tuple(map(question, waiting[:1])))
        return Finished(messages[-1]["content"])


def save(messages: list[Any], store: Path) -> None:
    write_whole(Path(store) / FILE, json.dumps(messages).encode())


def question(call: dict[str, Any]) -> Question:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    return Question(call["id"], "approval", f"May {name} run?", ToolCall(name, arguments, call["id"]))


adapter: Adapter = TinyAgents()
