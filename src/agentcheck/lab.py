"""The lab: runs target × scenario × faults and hands back traces. All that the author of a check holds."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agentcheck import canonical, verdict
from agentcheck.adapters.process import CLOCK, Stage, resumption, session
from agentcheck.adapters.reducer import Driver, ReducerFailed, Remote, Snapshot
from agentcheck.check import Check
from agentcheck.faults import Fault, Faults, faults
from agentcheck.finding import Finding, HarnessError, NotApplicable, NotReached, Undecided, Untestable
from agentcheck.framing import Closed
from agentcheck.jsonvalues import example
from agentcheck.messages import ToolSpec
from agentcheck.model import Model, Script
from agentcheck.planted import planted_secrets
from agentcheck.process import Fork, Machine, Zygote, environment, interpreter
from agentcheck.reducer import Answer, Approved, to_data
from agentcheck.scenario import Call, HumanPlan, Scenario, ScenarioError, Turn
from agentcheck.target import Limits, Target, ToolBinding
from agentcheck.trace import Event, Trace
from agentcheck.world import CutOff, Silence, Stop, World, marker

HERE = Machine()
ELSEWHERE = Machine(hash_seed=2, folder="b")
MOST_RESUMES = 25


@dataclass(frozen=True)
class Plan:
    """The conditions of one run. Equal plans give the same run."""

    turns: tuple[Turn, ...] | None = None
    then: Turn | None = None
    faults: Faults = Faults()
    returns: tuple[tuple[str, Any], ...] = ()
    humans: tuple[HumanPlan, ...] | Silence | None = None
    triggers: tuple[tuple[str, Any], ...] = ()
    interleaved: bool = False
    machine: Machine = HERE
    resume_on: Machine = HERE
    stop: Stop | None = None
    context: bool = False
    watch: bool = False
    asks_model: bool = True


class Run(Trace):
    """A trace, and what is needed to go on from where it stands."""

    plan: Plan
    model: Model
    stores: dict[str, Path]  # of a host: session -> its store as the run left it
    snapshots: list[Snapshot]  # of a reducer: after every step
    events_fed: list[Mapping[str, Any]]  # of a reducer: all events, in order
    files: tuple[str, ...] = ()  # project files that the agent read
    ledger: dict[str, Any]

    def __init__(self, path: Path, name: str, plan: Plan):
        super().__init__(path, run=name)
        self.plan = plan
        self.stores, self.snapshots, self.events_fed, self.ledger = {}, [], [], {}


@dataclass
class _Citations:
    events: list[Event] = field(default_factory=list)
    trace: Trace | None = None


class Lab:
    """One target under test. Use it as a context manager, or call `close`.

    Raises:
        HarnessError: the target does not import, or is nothing that can be run; one sentence.
    """

    def __init__(self, config: Any, *, rootdir: Path, reports: Path, worker: str = ""):
        self.config = config
        self.root = rootdir.resolve()
        self.traces = reports / "traces"
        self._worker = worker
        self._folder = Path(tempfile.mkdtemp(prefix="agentcheck-")).resolve()
        self.planted = planted_secrets()
        self._zygotes: dict[int, Stage] = {}
        self._runs: dict[str, Run | Undecided] = {}
        self._count = 0
        self._lock = threading.Lock()
        self.cited = _Citations()
        try:
            self.described = self._stage(HERE).zygote.described
            self.target = _target(self.described["declared"])
            self.scenario = self._read_scenario()
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
        for stage in self._zygotes.values():
            stage.zygote.close()
        self._zygotes.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def judge(self, check: Check) -> Finding:
        """The finding of one check about this target."""
        return verdict.judge(self, check)

    def begin(self, kind: str) -> None:
        """Judge as this kind of target from now on, with no evidence yet."""
        self.kind = kind
        self.cited = _Citations()

    def describe(self) -> dict[str, Any]:
        framework = self.described["framework"]
        return {"name": self.target.name, "kind": self.kinds, "framework": framework or None}

    def _read_scenario(self) -> Scenario:
        given = self.target.scenario
        try:
            if given is None:
                return Scenario()
            if isinstance(given, Mapping):
                return Scenario.parse(given, where="scenario", folder=self.root)
            path = next((p for p in (self.root / given, Path(self.described["module"]).parent / given) if p.exists()), self.root / given)
            return Scenario.read(path)
        except ScenarioError as error:
            raise HarnessError(str(error)) from None

    # --- processes -----------------------------------------------------------------------------

    def _stage(self, machine: Machine) -> Stage:
        stage = self._zygotes.get(machine.hash_seed)
        if stage is None or not stage.zygote.alive:
            stage = Stage(self._new_zygote(machine), project=self.root, known=set())
            self._zygotes[machine.hash_seed] = stage
        return stage

    def _new_zygote(self, machine: Machine) -> Zygote:
        sandbox = self._folder / f"stage-{machine.hash_seed}"
        shutil.rmtree(sandbox, ignore_errors=True)
        (sandbox / "tmp").mkdir(parents=True)
        config = self.config
        package = str(Path(__file__).parent.parent)
        return Zygote(
            {
                "target": config.target,
                **{part: getattr(config, part, None) for part in ("reducer", "run", "host")},
                "declared": config.declarations(),
                "path": [str(self.root), str(self.root / "src"), package],
                "project": self._project_folders(),
            },
            hash_seed=machine.hash_seed,
            sandbox=sandbox,
            environment=environment(self.planted, getattr(config, "environment", None) or {}, sandbox),
            python=interpreter(getattr(config, "python", None)),
        )

    def _project_folders(self) -> list[str]:
        """Where the user's own code is: the project, and the bundled reference agents."""
        import agentcheck.fixtures

        return [str(self.root), *(str(Path(p).resolve()) for p in agentcheck.fixtures.__path__)]

    # --- runs ----------------------------------------------------------------------------------

    def run(self, *turns: Turn, **conditions: Any) -> Run:
        """Run the target once under these conditions; equal conditions share one run.

        Args:
            turns: what the model decides, in order; none: the scenario's own decisions.
            then: what the model decides ever after; default: it says that the job is done.
            faults: what breaks: a Fault, several joined with `&`.
            returns: tool → what it returns instead.
            humans: HumanPlans, or Silence(); default: the scenario's answers, else approval.
            triggers: session → trigger, for several sessions in one process.
            interleaved: the further sessions run in the middle of the first.
            machine, resume_on: where it starts and where it is resumed.
            stop: a Stop: kill, or ask to stop, at a crossing; the run is resumed after it.

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

    def happy(self) -> Run:
        """The run in which nothing goes wrong."""
        return self.run()

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
        try:
            {"R": self._reduce, "C": self._call, "H": self._host}[self.kind](run, world, plan)
        finally:
            run.close()
        if world.problem is not None:
            raise Untestable(world.problem.message, mend=world.problem.mend, trace=run)
        if plan.asks_model:
            self._insist_on_model(run)
        return run

    def _new_run(self, plan: Plan) -> Run:
        with self._lock:
            self._count += 1
            name = f"{self._worker}{self.kind}{self._count:03d}"
        try:
            self.traces.mkdir(parents=True, exist_ok=True)
            path = self.traces / f"{name}.jsonl"
            path.unlink(missing_ok=True)
            return Run(path, name, plan)
        except OSError as error:
            raise HarnessError(f"{self.traces}: cannot be written: {error.strerror}; name another folder with --agentcheck-report") from None

    def _model(self, plan: Plan) -> Script:
        then = {"then": plan.then} if plan.then is not None else {}
        return Script(plan.turns, self.scenario, self.target.finish, may_call=self._may_improvise, **then)

    def _may_improvise(self, tool: str) -> bool:
        return tool not in (self.target.human or ()) and self.can_call(tool)

    def can_call(self, tool: str) -> bool:
        """Whether a decision may name this tool: it is bound, and something says what it returns."""
        if self.kind == "R":
            return True
        found = self._bound.get(tool, {})
        return bool(found.get("bound")) and (bool(found.get("value")) or tool in self.scenario.returns or tool in (self.target.human or ()))

    @property
    def _bound(self) -> dict[str, dict[str, Any]]:
        return self.__dict__.setdefault(f"_bound_{self.kind}", {})  # type: ignore[no-any-return]

    @property
    def _offered(self) -> dict[str, ToolSpec]:
        return self.__dict__.setdefault(f"_offered_{self.kind}", {})  # type: ignore[no-any-return]

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
            bound=self._bound,
            offered=self._offered,
            ledger=run.ledger,
        )

    def _insist_on_model(self, run: Run) -> None:
        if run.requests():
            if run.first("probe", name="never_awaited"):
                never = run.first("probe", name="never_awaited")
                raise HarnessError(f"the target never awaits its own work: {never['value'] if never else ''}", trace=run)
            return
        never = run.first("probe", name="never_awaited")
        ended = run.finished
        raise _no_model(self.target.name, never, ended, run)

    # --- callable ----------------------------------------------------------------------------

    def _call(self, run: Run, world: World, plan: Plan) -> None:
        job = {"kind": "C", "sessions": [session(n, t) for n, t in plan.triggers], "interleaved": plan.interleaved, "context": plan.context}
        last = self._stage(plan.machine).play(world, job, plan.machine)
        run.files = tuple(last.get("files", ()))

    # --- host --------------------------------------------------------------------------------

    def _host(self, run: Run, world: World, plan: Plan) -> None:
        run.stores = {name: self._new_store() for name, _ in plan.triggers}
        sessions = [session(n, t, run.stores[n]) for n, t in plan.triggers]
        job = {"kind": "H", "sessions": sessions, "interleaved": plan.interleaved, "context": plan.context, "writable": [str(s) for s in run.stores.values()]}
        world.store = run.stores[plan.triggers[0][0]]
        last = self._stage(plan.machine).play(world, job, plan.machine)
        run.files = tuple(last.get("files", ()))
        if plan.context and run.stores:
            job["store"] = str(world.store)
        for name in run.stores:
            self._see_through(run, world, name, plan)

    def _see_through(self, run: Run, world: World, name: str, plan: Plan) -> None:
        """Answer and resume one session until it is over, or waits for somebody who is silent."""
        for _ in range(MOST_RESUMES):
            answers = self._due(run, world, name)
            if answers is None:
                return
            self._resume_host(run, world, name, answers, plan.resume_on)

    def _due(self, run: Run, world: World, name: str) -> dict[str, Answer] | None:
        """The answers with which a session is to be resumed; None where it is not."""
        last = next((e for e in reversed(run.events) if e.type in ("finished", "killed") and e.session in (name, "main")), None)
        if last is None or run.status == "timeout":
            return None
        stopped = run.first("probe", name="asked_to_stop") is not None
        if last.type == "killed" or (last["status"] == "exited" and stopped and not run.of("resumed")):
            return {} if not run.of("resumed", after=last) else None
        if last["status"] != "waiting":
            return None
        questions = last.get("questions") or []
        if not questions:
            return {} if len(run.of("resumed")) < 2 else None
        answers = {}
        for question in questions:
            answer = world.answer_to(question["kind"], (question.get("call") or {}).get("name") or "*")
            if answer is not None:
                answers[question["id"]] = answer
        return answers or None

    def _resume_host(self, run: Run, world: World, name: str, answers: Mapping[str, Answer], machine: Machine) -> None:
        run.append("resumed", session=name, machine=machine, answers=to_data(dict(answers)))
        for id, answer in answers.items():
            run.append("answered", session=name, id=id, answer=to_data(answer))
        if isinstance(run.model, Script):
            run.model.resumed.add(name)
        store = run.stores[name]
        job = {"kind": "H", "sessions": [resumption(name, store, answers)], "writable": [str(store)], "context": run.plan.context, "store": str(store)}
        self._stage(machine).play(world, job, machine)

    def _new_store(self) -> Path:
        with self._lock:
            self._count += 1
            store = self._folder / f"store-{self._count}"
        store.mkdir()
        return store

    # --- reducer -----------------------------------------------------------------------------

    def _reduce(self, run: Run, world: World, plan: Plan) -> None:
        if plan.stop is not None:
            raise Untestable("agentcheck itself is the host of a bare reducer", mend='[tool.agentcheck]\nhost = "module:object"  # with launch and resume')
        with self._reducer(plan.machine) as fork:
            try:
                remote = Remote(fork, self.target.limits.seconds)
                drivers = [Driver(remote, world, session=name, watch=plan.watch) for name, _ in plan.triggers]
                self._drive(drivers, [t for _, t in plan.triggers], plan.interleaved)
                remote.done()
            except ReducerFailed as failed:
                run.append("finished", status="failed", error=failed.error)
            except CutOff as cut:
                run.append("killed", point=cut.point)
            except TimeoutError:
                run.append("finished", status="timeout", seconds=self.target.limits.seconds)
            except Closed:
                run.append("finished", status="exited")
            run.snapshots = [s for d in drivers[:1] for s in d.snapshots]
            run.events_fed = [e for d in drivers[:1] for e in d.events]

    def _drive(self, drivers: list[Driver], triggers: list[Any], interleaved: bool) -> None:
        if not interleaved:
            for driver, trigger in zip(drivers, triggers, strict=True):
                driver.start(trigger)
                driver.run()
            return
        for driver, trigger in zip(drivers, triggers, strict=True):
            driver.start(trigger)
        while any(d.pending and not d.over for d in drivers):
            for driver in drivers:
                if driver.pending and not driver.over:
                    event = driver.carry_out(driver.pending.pop(0))
                    if event is not None:
                        driver.feed(event)
        for driver in drivers:
            driver.run()

    def _reducer(self, machine: Machine) -> Any:
        stage = self._stage(machine)
        stage.count += 1
        sandbox = stage.zygote.sandbox / f"reducer-{stage.count}"
        (sandbox / "tmp").mkdir(parents=True)
        return stage.zygote.run(stage._job({"kind": "R", "sessions": []}, sandbox, machine, World(self.target, self.scenario, Trace(), Script((), self.scenario))))

    def reducer(self, machine: Machine = HERE) -> "ReducerBench":
        """The reducer in a process of its own, to be called step by step; use it in a `with` block."""
        return ReducerBench(self, machine)

    # --- resuming ----------------------------------------------------------------------------

    def resume(self, run: Run, *, answers: Mapping[str, Answer] | None = None, at: int | None = None, store: Path | None = None, on: Machine = ELSEWHERE, **conditions: Any) -> Run:
        """Go on with a run in a fresh process; the run itself stays as it is.

        Args:
            run: a run that waits for a human, was stopped, or is over.
            answers: question id → answer; None: those that the scenario gives; {}: none.
            at: of a reducer: the step (from 0) after which to go on; default: the last.
            store: of a host: the store to go on from; default: a copy of the run's.
            on: the machine.
        """
        plan = replace(run.plan, **{k: v for k, v in conditions.items() if k in Plan.__dataclass_fields__}, machine=on, resume_on=on)
        again = self._new_run(plan)
        again.ledger = run.ledger
        again.model = self._continued(run, at)
        world = self._world(again, plan)
        name = plan.triggers[0][0]
        try:
            if self.kind == "R":
                self._resume_reducer(again, world, run.snapshots[-1 if at is None else at], answers, on)
            elif self.kind == "H":
                self._resume_store(again, world, run, name, answers, store, on)
            else:
                raise Untestable("a callable cannot be resumed", mend='[tool.agentcheck]\nhost = "module:object"  # with launch and resume')
        finally:
            again.close()
        self.cited.trace = again
        return again

    def _continued(self, run: Run, at: int | None) -> Script:
        """The script of a run, at the place that it had reached there."""
        model = self._model(run.plan)
        if isinstance(run.model, Script):
            model._made = {k: list(v) for k, v in run.model._made.items()}
            model._asked = {k: list(v) for k, v in run.model._asked.items()}
            place = dict(run.model.place)
            if at is not None:
                place["main"] = sum(e["type"] in ("ModelReplied",) for e in run.events_fed[:at])
            model.place = place
        return model

    def _resume_reducer(self, again: Run, world: World, snapshot: Snapshot, answers: Mapping[str, Answer] | None, on: Machine) -> None:
        with self._reducer(on) as fork:
            try:
                remote = Remote(fork, self.target.limits.seconds)
                driver = Driver(remote, world)
                again.append("resumed", machine=on)
                driver.load(snapshot)
                for id, answer in (answers or {}).items():
                    again.append("answered", id=id, answer=to_data(answer))
                    driver.pending = [c for c in driver.pending if c.get("id") != id]
                    driver.feed(driver.answered(id, answer))
                driver.run()
                remote.done()
                again.snapshots, again.events_fed = driver.snapshots, driver.events
            except ReducerFailed as failed:
                again.append("finished", status="failed", error=failed.error)
            except CutOff as cut:
                again.append("killed", point=cut.point)
            except TimeoutError:
                again.append("finished", status="timeout")
            except Closed:
                again.append("finished", status="exited")

    def _resume_store(self, again: Run, world: World, run: Run, name: str, answers: Mapping[str, Answer] | None, store: Path | None, on: Machine) -> None:
        again.stores = {name: store or self.copied_store(run)}
        world.store = again.stores[name]
        given = answers if answers is not None else self._due(run, world, name) or {}
        self._resume_host(again, world, name, given, on)
        self._see_through(again, world, name, again.plan)

    def copied_store(self, run: Run, name: str = "main") -> Path:
        """A copy of a host's store, journals and all."""
        copy = self._new_store()
        shutil.copytree(run.stores[name], copy, dirs_exist_ok=True)
        return copy

    def at_once(self, *works: Callable[[], Run]) -> list[Run]:
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

    # --- what the target offers ----------------------------------------------------------------

    @property
    def tools(self) -> dict[str, ToolSpec]:
        """The tools (or intents) that the agent offers the model, from its own requests."""
        self.happy()
        return dict(self._offered)

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
            if self.tools[tool].parameters.get("properties") if tool in self.tools else False:
                return tool
        raise self._no_tool("that takes arguments ")

    def _no_tool(self, which: str = "") -> Untestable:
        unbound = {t: b for t, b in self._bound.items() if not (b.get("bound") and b.get("value"))}
        if not self.tools:
            return NotReached("the agent offers the model no tools", mend="give the scenario decisions that the agent understands: [[model]] text = …")
        if not unbound:
            return NotReached(f"no tool {which}of the agent was called")
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
        return example(spec.parameters) if spec else {}

    def call(self, tool: str | None = None, arguments: Mapping[str, Any] | str | None = None) -> Turn:
        """The model's decision to call a tool (default: `lab.tool`), by default with good arguments."""
        name = tool or self.tool
        return Turn(calls=(Call(name, self.arguments(name) if arguments is None else arguments),))

    def high_stakes(self) -> str:
        """A tool that needs approval. Raises NotApplicable or Untestable where there is none."""
        if self.target.high_stakes is None:
            raise Untestable("which tools need a human's approval is not said", mend="[tool.agentcheck]\nhigh_stakes = []  # names of tools")
        if not self.target.high_stakes:
            raise NotApplicable("declared: no tool needs approval (high_stakes = [])")
        self.happy()
        for tool in self.target.high_stakes:
            if tool in self._offered and self.can_call(tool):
                return tool
        raise self._no_tool("of high stakes ")

    def human_tool(self) -> str:
        """The tool that asks a human. Raises NotApplicable or Untestable where there is none."""
        if self.target.human is None:
            raise Untestable("which tools reach a human is not said", mend="[tool.agentcheck]\nhuman = []  # names of tools")
        if not self.target.human:
            raise NotApplicable("declared: no tool reaches a human (human = [])")
        return self.target.human[0]

    # --- evidence ------------------------------------------------------------------------------

    def seen(self, message: str, *events: Event | None) -> str:
        """The message of a failing assertion, its events kept as evidence."""
        self.cited.events.extend(e for e in events if e is not None)
        return message

    def difference(self, one: Trace, other: Trace, session: str | None = None) -> str | None:
        """Where two runs differ in what was said and done; None where they agree."""
        volatile = self.target.volatile
        return canonical.difference(canonical.story(one, volatile, session), canonical.story(other, volatile, session))

    @staticmethod
    def marker(name: str) -> str:
        """A short text that nothing else contains."""
        return marker(name)


