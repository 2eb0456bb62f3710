"""Factor 8: own your control flow."""

from typing import Final

from agentcheck.check import Severity, check
from agentcheck.ending import cut_off, done_more_often, done_twice, unclear
from agentcheck.faults import (
    NO_FAULTS,
    CutStream,
    EmptyReply,
    Faults,
    Http,
    LengthLimit,
    ModelFails,
    ModelFailure,
    Refusal,
    Reset,
    StallStream,
    TimesOut,
    UnknownFinish,
)
from agentcheck.finding import NotApplicable, NotReached, Untestable
from agentcheck.habits import cut_in_a_text, quiet, restless
from agentcheck.lab import Lab, Run, Stop
from agentcheck.scenario import Turn
from agentcheck.spending import spent
from agentcheck.wording import told_after

MOST_CALLS: Final = 200  # model calls of one run, where the target declares no bound
RETRY_AFTER: Final = 7.0  # seconds, more than clients wait of themselves
GUARD: Final = (
    '[tool.agentcheck]\nguard = "module:function"  # your own; it is asked before a call acts, and can say no'
)


@check(
    "F08-loop-is-bounded",
    Severity.MUST,
    "RCH",
    title="a model that never finishes is stopped by the agent itself",
    failure="a model that never finishes is never stopped",
    remedy="count the model calls of a run and end it at a bound, with a result that says so; declare the bound as "
    "limits.model_calls",
    reaches="a model that calls tools for ever",
)
def loop_is_bounded(lab: Lab) -> str:
    """Models do go in circles; without a bound in code each circle is paid for until somebody looks."""
    bound = lab.target.limits.model_calls or MOST_CALLS
    always = lab.call()
    habits: dict[str, list[Turn]] = {"repeats one call": [always]}
    wandering = restless(lab, bound + 51)
    if any(turn != always for turn in wandering):
        habits["always calls something new"] = wandering
    counts = []
    for habit, turns in habits.items():
        run = lab.run(*turns, then=turns[-1], humans=quiet(lab))
        _insist_on_loop(lab, run)
        counts.append(len(run.requests()))
        asked = f"a model that {habit} was asked {counts[-1]} times"
        stopped = counts[-1] <= bound and not cut_off(run)
        assert stopped, lab.seen(f"{asked}; {_bound(lab)}", run.requests()[-1], run.finished)
    return f"a model that never finishes was stopped after {' and '.join(map(str, dict.fromkeys(counts)))} calls"


def _bound(lab: Lab) -> str:
    declared = lab.target.limits.model_calls
    return f"{declared} are the declared bound" if declared else f"{MOST_CALLS} are the most where none is declared"


def _insist_on_loop(lab: Lab, run: Run) -> None:
    """A run that broke before it went round says nothing of the loop."""
    run.reach("tool_called", why="the agent carried out no call of the model that never finishes")
    if run.status == "failed" and len(run.requests()) < 3:
        raise NotReached("the run broke before its loop could be seen", trace=run)
    if run.status == "timeout" and len(run.requests()) <= (lab.target.limits.model_calls or MOST_CALLS):
        mend = "[tool.agentcheck.limits]\nseconds = 120"
        raise Untestable(
            f"{len(run.requests())} model calls took all the time that a run may last", mend=mend, trace=run
        )


_NAMES = {
    TimesOut: "time-out",
    StallStream: "a stream that stalls",
    EmptyReply: "an empty reply",
    Refusal: "a refusal",
    UnknownFinish: "an unknown reason to finish",
}


