"""A host: launched once, and resumed with answers, or after a crash, each time in a fresh process."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from agentcheck import stored
from agentcheck.adapters.process import resumption, session
from agentcheck.finding import Untestable
from agentcheck.model_habits import script_of
from agentcheck.plan import Plan, Run
from agentcheck.process import Machine
from agentcheck.reducer import Answer, to_data
from agentcheck.stages import Stages
from agentcheck.trace import Event
from agentcheck.world import World

MOST_RESUMES: Final = 25


def perform(stages: Stages, run: Run, world: World, plan: Plan) -> None:
    """Launch every session on a store of its own."""
    run.stores = {name: stages.new_store() for name, _ in plan.triggers}
    launch(stages, run, world, plan)


def launch_again(stages: Stages, run: Run, world: World, earlier: Run) -> None:
    """Launch every session of an earlier run once more, on a copy of its store."""
    run.stores = {name: copied_store(stages, earlier, name) for name in earlier.stores}
    launch(stages, run, world, earlier.plan)


def launch(stages: Stages, run: Run, world: World, plan: Plan) -> None:
    """Launch every session on its store, then answer and resume each until it is over."""
    world.store = run.stores[plan.triggers[0][0]]
    last = stages.on(plan.machine).play(world, launching(run, plan), plan.machine)
    run.files = tuple(last.get("files", ()))
    if plan.order is not None and not plan.leave:
        _see_through_at_once(stages, run, world)
    for name in () if plan.leave else run.stores:
        see_through(stages, run, world, name)


def _see_through_at_once(stages: Stages, run: Run, world: World) -> None:
    """Resume the sessions in one process, in the order of the plan, as long as all of them wait."""
    for _ in range(MOST_RESUMES):
        waiting = {name: answers for name in run.stores if (answers := due(run, world, name)) is not None}
        if len(waiting) < len(run.stores) or world.problem is not None:
            return
        resume_all(stages, run, world, waiting, run.plan.resume_on)


def see_through(stages: Stages, run: Run, world: World, name: str) -> None:
    """Answer and resume one session until it is over, or waits for somebody who is silent."""
    for _ in range(MOST_RESUMES):
        answers = due(run, world, name)
        if answers is None or world.problem is not None:
            return
        resume(stages, run, world, name, answers, run.plan.resume_on)
        if _never_began(run):
            run.append("launched", kind="H", triggers=dict(run.plan.triggers), machine=run.plan.resume_on)
            launch(stages, run, world, replace(run.plan, machine=run.plan.resume_on))
            return


def _never_began(run: Run) -> bool:
    """Whether the launch was killed so early that there is nothing to resume: whoever launched it does so again."""
    if run.status not in ("failed", "exited") or len(run.of("launched")) > 1:
        return False
    return run.first("killed", planned=True) is not None and run.first("model_request", "tool_called") is None


def resume(stages: Stages, run: Run, world: World, name: str, answers: Mapping[str, Answer], machine: Machine) -> None:
    """Resume one session in a fresh process."""
    resume_all(stages, run, world, {name: answers}, machine)


def resume_all(
    stages: Stages, run: Run, world: World, sessions: Mapping[str, Mapping[str, Answer]], machine: Machine
) -> None:
    """Resume sessions in one fresh process, one after another, or in the order of the plan."""
    stages.on(machine).play(world, resuming(run, sessions, machine), machine)


def launching(run: Run, plan: Plan) -> dict[str, Any]:
    """The job of a process that launches every session of a plan."""
    return {
        "kind": "H",
        "sessions": [session(name, trigger, run.stores[name]) for name, trigger in plan.triggers],
        **plan.at_once,
        "context": plan.context,
        "store": str(run.stores[plan.triggers[0][0]]),
        "writable": [str(store) for store in run.stores.values()],
        "saves": plan.saves,
    }


def resuming(run: Run, sessions: Mapping[str, Mapping[str, Answer]], machine: Machine) -> dict[str, Any]:
    """The job of a process that resumes sessions; that they are resumed is written down."""
    for name, answers in sessions.items():
        run.append("resumed", session=name, machine=machine, answers=to_data(dict(answers)))
        for id, answer in answers.items():
            run.append("answered", session=name, id=id, answer=to_data(answer))
        if (script := script_of(run.model)) is not None:
            script.resumed.add(name)
    return {
        "kind": "H",
        "sessions": [resumption(name, run.stores[name], answers) for name, answers in sessions.items()],
        **(run.plan.at_once if run.plan.order else {}),
        "context": run.plan.context,
        "saves": run.plan.saves,
        "store": str(run.stores[next(iter(sessions))]),
        "writable": [str(run.stores[name]) for name in sessions],
    }


def due(run: Run, world: World, name: str) -> dict[str, Answer] | None:
    """The answers with which a session is to be resumed; None where it is not."""
    last = _last_word(run, name)
    if last is None or run.status == "timeout":
        return None
    if last.type == "killed":
        return {} if last["planned"] else None
    resumed = run.of("resumed", session=name)
    asked = run.first("probe", after=resumed[-1] if resumed else None, name="asked_to_stop") is not None
    if last["status"] in ("exited", "failed") and asked:
        return {}
    if last["status"] != "waiting":
        return None
    questions = last.get("questions") or []
    if not questions:
        return {} if asked or len(resumed) < 2 else None
    given = {q["id"]: world.answer_to(q["kind"], (q.get("call") or {}).get("name") or "*") for q in questions}
    return {id: answer for id, answer in given.items() if answer is not None} or None


def _last_word(run: Run, name: str) -> Event | None:
    ended = (e for e in reversed(run.events) if e.type == "killed" or (e.type == "finished" and e.session == name))
    return next(ended, None)


def copied_store(stages: Stages, run: Run, name: str) -> Path:
    """A copy of a host's store, journals and all. Raises Untestable where it holds what no copy can."""
    copy = stages.new_store()
    try:
        stored.copy(run.stores[name], copy)
    except stored.Uncopied as held:
        raise Untestable(f"the store holds {held}; keep that outside of the store", trace=run) from None
    return copy
