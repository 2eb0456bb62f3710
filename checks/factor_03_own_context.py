"""Factor 3: own your context window."""

import json
from itertools import pairwise
from statistics import median

from agentcheck.audit.histories import heard_again, mispaired, tied
from agentcheck.audit.recording import Recording, brief, counted
from agentcheck.check import Severity, check, on_recordings
from agentcheck.finding import NotApplicable, NotReached, Untestable
from agentcheck.instructions import facts
from agentcheck.lab import Lab
from agentcheck.marks import LARGE, TURNS, holds, in_turn, large_result, per_session, size, tool_result, trigger
from agentcheck.overlap import overlaps
from agentcheck.passages import Passage
from agentcheck.plan import Run
from agentcheck.provenance import attribute
from agentcheck.render.story import messages
from agentcheck.scenario import together
from agentcheck.window import growth, kept_elsewhere, leaves_a_mark, longest_thread, unpaired, view_differs

LONG = 6  # model calls of a run that shows how its context grows
REPEATS = 3  # requests that hold the history twice before it is more than a quotation
STEEPER = 1.8  # times the first growth of a request; of history sent again inside itself, it is more than twice
UNEXPLAINED = 8  # words of a message; fewer may be a number, a date or an id


@check(
    "F03-context-is-printable",
    Severity.MUST,
    "RCHW",
    title="the exact messages of every model call can be printed, and the agent's own view shows them",
    failure="what the model is shown cannot be printed exactly",
    remedy="send the whole context with every call, and build the view and the request by the same function",
    reaches="a model request, and after it the agent's own view of its context where it has one",
)
def context_is_printable(lab: Lab) -> None:
    """Who cannot see exactly what the model saw can only guess why it decided as it did."""
    run = lab.run(context=True) if lab.target.context else lab.happy()
    for asked in run.requests():
        kept = kept_elsewhere(asked.request)
        assert kept is None, lab.seen(f"part of the context is kept at the provider ({kept}), on no wire", asked)
        assert json.loads(messages(run, asked["n"])), lab.seen("a model call has no messages", asked)
    if lab.target.context:
        _view_equals_wire(lab, run)


def _view_equals_wire(lab: Lab, run: Run) -> None:
    for probe in run.of("probe", name="context"):
        asked = run.of("model_request", before=probe)[-1]
        broken, missing = probe["value"].get("broken"), probe["value"].get("missing")
        assert broken is None, lab.seen(f"the agent's own view cannot be shown: {broken}", probe)
        if missing:
            raise Untestable(missing, mend='[tool.agentcheck]\ncontext = "module:function"')
        if "shown" in probe["value"]:
            differs = view_differs(probe["value"]["shown"], asked)
            assert differs is None, lab.seen(f"the agent's own view is not what it sent: {differs}", probe, asked)
    run.reach("probe", name="context", why="the run ended before the agent's own view could be asked for")


@on_recordings("F03-context-is-printable")
def recorded_context_is_printable(recording: Recording) -> str:
    """What is recorded can be printed; where the provider keeps a part of it, a recording cannot show the whole."""
    steps, whole = recording.answered(), recording.whole()
    if len(whole) < len(steps):
        raise NotReached(f"the provider keeps part of the history in {len(steps) - len(whole)} of {len(steps)} calls")
    empty = next((step for step in steps if not json.loads(step.dialect.messages_json(step.exchange.request))), None)
    if empty is not None:
        raise NotReached(f"interaction {empty.number} has no messages, and was answered all the same")
    return f"the messages of {counted(steps, 'model call')} can be printed"


@check(
    "F03-tool-result-reaches-model",
    Severity.MUST,
    "RCH",
    title="what a tool returns is in the next request",
    failure="what a tool returned is not in the next request",
    remedy="append the result of each call to the messages of the next request",
    reaches="a tool that returned a marked result, and a model request after it",
)
def tool_result_reaches_model(lab: Lab) -> None:
    """A model that does not see results repeats its calls, or invents what they might have said."""
    marked = tool_result(lab, "a small result")
    run = lab.run(lab.call(marked.tool), returns={marked.tool: marked.value})
    returned = run.reach("tool_returned", tool=marked.tool)
    if marked.mark not in json.dumps(returned["value"]):
        raise NotReached(f"{marked.tool} returned something else than it was given", trace=run)
    following = run.next_request(returned)
    if following is None:
        raise NotReached(f"after {marked.tool} returned the model was not asked again", trace=run)
    assert holds(following, marked.mark), lab.seen(
        f"{marked.tool} returned {marked.mark!r}, and the next request does not hold it", returned, following
    )