@check(
    "F08-model-outage-is-survived",
    Severity.MUST,
    "RCH",
    title="a model that does not answer is tried again a few times, and the run then ends clearly or goes on later",
    failure="a model that does not answer loses the run",
    remedy="catch failures of the model, wait, try again a bounded number of times, then end with a result or an "
    "exception that says what happened; a host saves before it gives up",
    reaches="a model that fails after a tool has run: HTTP 429, 500, 529, a time-out, a dropped or stalled connection, "
    "an empty reply, a refusal, an unknown reason to finish",
)
def model_outage_is_survived(lab: Lab) -> str | None:
    """Providers have bad hours; a run that dies then has done half a job, and nobody knows which half."""
    streams = any(e.request.stream for e in lab.happy().requests())
    dropped: list[ModelFailure] = [CutStream(), StallStream()] if streams else [Reset()]
    unsaid = []
    for how in (Http(429), Http(529), TimesOut(), *dropped, EmptyReply(), Refusal(), UnknownFinish()):
        run = _failing_for_good(lab, how)
        if run is None:
            unsaid.append(_named(how))
            continue
        run.reach("tool_called", why="no tool had run when the model failed")
        when = f"after the model failed for good ({_named(how)})"
        _insist_on_survival(lab, run, when)
        lost = _lost(lab, run)
        assert lost is None, lab.seen(f"{when} {lost}", run.finished)
    run = lab.run(lab.call(), lab.call(), faults=_bad_hour(dropped[0]))
    _insist_on_survival(lab, run, "while the model failed now and then")
    return f"each failure that this format has a word for is survived; it has none for {unsaid[0]}" if unsaid else None


def _failing_for_good(lab: Lab, how: ModelFailure) -> Run | None:
    """A run whose model fails in this way after its first reply; None where the format has no word for that."""
    try:
        return lab.run(lab.call(), faults=ModelFails(how, times=None, after=1))
    except NotApplicable:
        return None


def _named(how: ModelFailure) -> str:
    return f"HTTP {how.status}" if isinstance(how, Http) else _NAMES.get(type(how), "connection lost")


def _bad_hour(dropped: ModelFailure) -> Faults:
    """Two failures before each reply, so that every kind of failure is met and two retries are enough."""
    hours = NO_FAULTS
    for place, how in zip(
        (0, 1, 3, 4, 6, 7), (Http(500), Http(429), TimesOut(), Http(529), dropped, Reset()), strict=True
    ):
        hours = hours & ModelFails(how, after=place)
    return hours


def _insist_on_survival(lab: Lab, run: Run, when: str) -> None:
    run.reach("fault_fired", why="the model was not asked again after a tool had run")
    assert not cut_off(run), lab.seen(
        f"{when} it was asked {len(run.requests())} times, and there was no end", run.finished
    )
    assert run.status != "failed" or lab.kind != "R", lab.seen(f"{when} the reducer raised {_error(run)}", run.finished)
    twice = done_twice(run)
    assert twice is None, lab.seen(f"{when} {twice} was done twice for one decision", *run.of("effect", tool=twice))
    if run.of("model_reply", "model_failed")[-1].type == "model_failed":
        why = unclear(run, lab.happy())
        assert why is None, lab.seen(f"{when} the run ended as {run.status}, and {why}", run.finished)


def _lost(lab: Lab, run: Run) -> str | None:
    """What a host lost whose run broke off: the rest of it must be possible once the model answers again."""
    if lab.kind != "H" or run.status not in ("failed", "exited"):
        return None
    again = lab.resume(run, faults=NO_FAULTS)
    if again.status != "finished":
        return f"the run cannot be resumed: it ended as {again.status} {_error(again)}"
    before, after = run.requests()[-1].request, again.requests()[0].request if again.requests() else None
    if after is None or len(after.text()) < 0.9 * len(before.text()):
        return "what had happened before is gone when the run is resumed"
    return None


def _error(run: Run) -> str:
    error = run.finished.get("error") if run.finished is not None else None
    return f"({error['kind']}: {error['message'][:80]})" if error else ""


