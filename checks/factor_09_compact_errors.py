"""Factor 9: compact errors into the context window."""

import re
from typing import Final

from agentcheck.audit.failures import failures
from agentcheck.audit.recording import Recording, brief, counted
from agentcheck.check import Severity, check, on_recordings
from agentcheck.ending import cut_off, unclear
from agentcheck.faults import Hangs, Http, Raises, Reset, TimesOut, ToolFails
from agentcheck.finding import NotReached, Untestable
from agentcheck.habits import quiet
from agentcheck.hearsay import heard, names_the_failure, setback, speaks_of_failure, stack_trace, tied
from agentcheck.hearsay import how as how_it_failed
from agentcheck.lab import Lab, Run
from agentcheck.oddities import odd_results
from agentcheck.scenario import together
from agentcheck.trace import Event
from agentcheck.wording import leaves, told_after

FAILURE: Final = "connection to registry-7 refused"
BROKEN: Final = Raises(FAILURE)
FAILURES: Final = (BROKEN, Http(503), TimesOut(after_effect=True))
SILENT: Final = Raises("", "TimeoutError")  # like asyncio's own: its message is empty
FLOOD: Final = f"{FAILURE}. " + "Nothing in the rest of this message helps the model. " * 95


@check(
    "F09-error-reaches-model",
    Severity.MUST,
    "RCHW",
    title="the model is told that a tool failed",
    failure="the model is not told that a tool failed",
    remedy="append the error, tied to its call, to the messages of the next request instead of swallowing it",
    reaches="a tool failure, and a model request after it",
)
def error_reaches_model(lab: Lab) -> None:
    """A model that does not see the error believes that the step worked, and builds on it."""
    for how in FAILURES:
        run = lab.run(lab.call(), faults=ToolFails(lab.tool, how, times=None))
        failed = setback(run, lab.tool)
        following = run.next_request(failed)
        assert following is not None, lab.seen(
            f"after {how_it_failed(run, failed)} the model was not asked again", failed, run.finished
        )
        assert _says_so(run, failed), lab.seen(
            f"{how_it_failed(run, failed)}, and the next request says nothing of it: {heard(run, failed)[:80]!r}",
            failed,
            following,
        )
    if _calls_together(lab):
        _one_of_two(lab)


def _one_of_two(lab: Lab) -> None:
    run = lab.run(together(lab.call(), lab.call()), faults=ToolFails(lab.tool, BROKEN))
    failed, worked = run.first("tool_failed"), run.first("tool_returned")
    if failed is None or worked is None or not tied(run, worked):
        return  # an agent that takes one call at a time
    # Of equal calls at the same time nobody can tell which one failed: then either answer may say so.
    answers = [failed, worked] if _at_once(run, failed, worked) else [failed]
    told = tied(run, failed) and any(_says_so(run, failed, by=answer) for answer in answers)
    assert told, lab.seen(
        "of two calls in one reply the first failed, and what answers it does not say so", failed, worked
    )


def _at_once(run: Run, *ends: Event) -> bool:
    """Whether the second call began before the first had ended."""
    began = run.of("tool_called")
    return len(began) > 1 and began[1].seq < min(end.seq for end in ends)


def _calls_together(lab: Lab) -> bool:
    settings = lab.happy().requests()[0].request.settings
    return settings.get("parallel_tool_calls") is not False and not settings.get("legacy_functions")


@on_recordings("F09-error-reaches-model")
def recorded_error_reaches_model(recording: Recording) -> str:
    """A failure that was swallowed is on no wire, so that a recording can show this to hold, and never to be broken."""
    return f"{counted(failures(recording), 'failure')} told to the model, each as the result of its call"


@check(
    "F09-error-is-compact",
    Severity.MUST,
    "RCHW",
    title="errors reach the model short, and without a stack trace",
    failure="errors flood the context window",
    remedy="keep the kind and the first line of an error, cut the rest, and leave stack traces to the logs",
    reaches="a tool failure with a message of 5,000 characters, and a model request after it",
)
def error_is_compact(lab: Lab) -> None:
    """A stack trace in the context costs tokens at every later turn and drowns what the model needs."""
    _insist_on_words(lab)
    for how in (Raises(FLOOD), BROKEN):
        run = lab.run(lab.call(), faults=ToolFails(lab.tool, how, times=None))
        failed = setback(run, lab.tool)
        run.reach("model_request", after=failed, why=f"after {lab.tool} failed the model was not asked again")
        told, limit = heard(run, failed, quoting=FAILURE), lab.target.limits.error_characters
        assert len(told) <= limit or how is BROKEN, lab.seen(
            f"an error of {len(FLOOD):,} characters reached the model as {len(told):,}; {limit} are the limit", failed
        )
        assert not stack_trace(told), lab.seen(f"a stack trace reached the model: {stack_trace(told)}", failed)


