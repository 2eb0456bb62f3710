"""Factor 7: contact humans with tool calls."""

import time

from agentcheck import humans
from agentcheck.check import Severity, check
from agentcheck.finding import NotReached, Untestable
from agentcheck.lab import HERE, Lab, Machine, Run, Silence
from agentcheck.reducer import Approved, Denied, Text
from agentcheck.scenario import HumanPlan
from agentcheck.trace import Event
from agentcheck.verdict import MENDS
from agentcheck.wording import added, told, told_after

ANSWER = Lab.marker("answer")
ANSWERING = [HumanPlan("*", Text(ANSWER))]
APPROVING = [HumanPlan("*", Approved())]
REFUSING = [HumanPlan("*", Denied())]
WAYS = {
    "input": "at a terminal",
    "tool": "in the tool's function",
    "function": "in the function that asks for approval",
}


@check(
    "F07-human-is-a-tool",
    Severity.MUST,
    "RCH",
    title="the model can ask a human by a tool with a schema",
    failure="the model has no tool that asks a human",
    remedy="offer the model a tool such as ask_human(question), and take its call as any other decision",
    reaches="a model request",
)
def human_is_a_tool(lab: Lab) -> None:
    """A person asked by any other way than a decision is asked at places that nobody sees, logs or can answer."""
    run = lab.happy()
    typed = run.first("asked", via="input")
    assert typed is None or lab.target.human != [], lab.seen(
        f"human = [] is declared, and somebody is asked at a terminal{humans.quoted(typed)}", typed
    )
    names = " or ".join(lab.target.human or ())
    spec = humans.offered(lab)
    assert spec is not None, lab.seen(
        f"{names} is declared to reach a human, and the model is offered only {', '.join(lab.tools) or 'no tool'}"
        + (f"; a human is asked at a terminal{humans.quoted(typed)}" if typed else ""),
        run.first("model_request"),
        typed,
    )
    assert spec.parameters, lab.seen(f"{spec.name} has no schema", run.first("model_request"))


@check(
    "F07-contact-pauses",
    Severity.MUST,
    "CH",
    title="a question to a human ends the process's work; the question is kept",
    failure="a question to a human blocks the process until somebody answers",
    remedy="when the model asks a human, store the question and return; go on when the answer comes",
    reaches="the model's decision to ask a human",
)
def contact_pauses(lab: Lab) -> None:
    """People answer after hours; a thread that waits for them dies with the next deployment, and the question too."""
    run = lab.run(humans.question(lab), humans=ANSWERING)
    decided = run.reach("model_reply")
    asked = run.first("asked", after=decided)
    following = run.first("model_request", after=asked or decided)
    assert not _waited(asked, following), lab.seen(
        f"the process waited for the human's answer ({asked and WAYS[asked['via']]})", asked, following
    )
    if lab.kind == "C":
        _returned_with_question(run, asked, following)
        return
    run.reach("asked", via="pause", why="the model asked a human, and the host neither paused nor waited")
    resumed = run.reach("resumed")
    assert run.status not in ("failed", "exited", "timeout"), lab.seen(
        f"the question was not kept: with the answer the run {run.status}", resumed, run.finished
    )


def _waited(asked: Event | None, following: Event | None) -> bool:
    """Whether the process stood still until the answer came, and went on with it."""
    if asked is None or asked["via"] == "pause":
        return False
    return asked["via"] == "input" or (following is not None and following.pid == asked.pid)


def _returned_with_question(run: Run, asked: Event | None, following: Event | None) -> None:
    if run.status != "finished" or following is not None:
        raise NotReached("the model asked a human, and nobody was asked", trace=run)
    if asked is None and not humans.says_question(run.finished and run.finished["result"]):
        raise Untestable("the run returned; where it kept the question cannot be seen", mend=MENDS["H"], trace=run)