@check(
    "F08-retry-after-is-honoured",
    Severity.SHOULD,
    "RCH",
    title="the model is left alone for as long as the provider asks",
    failure="the model is asked again sooner than the provider allows",
    remedy="read the Retry-After header of a 429 and wait at least that long, or let a client do it that does",
    reaches="an HTTP 429 with a Retry-After of seven seconds",
)
def retry_after_is_honoured(lab: Lab) -> str | None:
    """Retrying at once while being told to wait lengthens the outage, for everybody on the same key."""
    run = lab.run(lab.call(), faults=ModelFails(Http(429, retry_after=RETRY_AFTER)))
    failed = run.reach("model_failed")
    following = run.next_request(failed)
    if following is None:
        if cut_off(run):
            raise NotReached("the run hung after the model had failed", trace=run)
        return "the model was not asked again"
    slept = sum(e["value"] for e in run.of("probe", name="slept", after=failed, before=following))
    waited = slept + following.time - failed.time
    assert waited >= RETRY_AFTER, lab.seen(
        f"told to wait {RETRY_AFTER:g} s, it asked again after {waited:.2g} s", failed, following
    )
    return None


@check(
    "F08-run-can-be-interrupted",
    Severity.MUST,
    "H",
    title="a run that is asked to stop does so, and can be resumed",
    failure="a run that is asked to stop goes on, or cannot be resumed",
    remedy="on SIGTERM, finish the step at hand, save and return Paused(); read the signal between steps",
    reaches="a request to stop while the model is asked for the second of four times",
)
def run_can_be_interrupted(lab: Lab) -> None:
    """Deployments and scale-downs send SIGTERM; an agent that ignores it is killed in the middle of something."""
    turns = [lab.call()] * 3
    whole = lab.run(*turns)
    if len(whole.requests()) < 4:
        raise NotReached(f"the agent allows fewer than 3 calls of {lab.tool} in one run", trace=whole)
    second = (
        sum(e["tool"] not in (lab.target.human or ()) for e in whole.of("tool_called", before=whole.requests()[1])) + 2
    )
    run = lab.run(*turns, stop=Stop(second, ask=True))
    asked = run.reach("probe", name="asked_to_stop")
    resumed = run.first("resumed", after=asked)
    later = run.of("model_request", after=asked, before=resumed)
    assert len(later) <= 1, lab.seen(f"asked to stop, it made {len(later)} more model calls", asked, *later)
    assert resumed is not None, lab.seen(
        f"asked to stop, the run ended as {run.status} {_error(run)}", asked, run.finished
    )
    assert run.status == whole.status, lab.seen(
        f"stopped and resumed, the run ended as {run.status} {_error(run)}, undisturbed as {whole.status}",
        resumed,
        run.finished,
    )
    more = done_more_often(run, whole)
    assert more is None, lab.seen(f"stopped and resumed, {more} was done again that had been done before", resumed)
    assert _result(run) == _result(whole), lab.seen(
        f"stopped and resumed, the result is {_result(run)!r}, undisturbed {_result(whole)!r}", resumed, run.finished
    )


def _result(run: Run) -> object:
    return run.finished.get("result") if run.finished is not None else None


@check(
    "F08-truncated-reply-acts-on-nothing",
    Severity.MUST,
    "RCH",
    title="a reply that the length limit cut off runs nothing",
    failure="half a call was run",
    remedy="look at the finish reason before you act: a reply that ended for length is not a decision; ask again",
    reaches="a reply whose call was cut off by the length limit",
)
def truncated_reply_acts_on_nothing(lab: Lab) -> None:
    """A call that lost its end can still look like one: `v1.2.3-rc1` cut to `v1.2.3` deploys something else."""
    for turn, limit in _cuts(lab):
        tool = turn.calls[0].tool
        run = lab.run(turn, faults=ModelFails(limit))
        cut = next((e for e in run.of("model_reply") if e.decision.finish == "length"), None)
        if cut is None:
            raise NotReached("no reply was cut off", trace=run)
        ran = run.first("tool_called", after=cut, tool=tool)
        said = cut.decision.calls[-1].arguments if cut.decision.calls else cut.decision.text
        assert ran is None, lab.seen(
            f"of a call that was cut off at {said[-40:]!r}, {tool} ran with {(ran or cut).get('arguments')}", cut, ran
        )


