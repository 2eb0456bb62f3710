"""Claude's fine-grained tool streaming: the tools whose arguments a stream brings as the model writes them, unchecked.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming. Without it each
argument is held back until it is valid JSON, so that only the length limit can leave a call unfinished.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from agentcheck.dialects.reading import arguments_object
from agentcheck.messages import Decision, Request, ToolCall
from agentcheck.wire import Uncarriable

BETA: Final = "fine-grained-tool-streaming-2025-05-14"
EAGER: Final = "agentcheck_eager_tools"  # in settings: the names of these tools

_FLAG: Final = "eager_input_streaming"


def eager_tools(tools: Iterable[Mapping[str, Any]], *betas: Any) -> dict[str, list[str]]:
    """The setting that names these tools, none where there are none; `betas`: header lines, or lists in a body.

    The flag of a tool goes before the beta, which is for those that say nothing.
    """
    asked = any(BETA in _names(given) for given in betas)
    found = [str(tool.get("name")) for tool in tools if _is_eager(tool.get(_FLAG), asked=asked)]
    return {EAGER: found} if found else {}


def _names(given: Any) -> list[str]:
    lines = given if isinstance(given, list) else [given]
    return [name.strip() for line in lines if isinstance(line, str) for name in line.split(",")]


def _is_eager(flag: Any, *, asked: bool) -> bool:
    return asked if flag is None else flag is True


def insist_on_valid(decision: Decision, request: Request, format: str) -> None:
    """Raises Uncarriable where a stream would bring malformed arguments that nothing lets through."""
    for call in _held_back(decision, request):
        try:
            arguments_object(call.arguments, format)
        except Uncarriable as error:
            raise Uncarriable(f"{error} unless the request asks for fine-grained tool streaming") from None


def _held_back(decision: Decision, request: Request) -> list[ToolCall]:
    """The calls whose arguments are checked: not the last one of a reply that the length limit cut off."""
    eager = request.settings.get(EAGER) or ()
    complete = decision.calls[:-1] if decision.finish == "length" else decision.calls
    return [call for call in complete if call.name not in eager]
