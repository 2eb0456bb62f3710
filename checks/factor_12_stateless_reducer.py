"""Factor 12: make your agent a stateless reducer."""

from typing import Any, Final

from hypothesis import strategies as st

from agentcheck.adapters.reducer import Remote
from agentcheck.canonical import difference
from agentcheck.check import Severity, check
from agentcheck.faults import Raises, ToolFails
from agentcheck.finding import NotReached, Untestable
from agentcheck.lab import CLOCK, HERE, Lab, Machine, Run
from agentcheck.order import Order
from agentcheck.overlap import excuse, overlaps
from agentcheck.stories import Story, Teller, holds_for_all, replayed

ORDERS = 10  # each costs a process
BROKEN = ToolFails("*", Raises("it broke"))
YEARS_LATER = Machine(hash_seed=2, clock=CLOCK + 1e8, folder="b", zone="JST-9")  # and in another time zone
HELD: Final[dict[str, Any]] = {m: Machine(clock=CLOCK) for m in ("machine", "resume_on")}
OTHER_SEED: Final = Machine(hash_seed=2)
OTHER_PROCESS: Final[dict[str, Any]] = {m: Machine(hash_seed=2, clock=CLOCK) for m in ("machine", "resume_on")}
REPETITIONS: Final = 3  # on each machine: two choices that chance makes rarely agree so often


@check(
    "F12-reduce-is-pure",
    Severity.MUST,
    "R",
    title="reduce depends on nothing but state and event, and changes neither",
    failure="reduce does more than turn a state and an event into a state and commands",
    remedy="pass the value in as part of an event, and return a new state instead of writing to anything",
    reaches="stories of generated events, each reduced twice under watch",
)
def reduce_is_pure(lab: Lab) -> None:
    """An impure reducer cannot be replayed: a resumed or debugged run is another run."""
    run = lab.happy()
    run.reach("saved")
    told, stories = Story(lab.scenario.trigger), list[Story]()

    def tell(data: st.DataObject) -> None:
        told.__init__(lab.scenario.trigger)  # type: ignore[misc]  # a shrunk story starts afresh
        teller.tell(data, told)
        problem = impurity(told.answers[-1]) if told.answers else ""
        assert not problem, lab.seen(f"{problem}\n{told.code(lab.reference('reducer'))}")
        stories.append(Story(told.trigger, told.events, told.answers))

    with lab.reducer() as remote:
        teller = Teller(remote, lab.scenario.trigger, watch=True, enough=impurity)
        holds_for_all(tell)
        if not teller.reduced:
            raise NotReached("the reducer raises at the first event of every story", trace=run)
        remote.done()
    with lab.reducer(OTHER_SEED) as remote:
        for story in stories:
            problem, until = seed_dependence(remote, story)
            shown = Story(story.trigger, story.events[:until]).code(lab.reference("reducer"))
            assert not problem, lab.seen(f"{problem}\n{shown}")
        remote.done()


@check(
    "F12-replay-rebuilds-state",
    Severity.MUST,
    "R",
    title="folding the events from the start gives the same state in another process",
    failure="the same events give another state in another process",
    remedy="derive everything from the events; avoid hash(), id(), the order of sets, and what only this process knows",
    reaches="a finished run, and its events folded in a fresh process with another hash seed",
)
def replay_rebuilds_state(lab: Lab) -> None:
    """The events are the log from which an operator rebuilds what happened, on another machine, months later."""
    for run in (lab.happy(), lab.run(faults=BROKEN)):
        live = [s.state for s in run.snapshots]
        if None in live:
            raise Untestable(
                "the state is no plain data, so it cannot be compared: see F06-snapshot-is-data", trace=run
            )
        with lab.reducer(YEARS_LATER) as remote:
            rebuilt = replayed(remote, lab.scenario.trigger, run.events_fed)
            remote.done()
        at = next((n for n, (a, b) in enumerate(zip(live, rebuilt, strict=True)) if a != b), None)
        assert at is None, lab.seen(
            f"after event {at} of {len(live) - 1} the rebuilt state differs: {apart(live, rebuilt, at)}"
        )


@check(
    "F12-instances-hold-no-state",
    Severity.MUST,
    "RCH",
    title="interleaved sessions through one instance equal the separate ones",
    failure="one session changes what another does",
    remedy="keep nothing of a session on the instance, the class or the module; keep it in the state that is passed in",
    reaches="two sessions of one process: one after the other, one in the middle of the other, both at once",
)
def instances_hold_no_state(lab: Lab) -> str | None:
    """A server handles many customers in one process; what it remembers of one shows up at another."""
    triggers = {"main": lab.scenario.trigger, "other": lab.scenario.trigger}
    in_turn = lab.run(triggers=triggers, **HELD)
    for session in triggers:
        in_turn.reach("model_request", session=session)
    _insist_on_likeness(lab, in_turn, "one after the other")
    if lab.kind != "R":
        return _at_once(lab, triggers)
    _insist_on_likeness(lab, lab.run(triggers=triggers, interleaved=True, **HELD), Order.MIDDLE)
    sessions_may_be_mixed(lab)
    return None


