"""F09-repeated-errors-escalate: a call that fails each time is carried out until the turns are used up."""

import sys

from server import call, model

with model(*(call("deploy", {"tag": "v1"}, f"call_{n}") for n in range(30))) as played:
    from agents import Agent, MaxTurnsExceeded, Runner, function_tool, set_default_openai_api, set_tracing_disabled

    failed: list[str] = []

    @function_tool
    def deploy(tag: str) -> str:
        """Deploy a tag."""
        failed.append(tag)
        raise ConnectionError("the registry is down")

    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    try:
        Runner.run_sync(Agent(name="a", model="m", tools=[deploy]), "Deploy v1.")
    except MaxTurnsExceeded as error:
        print(f"deploy failed {len(failed)} times in a row; then: {error}")
sys.exit(0 if len(failed) > 3 else 1)