class ReducerBench:
    """A reducer in a fresh process: start, reduce and load, one call at a time."""

    def __init__(self, lab: Lab, machine: Machine):
        self._lab = lab
        self._context = lab._reducer(machine)

    def __enter__(self) -> Remote:
        fork: Fork = self._context.__enter__()
        return Remote(fork, self._lab.target.limits.seconds)

    def __exit__(self, *exc: Any) -> None:
        self._context.__exit__(*exc)


def _target(declared: Mapping[str, Any]) -> Target:
    tools = {name: ToolBinding(**binding) for name, binding in declared["tools"].items()}
    return Target(**{**declared, "tools": tools, "limits": Limits(**declared["limits"])})


def _no_model(name: str, never: Event | None, ended: Event | None, run: Run) -> Undecided:
    """Why a run in which the model was never called says nothing."""
    if never is not None:
        return HarnessError(f"{name} never awaits its own work: {never['value']}", trace=run)
    status = ended["status"] if ended else "unfinished"
    if status == "failed" and ended is not None:
        error = ended["error"]
        return HarnessError(f"{name} raised {error['kind']} before it called the model: {error['message'][:300]} ({error['where']})", trace=run)
    if status == "timeout":
        return HarnessError(f"{name} ran for {ended['seconds'] if ended else 0:g} s without calling the model, and was ended", trace=run)
    if status == "exited" and ended is not None:
        said = f"; it said: {ended['said']}" if ended.get("said") else ""
        how = _exit(ended.get("code"))
        return HarnessError(f"{name} ended its process ({how}) before it called the model{said}", trace=run)
    refused = run.first("refused")
    if refused is not None:
        return Untestable(f"{name} made no model request that agentcheck understands; it tried {refused['detail']}", trace=run)
    return NotReached(f"{name} finished without calling a model", trace=run)


def _exit(code: int | None) -> str:
    return "it is gone" if code is None else f"exit status {code}" if code >= 0 else f"signal {-code}"


def approve(tool: str = "*") -> HumanPlan:
    return HumanPlan(tool, Approved())


__all__ = ["CLOCK", "ELSEWHERE", "HERE", "Lab", "Machine", "Plan", "Run", "Silence", "Stop", "approve"]