@check(
    "F07-answer-reaches-model",
    Severity.MUST,
    "RCH",
    title="what a human answers is in the next request",
    failure="what a human answers does not reach the model",
    remedy="append the answer, tied to the question's call, to the messages of the next request",
    reaches="a human's answer, and a model request after it",
)
def answer_reaches_model(lab: Lab) -> None:
    """A model that does not see the answer asks again, or decides without it what a human had decided."""
    run = lab.run(humans.question(lab), humans=ANSWERING)
    decided = run.reach("model_reply")
    if lab.kind == "C" and not run.of("answered", after=decided) and run.status == "finished":
        raise Untestable("the run returned with the question, and a callable cannot be resumed", mend=MENDS["H"])
    answered = run.reach("answered", after=decided, why="the model asked a human, and nobody could answer")
    following = run.next_request(answered)
    assert following is not None, lab.seen("after the answer the model was not asked again", answered, run.finished)
    assert ANSWER in following.request.text(), lab.seen(
        f"the human answered {ANSWER!r}, and the next request does not hold it", answered, following
    )


@check(
    "F07-approval-gates-effect",
    Severity.MUST,
    "RCH",
    title="a high-stakes tool runs only after a human has approved it",
    failure="a high-stakes tool runs without approval",
    remedy="between the decision and the call, ask a human, and run the tool only on a clear yes",
    reaches="a decision for a high-stakes tool, which runs when it is approved",
)
def approval_gates_effect(lab: Lab) -> None:
    """Approval that comes after the effect, or never, lets one wrong token deploy, pay or delete."""
    tool = lab.high_stakes()
    run = lab.run(lab.call(tool), humans=APPROVING)
    asked, early = humans.first_question(run), next(humans.unapproved(run, tool), None)
    unseen = "" if lab.kind != "C" or lab.target.approve else humans.UNSEEN
    assert early is None, lab.seen(
        f"{tool} ran, and {f'nobody was asked{unseen}' if asked is None else 'nobody had answered yet'}", asked, early
    )
    humans.answered_for(run, tool)
    run.reach("tool_called", tool=tool, why=f"{tool} was approved, and never ran")


@check(
    "F07-rejection-is-honoured",
    Severity.MUST,
    "RCH",
    title="a call that a human rejects does not run, and the model is told",
    failure="a call that a human rejects runs, or the model does not hear of the rejection",
    remedy="on a no, skip the call and append the rejection as its result to the next request",
    reaches="a human's no to a high-stakes call",
)
def rejection_is_honoured(lab: Lab) -> None:
    """A no that changes nothing is worse than no question: people believe that they have stopped it."""
    tool = lab.high_stakes()
    run = lab.run(lab.call(tool), humans=REFUSING)
    answered = humans.answered_for(run, tool)
    called = run.first("tool_called", tool=tool, after=answered)
    assert called is None, lab.seen(f"a human said no, and {tool} ran", answered, called)
    following = run.next_request(answered)
    assert following is not None, lab.seen("after the rejection the model was not asked again", answered, run.finished)
    heard = told_after(run, answered)
    assert heard.strip(), lab.seen("a human said no, and the next request says nothing of it", answered, following)
    approved = lab.run(lab.call(tool), humans=APPROVING)
    ran = approved.first("tool_returned", tool=tool)
    assert ran is None or heard != told_after(approved, ran), lab.seen(
        f"of a rejected call the model is told the same as of one that ran: {heard[:120]!r}", answered, following
    )


@check(
    "F07-approval-binds-arguments",
    Severity.MUST,
    "RCH",
    title="an approval permits the one call that was shown, and no other",
    failure="one approval permits other calls",
    remedy="tie each approval to the id, the tool and the arguments of its call",
    reaches="two decisions for a high-stakes tool with different arguments, the first of them approved",
)
def approval_binds_arguments(lab: Lab) -> None:
    """A yes to staging must not open production, and a late click on an old message nothing at all."""
    tool = lab.high_stakes()
    others = [lab.call(t) for t in lab.target.high_stakes or () if t != tool and t in lab.tools and lab.can_call(t)]
    changed = humans.other_arguments(lab.tools.get(tool), lab.arguments(tool))
    turns = [lab.call(tool), *([lab.call(tool, changed)] if changed else []), *others]
    if len(turns) == 1:
        raise Untestable(f"{tool} takes no arguments that could differ, and it is the only high-stakes tool")
    run = lab.run(*turns, humans=APPROVING)
    humans.answered_for(run, tool)
    first = run.reach("tool_called", tool=tool, why=f"{tool} was approved, and never ran")
    run.reach("model_reply", after=first, why=f"after {tool} had run the model decided nothing more")
    free = [c for t in lab.target.high_stakes or () for c in humans.unapproved(run, t)]
    assert not free, lab.seen(
        f"{tool} was approved once, and {free[0]['tool']} then ran with {free[0]['decided']} without being asked for",
        run.first("answered"),
        *free,
    )
    _another_answer_opens_nothing(lab, tool)


