from anthropic_helper_loop import client, talk
from ops import FUNCTIONS  # noqa: F401  # what the tools are bound to


def run(task: str) -> str:
    return talk(task, client.beta.messages.stream, betas=["fine-grained-tool-streaming-2025-05-14"])
