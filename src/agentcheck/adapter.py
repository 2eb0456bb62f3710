"""What one writes so that agentcheck can drive the agents of a framework: an adapter.

An adapter lives in the agent's own process. It turns the object that a user names (a graph, an agent, a crew)
into a `Target`: a host that launches and resumes runs of it, or where the framework cannot resume a function that
runs it, its tools, and what it is able to do. agentcheck finds it by the object; third parties register theirs
under the entry-point group `agentcheck.adapters`, as an object with these members:

    class MyAdapter:
        name = "myframework"                    # as reports name it
        packages = ("myframework",)             # distributions whose versions reports name
        def accepts(self, agent): …             # whether it drives this object; imports nothing heavy
        def target(self, agent): …              # a Target made with `adapted`

`docs/adapters.md` has a whole one; `agentcheck.testing.adapter_conformance` tests it.
"""

import ast
import inspect
import json
import os
import textwrap
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from agentcheck.reducer import Answer, Denied, Text
from agentcheck.target import Target

GROUP: Final = "agentcheck.adapters"
_WORDING: Final = ("str", "repr", "dict", "list", "format")
_DOING: Final = (ast.Import, ast.ImportFrom, ast.With, ast.AsyncWith, ast.Delete, ast.Global, ast.Nonlocal)


class Ability(StrEnum):
    """What an adapter can do with its framework's agents. It is held to what it declares."""

    SNAPSHOT = "snapshot"  # a run's state is kept in its store, outside the process
    RESUME = "resume"  # a fresh process goes on with a run from its store
    STORE = "store"  # the framework keeps the state by itself, rather than handing it out as data
    STEP = "step"  # a run can stop between the choice of a tool and its run
    APPROVALS = "approvals"  # a tool can be made to wait for a human's yes
    CONTACT = "contact"  # the model can ask a human by a tool, and the run waits for the answer
    CONTEXT = "context"  # the framework shows the last context window by itself
    FAULTS = "faults"  # a failing tool is seen by the framework's own error handling
    BOUNDS = "bounds"  # the framework bounds the model calls of a run


@runtime_checkable
class Adapter(Protocol):
    """Drives the agents of one framework."""

    @property
    def name(self) -> str: ...

    @property
    def packages(self) -> Sequence[str]: ...

    def accepts(self, agent: Any) -> bool:
        """Whether this object is one of the framework's. Never raises, and imports nothing heavy."""

    def target(self, agent: Any) -> Target:
        """The object as a target: with a host (or a function, where nothing can be resumed), tools and abilities."""


def adapted(
    adapter: Adapter, *, can: Mapping[Ability, bool], cites: Mapping[Ability, str] | None = None, **declared: Any
) -> Target:
    """A target that an adapter made.

    Args:
        can: for each ability, whether this agent has it as it is set up. What is left out is not said.
        cites: for an ability that is missing, what the framework's documentation says of it, with its address:
            without that, a missing ability is no failure but undecided.
        declared: what else a `Target` takes.
    """
    unknown = sorted({*can, *(cites or {})} - set(Ability))
    if unknown:
        raise ValueError(f"no ability is called {unknown[0]!r}; the abilities are {', '.join(Ability)}")
    sentences = {str(ability): sentence for ability, sentence in (cites or {}).items()}
    has = {str(ability): able for ability, able in can.items()} | dict(declared.pop("has", {}))
    return Target(has=has, cites=sentences, framework=versions(adapter), **declared)


def versions(adapter: Adapter) -> str:
    """The framework with the versions of its distributions: "langgraph 1.2.22, langchain 1.4.7"."""
    found = []
    for package in adapter.packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found) or adapter.name


def needs(module: str, extra: str) -> None:
    """Raises ImportError, with the command that mends it, where a module that an adapter needs is not installed."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ImportError(f'{module} is not installed: pip install "pytest-agentcheck[{extra}]"')


def does_nothing_but(function: Any, *names: str) -> bool:
    """Whether a function's body calls nothing but these, and what only words a value: then it may run as it is."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    except (OSError, SyntaxError, TypeError, IndexError):
        return False
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    inside = [node for statement in tree.body for node in ast.walk(statement)]
    called = [ast.unparse(node.func).rpartition(".")[2] for node in inside if isinstance(node, ast.Call)]
    return not any(isinstance(node, _DOING) for node in inside) and set(called) <= {*names, *_WORDING}


def spoken(answer: Answer) -> str:
    """A human's answer as words, for frameworks that take nothing else."""
    match answer:
        case Text(text):
            return text
        case Denied(reason):
            return f"no: {reason}" if reason else "no"
    return "yes"


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old content or the new one, and no half of either."""
    fresh = file.with_name(f"{file.name}.new")
    with fresh.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)


def as_text(trigger: Any) -> str:
    """A trigger as the text of a user's message: text as it is, other data as JSON."""
    return trigger if isinstance(trigger, str) else json.dumps(trigger, ensure_ascii=False)
