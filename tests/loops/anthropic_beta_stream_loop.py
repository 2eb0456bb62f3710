from anthropic_stream_loop import TOOLS, talk
from ops import FUNCTIONS  # noqa: F401  # what the tools are bound to

HEADERS = {"anthropic-beta": "fine-grained-tool-streaming-2025-05-14"}


def run(task: str) -> str:
    return talk(task, TOOLS, extra_headers=HEADERS)