@on_recordings("F09-error-is-compact")
def recorded_error_is_compact(recording: Recording) -> str:
    """Of results that are failures by their form: a log that was read on purpose may be long, and full of traces."""
    found, limit = failures(recording), recording.limits.error_characters
    for failure in found:
        name, said = failure.call.name, brief(failure.text)
        place = {"step": failure.step, "index": failure.index, "about": said}
        assert not failure.trace, recording.seen(
            f"a stack trace reached the model as the result of {name}: {failure.trace}", **place
        )
        assert len(failure.text) <= limit, recording.seen(
            f"the failure of {name} reached the model in {len(failure.text):,} characters; {limit} are the limit",
            **place,
        )
    return f"{counted(found, 'failure')}, the longest of {max(len(f.text) for f in found):,} characters"


@check(
    "F09-error-names-the-tool",
    Severity.SHOULD,
    "RCHW",
    title="an error says which tool failed, and how",
    failure="an error does not say which tool failed, or how",
    remedy="write the tool's name and the exception's kind and status into the error: f\"{name} failed: {error!r}\"",
    reaches="a tool failure, and a model request after it",
)
def error_names_the_tool(lab: Lab) -> None:
    """A model that reads only "error" cannot tell a wrong argument from a service that is down."""
    _insist_on_words(lab)
    for how in (Http(503), SILENT):
        run = lab.run(lab.call(), faults=ToolFails(lab.tool, how, times=None))
        failed = setback(run, lab.tool)
        run.reach("model_request", after=failed, why=f"after {lab.tool} failed the model was not asked again")
        told = heard(run, failed)
        assert tied(run, failed) or lab.tool in told, lab.seen(
            f"the model is not told which tool failed: {told[:120]!r}", failed
        )
        assert names_the_failure(run, failed, told), lab.seen(
            f"{how_it_failed(run, failed)}, and the model is not told how: {told[:120]!r}",
            failed,
            run.next_request(failed),
        )


@on_recordings("F09-error-names-the-tool")
def recorded_error_names_the_tool(recording: Recording) -> str:
    """A result is tied to its call, which says which tool; left to see is whether it says how it failed."""
    found = failures(recording)
    for failure in found:
        assert failure.says_how, recording.seen(
            f"all that the model hears of the failure of {failure.call.name} is {failure.text[:80]!r}",
            failure.step,
            index=failure.index,
        )
    return f"{counted(found, 'failure')}, each with its tool and with words of its own"


@check(
    "F09-error-holds-no-secret",
    Severity.MUST,
    "RCH",
    title="a credential in an error reaches no model request",
    failure="a credential in an error is sent to the model",
    remedy="take known shapes of credentials, and the values of secret environment variables, out of errors before "
    "they enter the context",
    reaches="a tool failure that holds credentials, and a model request after it",
)
def error_holds_no_secret(lab: Lab) -> None:
    """Connection errors quote URLs and headers; what is in the context is at the provider, and in its logs."""
    _insist_on_words(lab)
    secrets = {
        "a secret of the agent's environment (DATABASE_PASSWORD)": lab.planted["DATABASE_PASSWORD"],
        "a GitHub token": "ghp_" + "a1B2c3D4e" * 4,
        "an API key": "sk-" + "proj-9f8E7d6C5b4A" * 2,
    }
    password, token, key = secrets.values()
    message = f"registry-7 refused: password {password}; Authorization: Bearer {token}; api_key={key}"
    run = lab.run(lab.call(), faults=ToolFails(lab.tool, Raises(message)))
    failed = setback(run, lab.tool)
    run.reach("model_request", after=failed, why=f"after {lab.tool} failed the model was not asked again")
    for request in run.of("model_request", after=failed):
        sent = request.request.text()
        leaked = next((what for what, secret in secrets.items() if secret[8:24] in sent), None)
        assert leaked is None, lab.seen(
            f"{leaked}, which was in an error of {lab.tool}, is in a model request", request
        )


