"""CrewAI: crews and flows.

A crew that was made with `checkpoint=` is a host: its checkpoints are in the run's store, and the newest one is
taken up in another process. So is a flow that was made with `persistence=`, which keeps what waits for a human's
feedback. What has neither is run by `kickoff` alone.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from agentcheck.adapter import Ability, adapted, as_text
from agentcheck.reducer import Answer, Denied, Finished, HumanAnswered, Paused, Question, Text
from agentcheck.target import Target, ToolBinding

DATABASE: Final = "crewai.db"
RUN: Final = "run"  # the id of the flow in a store, which holds one
_NONE: Final = (
    "it was made without checkpoint=…, and then CrewAI writes none: "
    "“checkpoint=True,  # uses defaults: ./.checkpoints, on task_completed” turns them on "
    "(https://docs.crewai.com/en/concepts/checkpointing)"
)


class CrewAI:
    name = "crewai"
    packages = ("crewai", "openai")

    def accepts(self, agent: Any) -> bool:
        kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(agent).__mro__}
        return bool({("crewai", "Crew"), ("crewai", "Flow")} & kinds)

    def target(self, agent: Any, *, fresh: Callable[[], Any] | None = None, **declared: Any) -> Target:
        """A crew or a flow as a target.

        Args:
            fresh: makes another one like it, for applications that make one for each request; None: all runs share
                the one.
        """
        lasting = bool(agent.checkpoint) or bool(getattr(agent, "persistence", None))
        part = {"host": _host(agent, fresh)} if lasting else {"run": _running(agent, fresh)}
        tools = {_wire_name(tool): tool for one in getattr(agent, "agents", ()) for tool in one.tools or ()}
        return adapted(
            self,
            can={
                Ability.SNAPSHOT: lasting,
                Ability.RESUME: lasting,
                Ability.STEP: False,
                Ability.APPROVALS: False,  # a hook may ask, and knows no pause
                Ability.FAULTS: True,
                **({} if _is_flow(agent) else {Ability.BOUNDS: True}),
            },
            cites={} if lasting else dict.fromkeys((Ability.SNAPSHOT, Ability.RESUME), _NONE),
            tools={name: ToolBinding(bind=_function(tool)) for name, tool in tools.items()},
            **{**part, **declared},
        )


adapter = CrewAI()


def _is_flow(agent: Any) -> bool:
    return not hasattr(agent, "fetch_inputs")


def _running(agent: Any, fresh: Callable[[], Any] | None) -> Callable[[Any], Any]:
    def run(task: Any) -> Any:
        one = fresh() if fresh else _at_home(agent)
        return _said(one.kickoff(inputs=_inputs(one, task)))

    return run


def _at_home(crew: Any) -> Any:
    """The crew, with its log of outputs in the home folder that this process has, not the one that made the crew."""
    log = getattr(crew, "_task_output_handler", None)
    if log is not None:
        crew._task_output_handler = type(log)()
    return crew


def _host(agent: Any, fresh: Callable[[], Any] | None) -> Any:
    return Feedback(agent) if _is_flow(agent) and getattr(agent, "persistence", None) else Checkpoints(agent, fresh)


def _inputs(agent: Any, trigger: Any) -> dict[str, Any]:
    """The values of a crew's placeholders: a trigger that has them as it is, anything else in the one that there is."""
    names = set() if _is_flow(agent) else agent.fetch_inputs()
    if isinstance(trigger, Mapping) and (not names or names <= set(trigger)):
        return {str(name): value for name, value in trigger.items()}
    return dict.fromkeys(names or {"request"}, as_text(trigger))


def _said(result: Any) -> Any:
    """The text of a crew's result; what a flow returned as it is."""
    return getattr(result, "raw", result)


# --- hosts ----------------------------------------------------------------------------------------


class Checkpoints:
    """A crew or a flow whose runs each have a folder of checkpoints of their own."""

    def __init__(self, agent: Any, fresh: Callable[[], Any] | None):
        self.agent = agent
        self._fresh = fresh

    def launch(self, trigger: Any, store: Path) -> Finished:
        one = self._fresh() if self._fresh else _at_home(self.agent)
        return Finished(_said(one.kickoff(inputs=_inputs(one, trigger), from_checkpoint=self._config(Path(store)))))

    def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Finished:
        """Raises LookupError where the store holds no checkpoint."""
        found = sorted(Path(store).rglob("*.json"))
        if not found:
            raise LookupError(f"{store} holds no checkpoint of a run: launch one")
        one = self._fresh() if self._fresh else _at_home(self.agent)
        config = self._config(Path(store), restore_from=str(found[-1]))
        return Finished(_said(one.kickoff(from_checkpoint=config)))

    def _config(self, store: Path, **changes: Any) -> Any:
        from crewai import CheckpointConfig

        usual = self.agent.checkpoint
        usual = usual if isinstance(usual, CheckpointConfig) else CheckpointConfig()
        return CheckpointConfig(
            location=str(store), on_events=usual.on_events, max_checkpoints=usual.max_checkpoints, **changes
        )


class Feedback:
    """A flow whose runs each have a database of their own, in which one that waits for feedback is kept."""

    def __init__(self, flow: Any):
        self.flow = flow

    def launch(self, trigger: Any, store: Path) -> Paused | Finished:
        flow = type(self.flow)(persistence=self._persistence(Path(store)))
        return _paused_or_finished(flow.kickoff(inputs={**_inputs(flow, trigger), "id": RUN}))

    def resume(self, store: Path, answers: Sequence[HumanAnswered]) -> Paused | Finished:
        """Raises LookupError where the store holds no flow."""
        persistence = self._persistence(Path(store))
        state, pending = persistence.load_state(RUN), persistence.load_pending_feedback(RUN)
        if pending is None:
            if state is None:
                raise LookupError(f"{store} holds no flow: launch one")
            flow = type(self.flow)(persistence=persistence)
            return _paused_or_finished(flow.kickoff(inputs={"id": RUN}))
        question = _question(pending[1])
        answer = next((a.answer for a in answers if a.id == question.id), None)
        if answer is None:
            return Paused((question,))
        flow = type(self.flow).from_pending(RUN, persistence)
        return _paused_or_finished(flow.resume(_spoken(answer)))

    def _persistence(self, store: Path) -> Any:
        from crewai.flow.persistence import SQLiteFlowPersistence

        return SQLiteFlowPersistence(str(store / DATABASE))


def _paused_or_finished(result: Any) -> Paused | Finished:
    if type(result).__name__ == "HumanFeedbackPending":
        return Paused((_question(result.context),))
    return Finished(_said(result))


def _question(context: Any) -> Question:
    asked_at = context.requested_at.isoformat()
    return Question(f"{context.method_name}@{asked_at}", "question", f"{context.message}\n{context.method_output}")


def _spoken(answer: Answer) -> str:
    match answer:
        case Text(text):
            return text
        case Denied(reason):
            return f"rejected: {reason}" if reason else "rejected"
    return "approved"


# --- tools ------------------------------------------------------------------------------------------


def _wire_name(tool: Any) -> str:
    from crewai.utilities.string_utils import sanitize_tool_name

    return str(sanitize_tool_name(tool.name))


def _function(tool: Any) -> Any:
    """The user's function beneath a tool, where CrewAI's own handling of errors and arguments still applies."""
    return getattr(tool, "func", None) or tool._run