@check(
    "F03-calls-and-results-pair",
    Severity.MUST,
    "RCHW",
    title="each call in the history has exactly one result",
    failure="calls and results in the history do not pair",
    remedy="append one message for each call of a reply, with that call's id, and trim the history by whole pairs",
    reaches="a model request whose history holds a native tool call",
)
def calls_and_results_pair(lab: Lab) -> None:
    """Providers refuse a history with an orphaned call or result, and the run ends with an error of theirs."""
    pair = together(*(lab.call(tool) for tool in (lab.ordinary_tools * 2)[:2] or [lab.tool]))
    runs = [lab.happy(), lab.run(pair)]
    requests = [asked for run in runs for asked in run.requests()]
    if any(kept_elsewhere(asked.request) for asked in requests):
        raise Untestable("the provider keeps the history, so that it is on no wire")
    native = [asked for asked in requests if any(m.calls or m.role == "tool" for m in asked.request.messages)]
    if not native:
        _not_native(runs)
    for asked in native:
        wrong = unpaired(asked.request)
        assert wrong is None, lab.seen(f"in the history of a request {wrong}", asked)


def _not_native(runs: list[Run]) -> None:
    if not any(run.next_request(done) for run in runs for done in run.of("tool_returned", "tool_failed")):
        raise NotReached("no model request came after a tool call", trace=runs[-1])
    raise NotApplicable("the history is in a format of the agent's own, without native calls")


@on_recordings("F03-calls-and-results-pair")
def recorded_calls_and_results_pair(recording: Recording) -> str:
    """Only histories that a model was shown: one that a provider refused may have been broken for the test."""
    native = [step for step in recording.whole() if any(m.calls or m.role == "tool" for m in step.request.messages)]
    native = [step for step in native if tied(step.request.messages)]
    if not native:
        raise NotReached("no request in it has a tool call with an id in its history")
    for step in native:
        wrong = mispaired(step.request.messages)
        assert wrong is None, recording.seen(wrong[1], step, index=wrong[0])
    return f"in {counted(native, 'history', 'histories')} each call has one result"


@check(
    "F03-large-result-is-bounded",
    Severity.MUST,
    "RCH",
    title="a huge tool result does not flood the context window",
    failure="a huge tool result floods the context window",
    remedy="cut long results, say that they were cut, and offer a way to read on",
    reaches="a tool that returned 200 kB, and a model request after it",
)
def large_result_is_bounded(lab: Lab) -> None:
    """One long log file in the context crowds out the task, costs money at every later turn, or ends the run."""
    fault = large_result(lab)
    run = lab.run(lab.call(fault.tool), faults=fault)
    fired = run.reach("fault_fired")
    returned = run.reach("tool_returned", "tool_failed", after=fired, tool=fault.tool)
    before, following = run.of("model_request", before=returned, session="main")[-1], run.next_request(returned)
    if following is None:
        raise NotReached(f"after {fault.tool} returned {LARGE // 1000} kB the model was not asked again", trace=run)
    if returned.type == "tool_failed":
        raise NotReached(f"{fault.tool} failed on what it was given instead of returning it", trace=run)
    grown, limit = size(following) - size(before), lab.target.limits.result_growth_bytes
    assert grown <= limit, lab.seen(
        f"{fault.tool} returned {LARGE:,} bytes, and the next request is {grown:,} bytes larger; {limit:,} are allowed",
        returned,
        following,
    )


@check(
    "F03-sessions-do-not-leak",
    Severity.MUST,
    "RCH",
    title="nothing of one session is in the requests of another",
    failure="one session sees what another session was told",
    remedy="keep the history in the run's own state, never in a module, a class or an object that runs share",
    reaches="two sessions, one after the other and both at once, each with its own marks on its requests",
)
def sessions_do_not_leak(lab: Lab) -> None:
    """One customer's data in another customer's conversation is the incident that ends the project."""
    triggers, marks = _marked_triggers(lab)
    result = per_session(lab, *triggers)
    turns = [lab.call(result[0])] if result else []
    returns = {result[0]: result[1]} if result else {}
    told = {session: [marks[session], *([result[2][session]] if result else [])] for session in triggers}
    _insist_on_no_leak(lab, lab.run(*turns, triggers=triggers, returns=returns), told)
    if lab.kind == "R":
        _insist_on_no_leak(lab, lab.run(*turns, triggers=triggers, returns=returns, interleaved=True), told)
        return
    at_once = [found for found in overlaps(lab, *turns, triggers=triggers, returns=returns) if found.tells_apart]
    for found in at_once:
        _insist_on_no_leak(lab, found.run, told, f" (two sessions, {found})")
    if not at_once:
        raise NotReached("no two sessions in flight at once could be told apart", trace=lab.cited.trace)


