"""What the user names, and what it says of itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets that checks hold the agent to; the defaults are those of the catalogue."""

    error_characters: int = 500
    result_growth_bytes: int = 20_000
    consecutive_failures: int = 3
    tools: int = 10
    steps: int = 20
    first_request_bytes: int = 32_000
    seconds: float = 30.0  # wall time of one run
    model_calls: int | None = None  # the bound that the agent declares; None: 200 is the most allowed
    tokens: int | None = None  # the token budget that the agent declares
    memory_bytes: int = 4 * 2**30  # address space of the agent's process; 0: no limit


OVER_HTTP: Final = "http"  # as `inject`: failures enter where the tool's body makes an HTTP request


@dataclass(frozen=True, slots=True)
class ToolBinding:
    """Where a tool on the wire is found in the user's code, and how far it may run.

    `bind` is the function ("ops:deploy"); `inject` a function beneath it ("ops:client.post") at
    which failures enter, or "http" for whatever HTTP request its body makes; `key` the parameter
    that carries the idempotency key; `returns` the value to give where neither scenario nor
    annotation says; `allow` lets the real function run. `repeatable` says whether it may run again
    when nobody knows how the first time ended (it only reads, or doing it twice is doing it
    once); None: not said. A tool with a `key` always may. `mixed` is why no stub may stand in for the
    tool's body, where an adapter sees that: what must run and what must not are both in it.
    """

    bind: str | Callable[..., Any] | None = None
    inject: str | None = None
    key: str | None = None
    returns: Any = None
    allow: bool = False
    repeatable: bool | None = None
    mixed: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """An agent under test. At least one of `reducer`, `run` and `host` is given.

    Args:
        reducer: an object with `tools`, `start` and `reduce` (see `agentcheck.reducer`).
        run: `run(task) -> answer`, sync or async.
        host: an object or module with `launch(trigger, store)` and `resume(store, answers)`.
        tools: tool name on the wire → function, "module:function", or ToolBinding.
        human: names of the tools that reach a human; [] says that there are none; None: not said.
        high_stakes: names of the tools that need a human's approval; [] and None likewise.
        approve: "module:function" that asks a human for approval and returns the answer.
        channels: channel name → "module:function" that turns its envelope into a trigger; or a list of
            channels whose envelopes the agent takes as they are. [] says that there are none.
        envelopes: channel name → its envelope, text or table, where agentcheck does not know it; {text},
            {sender}, {reply_to} and {delivery} in it are filled in.
        finish: the tool or intent with which the model ends the run, where plain text does not.
        volatile: regular expressions of values that may differ between runs (ids, times).
        owned: further files or folders whose text counts as the user's own prompt.
        context: "module:function" giving the agent's own view of its last context window.
        guard: "module:function" of the user's own that can veto a decision before it acts.
        has: other facts about the agent, such as {"subagents": False} or the abilities of `agentcheck.adapter`.
        cites: for an ability that it does not have, what its framework's documentation says of that.
        framework: the framework that it is made with, and its versions.
        scenario: path of a scenario file, relative to the project, or its parsed content.
    """

    reducer: Any = None
    run: Any = None
    host: Any = None
    name: str = ""
    tools: Mapping[str, Any] = field(default_factory=dict)
    human: Sequence[str] | None = None
    high_stakes: Sequence[str] | None = None
    approve: str | None = None
    channels: Mapping[str, str] | Sequence[str] | None = None
    envelopes: Mapping[str, Any] = field(default_factory=dict)
    finish: str | None = None
    volatile: Sequence[str] = ()
    owned: Sequence[str] = ()
    context: str | None = None
    guard: str | None = None
    has: Mapping[str, bool] = field(default_factory=dict)
    cites: Mapping[str, str] = field(default_factory=dict)
    framework: str = ""
    home: str = ""  # the module in which an adapter's object was found
    scenario: str | Mapping[str, Any] | None = None
    recordings: Sequence[str] = ()
    snapshots: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def kinds(self) -> str:
        """The letters of what is given, of R, C and H, and W where recordings are named."""
        parts = (("R", self.reducer), ("C", self.run), ("H", self.host), ("W", list(self.recordings) or None))
        return "".join(letter for letter, part in parts if part is not None)

    def having(self, **changes: Any) -> "Target":
        """This target with some declarations changed."""
        return replace(self, **changes)

    def binding(self, tool: str) -> ToolBinding:
        """The declared binding of a tool; an empty one where nothing is declared."""
        declared = self.tools.get(tool)
        return declared if isinstance(declared, ToolBinding) else ToolBinding(bind=declared)


BY_ADAPTERS: Final = ("cites", "framework", "home")  # what no user says
DECLARED: Final = tuple(f for f in Target.__dataclass_fields__ if f not in ("reducer", "run", "host", "limits"))