@check(
    "F09-error-is-not-retried-silently",
    Severity.MUST,
    "RCH",
    title="one decision of the model is one invocation of the tool",
    failure="a failed tool is run again without the model's knowledge",
    remedy="take the retry loop away from around the tool: tell the model of the failure and let it decide, or say how "
    "often it was tried",
    reaches="a tool failure",
)
def error_is_not_retried_silently(lab: Lab) -> None:
    """A time-out may have taken effect: a retry that nobody sees does the thing twice, and hides that it is failing."""
    for how in (*FAILURES, Reset()):
        run = lab.run(lab.call(), faults=ToolFails(lab.tool, how, times=None))
        failed = setback(run, lab.tool)
        following = run.next_request(failed)
        calls = run.of("tool_called", tool=lab.tool, after=run.first("model_reply"), before=following)
        shown = following is not None and _says_how_often(told_after(run, failed), len(calls))
        assert len(calls) == 1 or shown, lab.seen(
            f"{how_it_failed(run, failed)}; it ran {len(calls)} times for one decision of the model, untold",
            *calls,
        )


def _says_how_often(told: str, times: int) -> bool:
    return re.search(rf"retr(y|ie)|attempt|tries|tried|again|\b{times}\s?(times|x)\b", told, re.IGNORECASE) is not None


@check(
    "F09-repeated-errors-escalate",
    Severity.MUST,
    "RCH",
    title="a call that keeps failing goes to a human, or ends the run with the reason",
    failure="a call that keeps failing is tried again and again",
    remedy="count failures in a row of the same call; at the third, ask a human, or stop and say why",
    reaches="a tool that fails at every call, and a model that repeats the call for ever",
)
def repeated_errors_escalate(lab: Lab) -> None:
    """Without a threshold a stubborn model spins until the money or the patience is spent."""
    broken, limit = ToolFails(lab.tool, BROKEN, times=None), lab.target.limits.consecutive_failures
    turns = [lab.call()] * (limit + 2)
    run = lab.run(*turns, faults=broken, humans=quiet(lab))
    if len(run.of("model_reply")) > len(turns) and len(run.of("tool_called", tool=lab.tool)) <= limit:
        run = lab.run(*turns, then=lab.call(), faults=broken, humans=quiet(lab))  # the calls are refused: and then?
    failed = setback(run, lab.tool)
    asked = next((e for e in run.of("asked", after=failed) if e["kind"] != "approval"), None)
    calls = run.of("tool_called", tool=lab.tool, after=run.first("model_reply"), before=asked)
    assert len(calls) <= limit, lab.seen(
        f"{lab.tool} failed {len(calls)} times in a row before anything changed; {limit} are the limit",
        *calls[: limit + 1],
    )
    _insist_on_answer(run, failed)
    reason = None if asked else "the run was cut off" if cut_off(run) else unclear(run, lab.happy())
    assert reason is None, lab.seen(f"after {len(calls)} failures of {lab.tool} {reason}", failed, run.finished)


@check(
    "F09-counter-resets-on-success",
    Severity.MUST,
    "RCH",
    title="failures apart from each other do not end a run that makes progress",
    failure="failures are counted although successes lie between them",
    remedy="set the counter of failures back to zero when a call succeeds",
    reaches="failures and successes of one tool by turns, more failures than may follow in a row",
)
def counter_resets_on_success(lab: Lab) -> None:
    """A long run meets single failures; one that gives up because of their sum can do no long job."""
    failures = lab.target.limits.consecutive_failures + 1
    turns = [lab.call()] * (2 * failures)
    run = lab.run(*turns, faults=ToolFails(lab.tool, BROKEN, times=None, every=2))
    failed = setback(run, lab.tool)
    _insist_on_answer(run, failed)
    gave_up = next((e for e in run.of("asked", after=failed) if e["kind"] != "approval"), None)
    calls = run.of("tool_called", tool=lab.tool, before=gave_up)
    if len(calls) < len(turns):
        _insist_on_length(lab, len(turns))
    assert len(calls) >= len(turns), lab.seen(
        f"after {len(run.of('tool_failed', before=gave_up))} failures with a success after each, "
        f"{'a human was asked' if gave_up else f'the run ended as {run.status}'} before the model had finished",
        gave_up or run.finished,
    )