def _cuts(lab: Lab) -> list[tuple[Turn, LengthLimit]]:
    """A call of a tool that runs when it is whole: cut in the middle, and where what is left can be closed again."""
    tools = [*(t for t in lab.ordinary_tools if cut_in_a_text(lab, t)), lab.tool]
    lab.happy().first("tool_called", tool=tools[0]) or lab.run(lab.call(tools[0])).reach("tool_called", tool=tools[0])
    plain = [(lab.call(tools[0]), LengthLimit())]
    repairable = cut_in_a_text(lab, tools[0])
    return plain if repairable is None else [*plain, (lab.call(tools[0], repairable[0]), LengthLimit(repairable[1]))]


@check(
    "F08-spend-is-capped",
    Severity.SHOULD,
    "RCH",
    title="the declared token budget ends the run",
    failure="the run goes on after its token budget is spent",
    remedy="add up the usage of each reply, and end the run with a clear status before the budget is exceeded",
    reaches="model calls that together cost twice the declared budget",
)
def spend_is_capped(lab: Lab) -> str:
    """A bound on steps does not bound the bill: one step can cost as much as a hundred others."""
    budget = lab.target.limits.tokens
    if budget is None:
        raise NotApplicable("no token budget is declared (limits.tokens)")
    length = min(budget, 200_000)
    turns = restless(
        lab, min(8 * budget // length + 4, lab.target.limits.model_calls or MOST_CALLS), text=_talk(length)
    )
    run = lab.run(*turns, humans=quiet(lab))
    cost = spent(run)
    assert cost <= 2 * budget, lab.seen(
        f"the run spent about {cost:,} tokens in {len(run.requests())} model calls; {budget:,} are the budget",
        run.finished,
    )
    if cost < budget / 2 or cut_off(run):
        raise NotReached(
            f"the run ended after about {cost:,} tokens, before the budget of {budget:,} was spent", trace=run
        )
    why = unclear(run, lab.happy())
    assert why is None, lab.seen(f"the budget ended the run as {run.status}, and {why}", run.finished)
    return f"the run ended after about {cost:,} of {budget:,} tokens"


def _talk(length: int) -> str:
    """Words without meaning, `length` characters of them."""
    words = "the plan for the next step is to look at every part of the task once more and then to go on with it. "
    return (words * (length // len(words) + 1))[:length]


@check(
    "F08-step-can-be-guarded",
    Severity.SHOULD,
    "RCH",
    title="code of the user's own can veto a call before it acts",
    failure="a call acts although the user's own code forbids it",
    remedy="ask a function of your own between the model's decision and the tool, and tell the model of its veto",
    reaches="a call that the declared guard forbids",
)
def step_can_be_guarded(lab: Lab) -> None:
    """Change freezes and business rules have to stand in code, at the one place where decisions become acts."""
    guard = lab.target.guard
    if guard is None:
        raise Untestable("no function of your own that can veto a call is named", mend=GUARD)
    lab.run(lab.call()).reach("tool_called", tool=lab.tool)
    run = lab.run(lab.call(), veto=lab.tool)
    vetoed, ran = run.first("probe", name="vetoed"), run.first("tool_called", tool=lab.tool)
    forbade = f"{guard} forbade it" if vetoed else f"{guard} was never asked"
    assert ran is None, lab.seen(f"{lab.tool} ran, and {forbade}", ran, vetoed)
    if vetoed is None:
        raise NotReached(f"{guard} was never asked", trace=run)
    told = told_after(run, vetoed) or run.of("asked", after=vetoed) or unclear(run, lab.happy()) is None
    assert told, lab.seen(
        f"{guard} forbade {lab.tool}, and neither the model nor a human was told", vetoed, run.finished
    )
