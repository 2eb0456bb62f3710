"""What an agent offers the model, and which of it may be tried: the tools of the checks' own decisions."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agentcheck.arguments import Schema
from agentcheck.catalog import closest
from agentcheck.finding import NotApplicable, NotReached, Untestable
from agentcheck.jsonvalues import example_arguments
from agentcheck.messages import ToolSpec
from agentcheck.scenario import Call, Scenario, Turn
from agentcheck.target import Target

if TYPE_CHECKING:
    from agentcheck.plan import Run


class Offers:
    """The part of a lab that knows the target's tools, by its own requests and by what could be bound."""

    kind: str
    target: Target
    scenario: Scenario

    def __init__(self) -> None:
        self._bound_on: dict[str, dict[str, dict[str, Any]]] = {}
        self._offered_on: dict[str, dict[str, ToolSpec]] = {}

    def happy(self) -> "Run":
        """The run in which nothing goes wrong."""
        raise NotImplementedError

    @property
    def bound(self) -> dict[str, dict[str, Any]]:
        """Tool → what the stage said when it bound it."""
        return self._bound_on.setdefault(self.kind, {})

    @property
    def offered(self) -> dict[str, ToolSpec]:
        """Tool → its specification on the wire, as far as requests have shown it."""
        return self._offered_on.setdefault(self.kind, {})

    def can_call(self, tool: str) -> bool:
        """Whether a decision may name this tool: it is bound, and something says what it returns."""
        if self.kind == "R":
            return True
        found = self.bound.get(tool, {})
        has_value = found.get("value") or tool in self.scenario.returns or tool in (self.target.human or ())
        return bool(found.get("bound") and has_value)

    @property
    def tools(self) -> dict[str, ToolSpec]:
        """The tools (or intents) that the agent offers the model, from its own requests."""
        self.happy()
        return dict(self.offered)

    def strangers(self) -> Iterator[str]:
        """A sentence for each tool that the user speaks of and no request has offered; none before any request."""
        seen = {name for offered in self._offered_on.values() for name in offered}
        declared = {
            "tools": self.target.tools,
            "human": self.target.human or (),
            "high_stakes": self.target.high_stakes or (),
            "finish": [self.target.finish] if self.target.finish else (),
            "the scenario": self.scenario.tools - {c.tool for t in self.scenario.turns or () for c in t.calls},
        }
        for where, names in declared.items():
            for name in sorted(names) if seen else ():
                if name not in seen:
                    yield f"{name!r} of {where} was never offered to the model as a tool{closest(name, seen)}"

    def stray_call(self) -> str | None:
        """What is wrong with a scenario that calls a tool which no request has offered."""
        calls = [call.tool for turn in self.scenario.turns or () for call in turn.calls]
        stray = next((tool for tool in calls if self.offered and tool not in self.offered), None)
        if stray is None or self.scenario.cassette is not None:  # a real model makes names up
            return None
        return (
            f"the scenario calls {stray!r}{closest(stray, self.offered)}, which the agent never offers the model; "
            f"its tools are {', '.join(self.offered)}"
        )

    @property
    def ordinary_tools(self) -> list[str]:
        """Tools that may be called, neither a human's nor the end; those of the happy run first."""
        called = [e["tool"] for e in self.happy().of("tool_called")]
        names = dict.fromkeys([*called, *(t for t in self.tools if self.kind != "R" and self.can_call(t))])
        human = set(self.target.human or ())
        ordinary = [t for t in names if t not in human and t != self.target.finish]
        stakes = set(self.target.high_stakes or ())
        return [t for t in ordinary if t not in stakes] + [t for t in ordinary if t in stakes]

    @property
    def tool(self) -> str:
        """The tool on which faults are tried. Raises Untestable where none may be called."""
        ordinary = self.ordinary_tools
        if ordinary:
            return ordinary[0]
        raise self._no_tool()

    def tool_with_arguments(self) -> str:
        """A tool that takes arguments. Raises Untestable where none may be called."""
        for tool in self.ordinary_tools:
            if tool in self.tools and Schema(self.tools[tool].parameters).named:
                return tool
        raise self._no_tool("that takes arguments ")

    def _no_tool(self, which: str = "") -> Untestable:
        unbound = {t: b for t, b in self.bound.items() if not (b.get("bound") and b.get("value"))}
        if not self.tools:
            return NotReached(
                "the agent offers the model no tools",
                mend="give the scenario decisions that the agent understands: [[model]] text = …",
            )
        if not unbound:
            return NotReached(f"no tool {which}was called")
        tool, said = next(iter(unbound.items()))
        why = said.get("why") or "nothing says what it returns"
        key = f'{tool} = "module:function"' if not said.get("bound") else f'{tool} = {{returns = "…"}}'
        return Untestable(f"no tool {which}may be called: {tool}: {why}", mend=f"[tool.agentcheck.tools]\n{key}")

    def arguments(self, tool: str) -> Mapping[str, Any]:
        """Arguments with which this tool is called when all goes well."""
        for turn in self.scenario.turns or ():
            for call in turn.calls:
                if call.tool == tool and isinstance(call.arguments, Mapping):
                    return call.arguments
        for event in self.happy().of("model_reply"):
            for decided in event.decision.calls:
                if decided.name == tool:
                    parsed = decided.parsed()
                    return parsed if isinstance(parsed, dict) else {}
        spec = self.tools.get(tool)
        return example_arguments(spec.parameters) if spec else {}

    def call(self, tool: str | None = None, arguments: Mapping[str, Any] | str | None = None) -> Turn:
        """The model's decision to call a tool (default: `lab.tool`), by default with good arguments."""
        name = tool or self.tool
        return Turn(calls=(Call(name, self.arguments(name) if arguments is None else arguments),))

    def high_stakes(self) -> str:
        """A tool that needs approval. Raises NotApplicable or Untestable where there is none."""
        if self.target.high_stakes is None:
            raise Untestable(
                "which tools need a human's approval is not said",
                mend="[tool.agentcheck]\nhigh_stakes = []  # names of tools",
            )
        if not self.target.high_stakes:
            raise NotApplicable("declared: no tool needs approval (high_stakes = [])")
        self.happy()
        for tool in self.target.high_stakes:
            if tool in self.offered and self.can_call(tool):
                return tool
        raise self._no_tool("of high stakes ")

    def human_tool(self) -> str:
        """The tool that asks a human. Raises NotApplicable or Untestable where there is none."""
        if self.target.human is None:
            raise Untestable(
                "which tools reach a human is not said", mend="[tool.agentcheck]\nhuman = []  # names of tools"
            )
        if not self.target.human:
            raise NotApplicable("declared: no tool reaches a human (human = [])")
        return self.target.human[0]