@check(
    "F09-hang-times-out",
    Severity.MUST,
    "RCH",
    title="a tool that hangs is given up, and reported as an error",
    failure="a tool that hangs holds up the run for ever",
    remedy="give every call a deadline (CallTool.deadline, asyncio.wait_for, a client timeout); report it as an error",
    reaches="a tool that never answers",
)
def hang_times_out(lab: Lab) -> None:
    """One connection that never answers must not hold a worker until somebody restarts it."""
    run = lab.run(lab.call(), faults=ToolFails(lab.tool, Hangs()))
    hung = run.reach("fault_fired", why=f"{lab.tool} was never made to hang")
    called = run.of("tool_called", tool=lab.tool, before=hung)[-1]
    waited = f"{lab.tool} never answered, and the run waited until its {lab.target.limits.seconds:g} s were over"
    assert not cut_off(run), lab.seen((run.finished or hung).get("reason") or waited, called, run.finished)
    following = run.next_request(hung)
    if following is None:
        reason = None if run.of("asked", after=hung) else unclear(run, lab.happy())
        assert reason is None, lab.seen(f"{lab.tool} never answered, and {reason}", called, run.finished)
        return
    told = heard(run, called)
    if not speaks_of_failure(told):
        _insist_on_words(lab)
    assert speaks_of_failure(told), lab.seen(
        f"{lab.tool} never answered, and the model is told {told[:80]!r}", called, following
    )


@check(
    "F09-agent-recovers",
    Severity.MUST,
    "RCH",
    title="after a failure, a success lets the run finish",
    failure="after a failure the agent does not get back on its feet",
    remedy="keep errors as entries of the history, not as a state of the agent; take any result that a tool can give",
    reaches="a tool failure, then a success of the same tool, then the model's word that the job is done",
)
def agent_recovers(lab: Lab) -> None:
    """Most failures pass; an agent that stays in its error state turns each of them into an outage."""
    turns = [lab.call()] * 2
    _insist_on_end(lab, lab.run(*turns, faults=ToolFails(lab.tool, BROKEN)), len(turns), f"{lab.tool} failed once")
    odd = odd_results(lab)
    calls = len(odd.faults) + 1
    _insist_on_end(
        lab, lab.run(*[lab.call()] * calls, faults=odd), calls, f"{lab.tool} failed and gave odd results by turns"
    )


def _insist_on_end(lab: Lab, run: Run, calls: int, what: str) -> None:
    struck = run.reach("fault_fired", why=f"{lab.tool} was never made to fail")
    _insist_on_answer(run, struck)
    over = len(run.of("tool_called", tool=lab.tool)) >= calls and run.status == "finished"
    if not over:
        _insist_on_length(lab, calls)
    assert over, lab.seen(f"{what}, and the run ended as {run.status}{_raised(run)}", struck, run.finished)
    if not _says_done(run):
        result = run.finished["result"] if run.finished else None
        assert not _says_done(lab.run(*[lab.call()] * calls)), lab.seen(
            f"{what}; the model brought the job to its end, and the result is {result!r}", struck, run.finished
        )


def _says_done(run: Run) -> bool:
    return run.finished is not None and any("Done." in leaf for leaf in leaves(run.finished["result"]))


# --- what several of them ask ---------------------------------------------------------------------


def _insist_on_words(lab: Lab) -> None:
    """An agent that swallows failures shows nothing of how it writes them."""
    run = lab.run(lab.call(), faults=ToolFails(lab.tool, BROKEN, times=None))
    failed = setback(run, lab.tool)
    if run.next_request(failed) is None or not _says_so(run, failed):
        raise Untestable("follows from F09-error-reaches-model: the model is told nothing", trace=run)


def _says_so(run: Run, failed: Event, *, by: Event | None = None) -> bool:
    told = heard(run, by or failed)
    return speaks_of_failure(told) or names_the_failure(run, failed, told)


def _insist_on_answer(run: Run, struck: Event) -> None:
    """Where a failure goes right through the agent, one check says so, and the others can say nothing."""
    if run.next_request(struck) is None and run.status == "failed":
        raise Untestable("follows from F09-error-reaches-model: the failure ended the run", trace=run)


def _insist_on_length(lab: Lab, calls: int) -> None:
    """Without failures the agent must let the model call that often, or its failures say nothing."""
    run = lab.run(*[lab.call()] * calls)
    if len(run.of("tool_called", tool=lab.tool)) < calls or run.status != "finished":
        raise NotReached(f"the agent allows fewer than {calls} calls of {lab.tool} in one run", trace=run)


def _raised(run: Run) -> str:
    error = run.finished.get("error") if run.finished is not None else None
    return f" ({error['kind']}: {error['message'][:80]})" if error else ""