def _at_once(lab: Lab, triggers: dict[str, Any]) -> str:
    """Likewise with both sessions in flight; in which ways they were. Raises NotReached where in none."""

    def is_unlike(run: Run) -> bool:
        return _unlike(lab, run) is not None

    held, undecided = dict[str, list[str]](), ""
    for found in overlaps(lab, triggers=triggers, **HELD):
        why = _unlike(lab, found.run) and excuse(lab, found, is_unlike, triggers=triggers, **HELD)
        undecided = undecided or (f"; not decided of two sessions, {found}: {why}" if why else "")
        if not why:
            _insist_on_likeness(lab, found.run, str(found))
        if found.met and not why:
            held.setdefault(found.by, []).append(found.way)
    if not held:
        raise NotReached(f"no two sessions were in flight at once{undecided}", trace=lab.cited.trace)
    ways = "; ".join(f"{by}: {', '.join(orders)}" for by, orders in held.items())
    return f"two sessions are each what they are alone, one after the other; {ways}{undecided}"


def _insist_on_likeness(lab: Lab, both: Run, how: str) -> None:
    """Each session of a run is what it is alone."""
    unlike = _unlike(lab, both)
    if unlike is not None and _reproduced(lab)[1] is not None:
        raise Untestable("follows from F12-run-is-deterministic: the same run alone is not twice the same")
    session, apart_at = unlike or ("", None)
    assert apart_at is None, lab.seen(
        f"with two sessions, {how}, session {session!r} is not what it is alone: {apart_at}", *both.requests(session)
    )


def _unlike(lab: Lab, both: Run) -> tuple[str, str] | None:
    """The first session of a run that is not what it is alone, and where they differ."""
    for session, trigger in both.plan.triggers:
        apart_at = lab.difference(lab.run(triggers={session: trigger}, **HELD), both, session)
        if apart_at is not None:
            return session, apart_at
    return None


@check(
    "F12-run-is-deterministic",
    Severity.MUST,
    "RCH",
    title="the same trigger, replies and results give the same requests",
    failure="the same trigger, replies and results give other requests",
    remedy="sort what comes from sets, seed or drop randomness, and take times from the events",
    reaches="the whole run in two fresh processes with different hash seeds",
)
def run_is_deterministic(lab: Lab) -> None:
    """What cannot be reproduced cannot be debugged, and no recorded run can be replayed against it."""
    one, apart_at, other = _reproduced(lab)
    assert apart_at is None, lab.seen(
        f"two processes, same input: {apart_at}", *one.requests()[:1], *other.requests()[:1]
    )


def _reproduced(lab: Lab) -> tuple[Run, str | None, Run]:
    """The happy run, the first difference to it of one of its repetitions in fresh processes, and that one."""
    one = other = lab.run(**HELD)
    if one.reach("finished")["status"] in ("failed", "exited", "timeout"):
        raise NotReached(f"the undisturbed run does not come to its end: it is {one.status}", trace=one)
    for again in range(REPETITIONS):
        for conditions in (OTHER_PROCESS, HELD):
            other = lab.run(again=again + (conditions is HELD), **conditions)
            apart_at = lab.difference(one, other)
            if apart_at is not None:
                return one, apart_at, other
    return one, None, other


def impurity(answer: Any) -> str:
    """What was impure about one call of reduce, in one line; nothing where it was pure."""
    if answer["impure"]:
        first = answer["impure"][0]
        return f"reduce uses {first['what']} at {first['chain']}"
    if answer["changed"]:
        return f"reduce writes to {answer['changed'][0]}"
    if answer["mutated"]:
        return f"reduce changes {answer['mutated']}"
    return (
        f"the same state and event gave two results, different in {', '.join(answer['differs'])}"
        if answer["differs"]
        else ""
    )


def seed_dependence(remote: Remote, story: Story) -> tuple[str, int]:
    """Where a story goes another way in a process with another hash seed, by which lines, and after how many events."""
    answer: dict[str, Any] = {}
    for number, was in enumerate(story.answers):
        op = "reduce" if number else "start"
        order = {"state": answer["state"], "event": story.events[number - 1]} if number else {"trigger": story.trigger}
        answer = remote.order(op, **order)
        differs = [k for k in ("json", "commands") if answer[k] != was[k]]
        if differs:
            return blamed(remote.order(op, **order, suspects=True)["suspects"], differs), number
    return "", 0


def blamed(suspects: list[dict[str, str]], differs: list[str]) -> str:
    kinds = " and ".join({"json": "another state", "commands": "other commands"}[k] for k in differs)
    lines = "; or ".join(f"{one['what']}, at {one['chain']}" for one in suspects[:3])
    return (
        f"a process with another hash seed comes to {kinds} from the same state and event: "
        f"reduce depends on {lines or 'what a module was given when it was imported'}"
    )


def apart(live: list[Any], rebuilt: list[Any], at: int | None) -> str:
    return "" if at is None else str(difference([repr(live[at])], [repr(rebuilt[at])]))


def sessions_may_be_mixed(lab: Lab) -> None:
    """Property: in whichever order the events of two runs arrive, each run's states are those that it has alone."""
    runs: list[Run] = [lab.happy(), lab.run(faults=BROKEN)]

    def mixed(data: st.DataObject) -> None:
        order = data.draw(st.permutations([0] * len(runs[0].events_fed) + [1] * len(runs[1].events_fed)))
        with lab.reducer(HERE) as remote:
            at = [remote.order("start", trigger=lab.scenario.trigger) for _ in runs]
            fed = [0, 0]
            for who in order:
                at[who] = remote.order("reduce", state=at[who]["state"], event=runs[who].events_fed[fed[who]])
                fed[who] += 1
                expected = runs[who].snapshots[fed[who]].state
                assert at[who]["json"] == expected, lab.seen(f"in the order {order} session {who} has another state")
            remote.done()

    holds_for_all(mixed, examples=ORDERS)