def _another_answer_opens_nothing(lab: Lab, tool: str) -> None:
    """A yes to a question that nobody asked, while the call waits for its own."""
    if lab.kind == "C":
        return
    silent = lab.run(lab.call(tool), humans=Silence())
    asked = humans.first_question(silent)
    if asked is None:
        return
    at = next((n for n, s in enumerate(silent.snapshots) if any(c.get("id") == asked["id"] for c in s.pending)), None)
    stray = lab.resume(silent, at=at, answers={"a-question-never-asked": Approved()}, on=HERE)
    called = stray.first("tool_called", tool=tool)
    if called is None or lab.resume(silent, at=at, answers={}, on=HERE).first("tool_called", tool=tool):
        return  # what runs without any answer is the matter of another check
    raise AssertionError(lab.seen(f"a yes to another question let {tool} run", stray.first("answered"), called))


@check(
    "F07-silence-is-not-consent",
    Severity.MUST,
    "RH",
    title="without an answer in time nothing runs, and silence counts as neither yes nor no",
    failure="silence counts as an answer",
    remedy="when a deadline passes, skip the call and record that nobody answered; take no answer after it",
    reaches="a high-stakes call that nobody answers",
)
def silence_is_not_consent(lab: Lab) -> None:
    """Approvers sleep, are on holiday, or click the next day; whatever then runs by itself was never approved."""
    tool = lab.high_stakes()
    run = lab.run(lab.call(tool), humans=Silence())
    asked = humans.asked_for(run, tool)
    waited = run if lab.kind == "R" else lab.resume(run, answers={}, on=_after(asked))
    called = run.first("tool_called", tool=tool) or waited.first("tool_called", tool=tool)
    assert called is None, lab.seen(f"nobody answered, and {tool} ran", asked, called)
    _too_late(lab, run, waited, asked, tool)
    _no_refusal(lab, run, waited, asked, tool)


def _after(asked: Event) -> Machine:
    """A time at which the question's deadline has passed."""
    deadline = asked.get("deadline")
    return Machine(clock=None if deadline is None else time.time() + deadline + 60)


def _too_late(lab: Lab, run: Run, waited: Run, asked: Event, tool: str) -> None:
    """A yes after the deadline."""
    if asked.get("deadline") is None:
        return
    over = [
        n for n, e in enumerate(run.events_fed, 1) if e["type"] == "TimePassed" and e["seconds"] == asked["deadline"]
    ]
    passed = over[0] if over else None
    late = lab.resume(run, at=passed, answers={asked["id"]: Approved()}, on=_after(asked))
    called = late.first("tool_called", tool=tool)
    still_open = any(q["id"] == asked["id"] for q in (waited.finished and waited.finished.get("questions")) or ())
    if called is not None and still_open:
        raise Untestable(
            f"a late yes let {tool} run, and after the deadline the question is still open: "
            "the host sees another clock than the one that agentcheck holds, or none",
            mend="measure deadlines with time.time() or datetime.now()",
            trace=late,
        )
    assert called is None, lab.seen(
        f"the deadline of {asked['deadline']:g} s had passed, and a late yes let {tool} run", asked, called
    )


def _no_refusal(lab: Lab, run: Run, waited: Run, asked: Event, tool: str) -> None:
    """What the model hears of silence is not what it hears of a no."""
    following = waited.first("model_request", after=asked if lab.kind == "R" else None)
    if following is None:
        return
    before = [e.request for e in run.of("model_request", before=asked)]
    heard = told(added(before[-1] if before else None, following.request))
    refused = lab.run(lab.call(tool), humans=REFUSING)
    assert heard != told_after(refused, humans.answered_for(refused, tool)), lab.seen(
        f"nobody answered, and the model is told the same as of a no: {heard[:120]!r}", asked, following
    )
