"""agentcheck: executable 12-Factor Agents.

The public names are imported when they are first used, so that `import agentcheck`
costs next to nothing inside an agent that only declares a `Target`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentcheck.check import Check as Check
    from agentcheck.check import check as check
    from agentcheck.finding import Finding as Finding
    from agentcheck.finding import Outcome as Outcome
    from agentcheck.lab import Lab as Lab
    from agentcheck.reducer import Reducer as Reducer
    from agentcheck.reducer import Step as Step
    from agentcheck.reducer import Tool as Tool
    from agentcheck.scenario import Scenario as Scenario
    from agentcheck.target import Target as Target
    from agentcheck.trace import Event as Event
    from agentcheck.trace import Trace as Trace

_HOME = {
    "Check": "check",
    "Event": "trace",
    "Finding": "finding",
    "Lab": "lab",
    "Outcome": "finding",
    "Reducer": "reducer",
    "Scenario": "scenario",
    "Step": "reducer",
    "Target": "target",
    "Tool": "reducer",
    "Trace": "trace",
    "check": "check",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'agentcheck' has no attribute {name!r}")
    return getattr(import_module(f"agentcheck.{_HOME[name]}"), name)
