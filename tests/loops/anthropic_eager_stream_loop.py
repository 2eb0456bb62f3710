from anthropic_stream_loop import TOOLS, talk
from ops import FUNCTIONS  # noqa: F401  # what the tools are bound to


def run(task: str) -> str:
    return talk(task, [tool | {"eager_input_streaming": True} for tool in TOOLS])
