from bedrock_stream_loop import talk
from ops import FUNCTIONS  # noqa: F401  # what the tools are bound to

BETA = {"anthropic_beta": ["fine-grained-tool-streaming-2025-05-14"]}


def run(task: str) -> str:
    return talk(task, additionalModelRequestFields=BETA)
