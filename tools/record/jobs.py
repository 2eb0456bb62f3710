"""What is recorded: which agent does which job, with which decisions open to the model."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from agentcheck.messages import Request
from tools.record.narrowing import Option, free, narrowed

TEMPERATURE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Job:
    """One recording. `seed` is the model's; `kind` the kind of target as which the agent runs."""

    name: str
    target: str
    kind: str
    trigger: str
    seed: int
    options: Callable[[Request], list[Option]] = narrowed

    def scenario(self) -> dict[str, Any]:
        """The agent's own scenario, with this job as the trigger and no decisions."""
        package = files(self.target.partition(":")[0])
        own: Mapping[str, Any] = tomllib.loads(package.joinpath("scenario.toml").read_text(encoding="utf-8"))
        given = own["trigger"]
        trigger = {**given, "text": self.trigger} if isinstance(given, Mapping) else self.trigger
        return {**{key: value for key, value in own.items() if key != "model"}, "trigger": trigger}

    @property
    def narrowing(self) -> str:
        return (self.options.__doc__ or "").strip().splitlines()[0]


_DEPLOYBOT: Final = "agentcheck.fixtures.deploybot:target"
_LOOP: Final = "agentcheck.fixtures.deploybot_loop:target"
_ASKED: Final = (
    "Please deploy backend v1.2.3 to production.",
    "Roll staging back to v1.2.1, please.",
    "Can you bring the newest backend to staging?",
    "Deploy the backend.",
)
JOBS: Final = (
    *(Job(f"deploybot-{n}", _DEPLOYBOT, "H", asked, n) for n, asked in enumerate(_ASKED, 1)),
    *(Job(f"deploybot_loop-{n}", _LOOP, "C", asked, n) for n, asked in enumerate(_ASKED[:3], 1)),
    Job("deploybot-spin-out", _DEPLOYBOT, "H", _ASKED[0], 1, free),
    Job("deploybot_loop-spin-out", _LOOP, "C", _ASKED[0], 1, free),
)
