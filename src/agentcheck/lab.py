"""The lab: runs target × scenario × faults and hands back traces. All that the author of a check holds."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from agentcheck import canonical, dialects, recorded, verdict
from agentcheck.adapters import callable as callables
from agentcheck.adapters import host as hosts
from agentcheck.adapters import reduction as reducers
from agentcheck.adapters.process import CLOCK
from agentcheck.adapters.reducer import ReducerFailed, Remote
from agentcheck.boundary import marker
from agentcheck.check import Check
from agentcheck.conditions import Silence, Stop
from agentcheck.faults import Fault, Faults, faults
from agentcheck.finding import Finding, HarnessError, NotReached, Undecided, Untestable
from agentcheck.framing import Closed
from agentcheck.instructions import DEFAULT_TASK
from agentcheck.meeting import Party
from agentcheck.messages import ToolSpec
from agentcheck.model import Model, Recited, Replay, Script
from agentcheck.model_habits import Habitual, script_of
from agentcheck.offers import Offers
from agentcheck.plan import ELSEWHERE, FAR, HERE, Plan, Run
from agentcheck.process import Machine
from agentcheck.reducer import Answer, Approved
from agentcheck.scenario import HumanPlan, Scenario, ScenarioError, Turn
from agentcheck.stages import Stages
from agentcheck.strays import attempts
from agentcheck.target import Limits, Target, ToolBinding
from agentcheck.trace import Event, Trace
from agentcheck.world import World

T = TypeVar("T")


@dataclass
class _Citations:
    events: list[Event] = field(default_factory=list)
    trace: Trace | None = None


class Lab(Offers):
    """One target under test. Use it as a context manager, or call `close`.

    `live` makes what answers an undisturbed run instead of scenario and recording, a real model for instance;
    `planted` is what stands in the agent's environment instead of secrets, by default for every one.

    Raises:
        HarnessError: the target does not import, or is nothing that can be run; one sentence.
    """

    def __init__(
        self,
        config: Any,
        *,
        rootdir: Path,
        reports: Path,
        worker: str = "",
        live: Callable[[], Model] | None = None,
        planted: Mapping[str, str] | None = None,
    ):
        super().__init__()
        self._live = live
        self.notes: list[str] = []  # what else is to be told of this target
        self._left: dict[str, set[int]] = {}  # kind → the exchanges of the recording that its runs did not ask for
        self._unsaid = 0
        self.config = config
        self.root = rootdir.resolve()
        self.traces = reports / "traces"
        self._worker = worker
        self.stages = Stages(config, self.root, planted)
        self._runs: dict[str, Run | Undecided] = {}
        self._ledgers: dict[Path, dict[str, Any]] = {}
        self.cited = _Citations()
        self.progressed: Callable[[str], None] = lambda text: None  # hears how far a long check has come
        try:
            self.described = self.stages.on(HERE).zygote.described
            self.target = _target(self.described["declared"])
            given = self._read_scenario()
            self.scenario, self._cassette = (given, None) if live else recorded.completed(given)
        except BaseException:
            self.close()
            raise
        self.kinds = str(self.described["kinds"])
        self.kind = self.kinds[0]

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process that was started and remove the sandbox."""
        self.stages.close()

    def judge(self, check: Check) -> Finding:
        """The finding of one check about this target."""
        finding = verdict.judge(self, check)
        self.progressed("")
        return finding

    def answered_by(self, live: Callable[[], Model]) -> None:
        """Let this make what answers the undisturbed runs to come."""
        self._live = live

    def begin(self, kind: str) -> None:
        """Judge as this kind of target from now on, with no evidence yet."""
        self.kind = kind
        self.cited = _Citations()

    def describe(self) -> dict[str, Any]:
        framework = self.described["framework"]
        strays = attempts(self.described.get("refused", ()), self.runs())
        notes = [*self._assumed(), *self.strangers(), *self._unused(), *strays, *self.notes]
        return {"name": self.target.name, "kind": self.kinds, "framework": framework or None, "assumptions": notes}

    def _assumed(self) -> Iterator[str]:
        takes_one = "H" in self.kinds or ("C" in self.kinds and self.described["parameters"])
        if self.scenario.trigger is None and takes_one:
            yield f"no scenario gives a trigger, so the task was: {DEFAULT_TASK}"

    def _unused(self) -> Iterator[str]:
        """What the recording holds for no request of any kind of this target."""
        left = sorted(set.intersection(*self._left.values())) if self._left else []
        if left and self._cassette is not None:
            first = self._cassette.exchanges[left[0]].request
            yield (
                f"no request asked for {len(left)} of the {len(self._cassette.exchanges)} exchanges in "
                f"{self._cassette.path.name} (the first is number {left[0] + 1}, {first.method} {first.path}): "
                "drop them with --agentcheck-record=changed, or record anew"
            )

        if self._unsaid and not self._left and self._cassette is not None:
            yield f"the run was over before the last {self._unsaid} of the replies in {self._cassette.path.name}"

    def reference(self, part: str) -> str:
        """How the code of a reproduction names this part of the target: "module:attribute.path"."""
        named = getattr(self.config, part, None) or self.config.target
        return f"{named}{self.described['suffix'] if named == self.config.target else ''}".format(part=part)

    @property
    def planted(self) -> Mapping[str, str]:
        """Environment variable → the secret that was planted in it."""
        return self.stages.planted

    @property
    def crash_points(self) -> str:
        """Which of a host's crash points are tried: "sample" or "all"."""
        return str(getattr(self.config, "crash_points", "sample"))

    @property
    def lanes(self) -> int:
        """How many runs of a host go on at the same time."""
        return max(1, (os.cpu_count() or 1) // 2) if self.crash_points == "all" else 1

    def _project_folders(self) -> list[str]:
        return self.stages.project_folders()

    def _read_scenario(self) -> Scenario:
        given = self.target.scenario
        try:
            if given is None:
                return Scenario()
            if isinstance(given, Mapping):
                return Scenario.parse(given, where="scenario", folder=self.root)
            beside = Path(self.described["module"]).parent / given
            return Scenario.read(beside if beside.exists() and not (self.root / given).exists() else self.root / given)
        except ScenarioError as error:
            raise HarnessError(str(error)) from None

    # --- runs ----------------------------------------------------------------------------------

    def run(self, *turns: Turn, **conditions: Any) -> Run:
        """Run the target once under these conditions; equal conditions share one run.

        Args:
            turns: what the model decides, in order; none: the scenario's own decisions.
            then: what the model decides ever after; default: it says that the job is done.
            faults: what breaks: a Fault, several joined with `&`.
            returns: tool → what it returns instead.
            humans: HumanPlans, or Silence(); default: the scenario's answers, else approval.
            triggers: session → trigger or Envelope, for several sessions in one process.
            interleaved: the further sessions run in the middle of the first.
            order: an Order in which the sessions of a callable or a host are in flight at once.
            threads: those of an async function too are threads then, instead of tasks of one loop.
            machine, resume_on: where it starts and where it is resumed.
            stop: a Stop: kill, or ask to stop, at a crossing; the run is resumed after it.
            veto: a tool whose every call the target's own guard forbids.

        Raises:
            Untestable: the agent never called the model, or a condition cannot be brought about.
            HarnessError: the agent could not be run at all.
        """
        plan = self._plan(turns, conditions)
        key = f"{self.kind} {plan!r}"
        if key not in self._runs:
            try:
                self._runs[key] = self._perform(plan)
            except Undecided as undecided:
                self._runs[key] = undecided
        found = self._runs[key]
        if isinstance(found, Undecided):
            raise found
        self.cited.trace = found
        return found

    def runs(self) -> list[Run]:
        """All runs so far."""
        return [run for run in self._runs.values() if isinstance(run, Run)]

    def happy(self) -> Run:
        """The run in which nothing goes wrong. Raises HarnessError where its scenario calls an unknown tool."""
        run = self.run()
        stray = self.stray_call()
        if stray is not None:
            raise HarnessError(stray, trace=run)
        return run

    def resume(
        self,
        run: Run,
        *,
        answers: Mapping[str, Answer] | None = None,
        at: int | None = None,
        store: Path | None = None,
        on: Machine = ELSEWHERE,
        meeting: Party | None = None,
        **conditions: Any,
    ) -> Run:
        """Go on with a run in a fresh process; the run itself stays as it is. Equal conditions share one run.

        Args:
            run: a run that waits for a human, was stopped, or is over.
            answers: question id → answer; None: those that the scenario gives; {}: none.
            at: of a reducer: the step (from 0) after which to go on; default: the last.
            store: of a host: the store to go on from; default: a copy of the run's. The tools
                remember the idempotency keys that were used with a store.
            on: the machine.
            meeting: with other resumptions of the same store, at the same moment.
            conditions: those of `run` that change.
        """
        plan = self._changed(run.plan, conditions, on)
        key = f"{self.kind} {run.run} {plan!r} {answers!r} {at}"
        known = self._runs.get(key) if store is None else None
        if isinstance(known, Run):
            self.cited.trace = known
            return known
        again, world = self._continuing(run, plan, at, store)
        world.meeting = meeting
        try:
            self._go_on(again, world, run, answers, at, store, on)
        finally:
            again.close()
            if meeting is not None:
                meeting.leave()
        if store is None:
            self._runs[key] = again
        self.cited.trace = again
        return again

    def fork(
        self,
        run: Run,
        *answers: Mapping[str, Answer],
        at: int | None = None,
        on: Machine = ELSEWHERE,
        **conditions: Any,
    ) -> Run:
        """Go on with a run twice in one fresh process, as the sessions "main" and "fork", one after the other.

        Args:
            run, at, on, conditions: as for `resume`.
            answers: of a host: those for each of the two.
        """
        again, world = self._continuing(run, self._changed(run.plan, conditions, on), at)
        world.continue_from(_until(run, at), "fork")
        if (script := script_of(again.model)) is not None:
            script.fork("main", "fork")
        try:
            if self.kind == "R":
                snapshot = run.snapshots[-1 if at is None else at]
                reducers.resume_all(self.stages, again, world, snapshot, ("main", "fork"), on)
            else:
                again.stores = {name: self.copied_store(run) for name in ("main", "fork")}
                hosts.resume_all(self.stages, again, world, dict(zip(again.stores, answers, strict=True)), on)
        finally:
            again.close()
        self.cited.trace = again
        return again

    @staticmethod
    def _changed(plan: Plan, conditions: dict[str, Any], on: Machine) -> Plan:
        if "returns" in conditions:
            conditions = {**conditions, "returns": tuple(sorted(conditions["returns"].items()))}
        return replace(plan, **{"stop": None, "leave": False, **conditions}, machine=on, resume_on=on)

    def _continuing(self, run: Run, plan: Plan, at: int | None, store: Path | None = None) -> tuple[Run, World]:
        """A new run that stands where this one stands, and its world."""
        again = self._new_run(plan)
        again.ledger = dict(run.ledger) if store is None else self._ledgers.setdefault(store, dict(run.ledger))
        again.model = self._continued(run, at)
        world = self._world(again, plan)
        world.continue_from(_until(run, at))
        return again, world

    def launch_again(self, run: Run) -> Run:
        """Launch a host's sessions once more on copies of their stores: each delivery comes a second time."""
        again = self._new_run(run.plan)
        again.ledger = run.ledger
        again.model = self._model(run.plan)
        try:
            hosts.launch_again(self.stages, again, self._world(again, run.plan), run)
        finally:
            again.close()
        self.cited.trace = again
        return again

    @contextmanager
    def reducer(self, machine: Machine = HERE) -> Iterator[Remote]:
        """The reducer in a fresh process, to be called step by step. Raises Untestable where it breaks."""
        world = World(self.target, self.scenario, Trace(), Script((), self.scenario))
        try:
            with reducers.opened(self.stages, machine, world) as remote:
                yield remote
        except ReducerFailed as failed:
            raise NotReached(f"the reducer raised {failed}") from None
        except Closed:
            raise NotReached("the reducer ended its own process") from None
        except TimeoutError:
            raise NotReached(f"the reducer took more than {self.target.limits.seconds:g} s over one event") from None

    def copied_store(self, run: Run, name: str = "main") -> Path:
        """A copy of a host's store, journals and all."""
        return hosts.copied_store(self.stages, run, name)

    @staticmethod
    def at_once(*works: Callable[[], T]) -> list[T]:
        """Several pieces of work at the same time, each of which must use a machine of its own."""
        results: list[Any] = [None] * len(works)

        def carry_out(index: int) -> None:
            try:
                results[index] = works[index]()
            except BaseException as error:
                results[index] = error

        threads = [threading.Thread(target=carry_out, args=(i,)) for i in range(len(works))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    def _plan(self, turns: tuple[Turn, ...], conditions: dict[str, Any]) -> Plan:
        returns = tuple(sorted(conditions.pop("returns", {}).items()))
        triggers = conditions.pop("triggers", {"main": self.scenario.trigger})
        humans = conditions.pop("humans", None)
        broken = conditions.pop("faults", None)
        return Plan(
            turns=turns or self.scenario.turns,
            faults=faults(broken) if isinstance(broken, (Fault, Faults)) else Faults(),
            returns=returns,
            triggers=tuple(triggers.items()),
            humans=humans if humans is None or isinstance(humans, Silence) else tuple(humans),
            **conditions,
        )

    def _perform(self, plan: Plan) -> Run:
        run = self._new_run(plan)
        run.model = self._model(plan)
        world = self._world(run, plan)
        run.append("launched", kind=self.kind, triggers=dict(plan.triggers), machine=plan.machine)
        adapter = {"R": reducers, "C": callables, "H": hosts}[self.kind]
        try:
            adapter.perform(self.stages, run, world, plan)
            self._note_unused(run)
        finally:
            run.close()
        if world.problem is None and isinstance(run.model, Replay) and run.first("miss"):
            world.problem = HarnessError(f"a request was not recorded: {run.reach('miss')['reason']}")
        if world.problem is not None:
            world.problem.trace = run
            raise world.problem
        self._insist_on_model(run)
        return run

    def _note_unused(self, run: Run) -> None:
        """Leave a note where the recording holds more than was asked for."""
        if isinstance(run.model, Recited) and run.model.unsaid:
            run.append("probe", name="unused_recordings", value={"count": run.model.unsaid, "first": "a decision"})
            self._unsaid = run.model.unsaid
        if not isinstance(run.model, Replay):
            return
        numbers, unused = run.model.player.left(), run.model.player.unused()
        self._left[self.kind] = self._left.get(self.kind, set(numbers)) & set(numbers)
        if unused:
            value = {"count": len(unused), "first": f"{unused[0].request.method} {unused[0].request.path}"}
            run.append("probe", name="unused_recordings", value=value)

    def _go_on(
        self,
        again: Run,
        world: World,
        run: Run,
        answers: Mapping[str, Answer] | None,
        at: int | None,
        store: Path | None,
        on: Machine,
    ) -> None:
        name = again.plan.triggers[0][0]
        if self.kind == "R":
            reducers.resume(self.stages, again, world, run.snapshots[-1 if at is None else at], answers or {}, on)
        elif self.kind == "H":
            again.stores = {name: store or self.copied_store(run, name)}
            world.store = again.stores[name]
            given = answers if answers is not None else hosts.due(run, world, name) or {}
            hosts.resume(self.stages, again, world, name, given, on)
            hosts.see_through(self.stages, again, world, name)
        else:
            raise Untestable("a callable cannot be resumed", mend=verdict.MENDS["H"])

    def _new_run(self, plan: Plan) -> Run:
        name = f"{self._worker}{self.kind}{self.stages.next():03d}"
        path = self.traces / f"{name}.jsonl"
        try:
            self.traces.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            return Run(path, name, plan)
        except OSError as error:
            mend = "name another folder with --agentcheck-report=DIR"
            raise HarnessError(f"{self.traces}: cannot be written: {error.strerror}; {mend}") from None

    def _model(self, plan: Plan) -> Model:
        """What replies: where nothing is changed or broken the live model or the recording, else a script.

        A fault or another machine changes what is asked, which no recording can answer; its decisions can be played.
        """
        undisturbed = replace(plan, context=False, watch=False) == self._plan((), {})
        if undisturbed and self._live is not None:
            return self._live()
        if plan.habit is not None:
            return Habitual(self._script(plan), plan.habit)
        if not undisturbed or self._cassette is None:
            return self._script(plan)
        if self.kind == "R":
            return Recited(recorded.decisions(self._cassette))
        return Replay(self._cassette.player(masks=self.target.volatile))

    def _script(self, plan: Plan) -> Script:
        model = Script(plan.turns, self.scenario, self.target.finish, may_call=self._may_improvise)
        if plan.then is not None:
            model.then = plan.then
        return model

    def _may_improvise(self, tool: str) -> bool:
        return tool not in (self.target.human or ()) and self.can_call(tool)

    def _continued(self, run: Run, at: int | None) -> Model:
        """The script of a run, at the place that it had reached there; with the habit that the model had."""
        script, known = self._script(run.plan), script_of(run.model)
        if known is not None:
            script.continue_from(known)
        else:
            script.place = dict(Counter(e.session for e in run.of("model_reply")))
        if at is not None:
            script.place["main"] = sum(e["type"] == "ModelReplied" for e in run.events_fed[:at])
        if not isinstance(run.model, Habitual):
            return script
        model = Habitual(script, run.model.habit)
        model.continue_from(run.model)
        return model

    def _world(self, run: Run, plan: Plan) -> World:
        return World(
            target=self.target,
            scenario=self.scenario,
            trace=run,
            model=run.model,
            faults=plan.faults,
            returns=dict(plan.returns),
            humans=plan.humans,
            stop=plan.stop,
            veto=plan.veto,
            bound=self.bound,
            offered=self.offered,
            ledger=run.ledger,
        )

    def _insist_on_model(self, run: Run) -> None:
        never = run.first("probe", name="never_awaited")
        if never is not None:
            raise HarnessError(f"{self.target.name} never awaits its own work: {never['value']}", trace=run)
        if not run.requests() and run.first("probe", name="unopened") is None:
            raise _no_model(self.target.name, run)

    @cached_property
    def recordings(self) -> list[Trace]:
        """The runs in the target's own recordings in which a model replied, each as a trace.

        Raises:
            Untestable: there is none, or runs cannot be told apart.
            HarnessError: a recording cannot be read; one sentence.
        """
        beside = Path(self.described["module"]).parent
        either = [(self.root / given, beside / given) for given in self.target.recordings]
        paths = [near if near.exists() and not path.exists() else path for path, near in either]
        runs = recorded.written(paths, self.traces, prefix=f"{self._worker}W")
        replied = [run for run in runs if run.of("model_reply")]
        if not replied:
            raise NotReached("in no recorded run did a model reply", mend=verdict.MENDS["W"])
        return replied

    # --- evidence ------------------------------------------------------------------------------

    def seen(self, message: str, *events: Event | None) -> str:
        """The message of a failing assertion, its events kept as evidence."""
        self.cited.events.extend(e for e in events if e is not None)
        return message

    @property
    def volatile(self) -> tuple[str, ...]:
        """Regular expressions of what may differ between runs: what is declared, and where agentcheck put them."""
        return (*self.target.volatile, self.stages.sandboxes)

    def difference(self, one: Trace, other: Trace, session: str | None = None) -> str | None:
        """Where two runs differ in what was said and done; None where they agree."""
        told = [canonical.story(run, self.volatile, session) for run in (one, other)]
        return canonical.difference(*told)

    @staticmethod
    def marker(name: str) -> str:
        """A short text that nothing else contains."""
        return marker(name)


def _until(run: Run, at: int | None) -> list[Event]:
    """What had happened in the first session when it was at a step; None: all of it."""
    saved = run.of("saved", session="main")
    last = saved[at] if at is not None else None
    return run.of(session="main", before=last)


def _target(declared: Mapping[str, Any]) -> Target:
    tools = {name: ToolBinding(**binding) for name, binding in declared["tools"].items()}
    return Target(**{**declared, "tools": tools, "limits": Limits(**declared["limits"])})


def _no_model(name: str, run: Run) -> Undecided:
    """Why a run in which the model was never called says nothing."""
    tried = [event["detail"] for event in run.of("refused", what="connection")]
    for detail in tried:
        spoken = dialects.unread(detail.partition(" ")[2])
        if spoken:
            return Untestable(
                f"{name} speaks {spoken} format ({detail}), which agentcheck does not judge: "
                f"it judges {', '.join(dialect.name for dialect in dialects.known())}",
                trace=run,
            )
    ended = run.finished
    status = run.status
    if status == "failed" and ended is not None:
        error = ended["error"]
        said = " ".join(error["message"].split())[:300]
        if error["kind"] == "BadTrigger":  # our own words
            return HarnessError(f"{name}: {said}", trace=run)
        said += f" ({error['where']})" if error["where"] else ""
        said += f"; agentcheck had refused {tried[0]}" if tried and tried[0] not in said else ""
        return HarnessError(f"{name} raised {error['kind']} before it called the model: {said}", trace=run)
    if status == "timeout" and ended is not None:
        seconds = ended.get("seconds", 0)
        return HarnessError(f"{name} ran for {seconds:g} s without calling the model, and was ended", trace=run)
    if status == "exited" and ended is not None:
        said = f"; it said: {ended['said']}" if ended.get("said") else ""
        how = _exit(ended.get("code"))
        return HarnessError(f"{name} ended its process ({how}) before it called the model{said}", trace=run)
    refused = run.first("refused")
    if refused is not None:
        what = refused["detail"]
        return Untestable(f"{name} made no model request that agentcheck understands; it tried {what}", trace=run)
    return NotReached(f"{name} finished without calling a model", trace=run)


def _exit(code: int | None) -> str:
    return "it is gone" if code is None else f"exit status {code}" if code >= 0 else f"signal {-code}"


def approve(tool: str = "*") -> HumanPlan:
    return HumanPlan(tool, Approved())


__all__ = [
    "CLOCK",
    "ELSEWHERE",
    "FAR",
    "HERE",
    "Lab",
    "Machine",
    "Plan",
    "Run",
    "Silence",
    "Stop",
    "ToolSpec",
    "approve",
]