def _insist_on_no_leak(lab: Lab, run: Run, told: dict[str, list[str]], how: str = "") -> None:
    """No request of one session holds what the other was told, and something of it is there to be seen."""
    for own, other in (("main", "other"), ("other", "main")):
        if not run.requests(own):
            raise NotReached("only one of two sessions asked the model", trace=run)
        for asked in run.requests(own):
            leaked = next((mark for mark in told[other] if holds(asked, mark)), None)
            assert leaked is None, lab.seen(
                f"a request of one session holds {leaked!r}, which only the other session was told{how}", asked
            )
    if not any(holds(asked, mark) for asked in run.requests() for marks in told.values() for mark in marks):
        raise NotReached("nothing of what the sessions were told is on any request", trace=run)


def _marked_triggers(lab: Lab) -> tuple[dict[str, object], dict[str, str]]:
    made = {session: trigger(lab, f"trigger of {session}") for session in ("main", "other")}
    return {session: given for session, (given, _) in made.items()}, {s: mark for s, (_, mark) in made.items()}


def _long_run(lab: Lab) -> tuple[Run, list[str]]:
    """A run of many turns, each with a result of its own, and the marks of trigger and results."""
    tool, returns, marks = in_turn(lab)
    given, mark = trigger(lab, "trigger")
    turns = [lab.call(tool)] * TURNS
    return lab.run(*turns, triggers={"main": given}, returns={tool: returns}), [mark, *marks]


@check(
    "F03-context-grows-linearly",
    Severity.SHOULD,
    "RCHW",
    title="each turn adds to the context what is new, and no more",
    failure="the history is sent again inside itself",
    remedy="append only what is new at each turn, and render the history once, when the request is built",
    reaches="six model requests of one run, with a tool call and a result of the same size between them",
)
def context_grows_linearly(lab: Lab) -> None:
    """History that contains itself doubles the bill with every turn and fills the window in a few."""
    run, _ = _long_run(lab)
    requests = longest_thread(run)
    if len(requests) < 6:
        raise NotReached(f"the run ended after {len(requests)} model calls, too few to see how it grows", trace=run)
    added = growth(requests, size)
    first, last = median(added[:3]), median(added[-3:])
    assert last <= STEEPER * max(first, 100), lab.seen(
        f"with the same result at each turn, requests first grow by {first:,.0f} bytes and later by {last:,.0f}",
        requests[1],
        requests[-1],
    )


@on_recordings("F03-context-grows-linearly")
def recorded_context_grows_linearly(recording: Recording) -> str:
    """Real results differ in size, so that not the growth is measured, but the history sought inside itself."""
    long = [run for run in recording.distinct_runs() if len([s for s in run if s.decision]) >= LONG]
    if not long:
        raise NotReached(f"no run in it has {LONG} model calls, which it takes to see how the context grows")
    for run in long:
        again = [(step, index) for step in run for index in heard_again(step.request.messages)]
        times = {step.number for step, _ in again}
        assert len(times) < REPEATS, recording.seen(
            f"in {len(times)} requests of one run the history is there again, inside itself",
            *again[-1][:1],
            index=again[-1][1],
            about=brief(again[-1][0].request.messages[again[-1][1]].text),
        )
    return f"{counted(long, 'run')} of {LONG} model calls or more"


@check(
    "F03-context-is-accounted",
    Severity.SHOULD,
    "RCH",
    title="every message has a known origin, and what is left out leaves a mark",
    failure="the context holds what nobody said, or loses what was said without a mark",
    remedy="say in the context itself that earlier messages were left out or put in short",
    reaches="a run of several turns whose results are seen on its requests",
)
def context_is_accounted(lab: Lab) -> None:
    """A model that does not know that something is missing fills the gap with its imagination."""
    run, marks = _long_run(lab)
    requests = longest_thread(run)
    if len(requests) < 4 or not any(holds(asked, mark) for asked in requests for mark in marks):
        raise NotReached("the run shows too little of what it was told", trace=run)
    pairs = [(mark, before, after) for mark in marks for before, after in pairwise(requests)]
    dropped = next((pair for pair in pairs if holds(pair[1], pair[0]) and not holds(pair[2], pair[0])), None)
    if dropped:
        mark, before, after = dropped
        assert leaves_a_mark(run, before, after), lab.seen(
            f"{mark!r} was in one request and is not in the next, which says nothing of it", before, after
        )
    _every_message_has_an_origin(lab, run)


def _every_message_has_an_origin(lab: Lab, run: Run) -> None:
    first = {message.text for message in run.requests()[0].request.messages}
    later = {m.text: e for e in run.requests() for m in e.request.messages if m.text not in first}
    passages = {text: Passage(text) for text in later}
    attribute(lab, list(passages.values()), facts(run))
    for text, passage in passages.items():
        unknown = sum(gap.last - gap.first for gap in passage.gaps())
        assert unknown < UNEXPLAINED or passage.weight(None) * 2 < passage.weight(), lab.seen(
            f"a message that neither model, tool nor human said, and that is in no file: {text[:100]!r}", later[text]
        )
