"""smolagents: `ToolCallingAgent`, `CodeAgent`, and agents that manage others.

They are run, not hosted: smolagents writes down what an agent did, and has nothing that loads it again.
"""

from collections.abc import Callable
from typing import Any, Final

from agentcheck.adapter import Ability, adapted, as_text
from agentcheck.target import Target, ToolBinding

FINISH: Final = "final_answer"
ASKING: Final = "user_input"  # smolagents' own UserInputTool, which waits at a terminal
_MEMORY: Final = (
    "method agent.to_dict() writes the state of the agent without the current memory "
    "(https://github.com/huggingface/smolagents/issues/251), and to save and load the memory is a wish that is open "
    "(https://github.com/huggingface/smolagents/issues/1216)"
)


class Smolagents:
    name = "smolagents"
    packages = ("smolagents", "openai")

    def accepts(self, agent: Any) -> bool:
        return any(kind.__name__ == "MultiStepAgent" for kind in type(agent).__mro__)

    def target(self, agent: Any, *, fresh: Callable[[], Any] | None = None, **declared: Any) -> Target:
        """An agent as a target.

        Args:
            fresh: makes another one like it, for applications that make one for each request, as smolagents'
                documentation does; None: all runs share the one, and `run` resets it.
        """
        tools = {name: tool for one in _agents(agent) for name, tool in one.tools.items() if name != FINISH}
        asking = [name for name in tools if name == ASKING]
        return adapted(
            self,
            can={
                Ability.SNAPSHOT: False,
                Ability.RESUME: False,
                Ability.STEP: False,
                Ability.APPROVALS: False,
                Ability.FAULTS: True,
                Ability.BOUNDS: True,
            },
            cites=dict.fromkeys((Ability.SNAPSHOT, Ability.RESUME), _MEMORY),
            run=_running(agent, fresh),
            finish=FINISH if _calls_tools(agent) else None,
            tools={name: ToolBinding(bind=tool.forward, allow=name in asking) for name, tool in tools.items()},
            **{**({"human": asking} if asking else {}), **declared},
        )


adapter = Smolagents()


def _running(agent: Any, fresh: Callable[[], Any] | None) -> Callable[[Any], Any]:
    def run(task: Any) -> Any:
        return (fresh() if fresh else agent).run(as_text(task))

    return run


def _calls_tools(agent: Any) -> bool:
    """Whether decisions are native tool calls; a `CodeAgent` decides by code in its text."""
    return any(kind.__name__ == "ToolCallingAgent" for kind in type(agent).__mro__)


def _agents(agent: Any) -> list[Any]:
    """An agent itself, and all that it manages."""
    return [agent, *(inner for managed in agent.managed_agents.values() for inner in _agents(managed))]
