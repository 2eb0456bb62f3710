"""Factor 1: natural language to tool calls."""

from agentcheck import calls
from agentcheck.arguments import rewritten
from agentcheck.check import Severity, check
from agentcheck.finding import NotReached
from agentcheck.lab import Lab
from agentcheck.trials import answered, named, trials, written


@check(
    "F01-call-matches-schema",
    Severity.MUST,
    "RCH",
    title="tools receive exactly the arguments that the model decided on",
    failure="arguments are changed between the model and the tool",
    remedy="parse the arguments as JSON once and pass them on as they are; refuse what does not fit, cast nothing",
    reaches="calls with arguments that reached their tool",
)
def call_matches_schema(lab: Lab) -> None:
    """A version "1.10" that a cast has made 1.1 deploys something else, and no log shows who decided that."""
    lab.tool_with_arguments()
    tried = trials(lab, calls.accepted(lab))
    received = [(t, t.ran) for t in tried if t.ran is not None and t.arguments]
    if not received:
        raise NotReached("no call with arguments that its schema accepts reached its tool", trace=tried[0].run)
    for trial, ran in received:
        change = rewritten(trial.arguments, ran["arguments"], calls.schema_of(lab, trial.call.tool).whole)
        assert change is None, lab.seen(f"{trial.call.tool}: {change}", trial.reply, ran)
    _insist_on_calls_apart(lab)


def _insist_on_calls_apart(lab: Lab) -> None:
    """Some services give two calls one id: who looks calls up by it runs one of them with the other's arguments."""
    turn = calls.of_one_id(lab)
    if turn is None:
        return
    (trial,) = trials(lab, [turn])
    waiting, schema = [call.arguments for call in turn.calls], calls.schema_of(lab, trial.call.tool).whole
    for ran in trial.run.of("tool_called", decision=trial.reply.seq):
        found = next((a for a in waiting if isinstance(a, dict) and not rewritten(a, ran["arguments"], schema)), None)
        assert found is not None, lab.seen(
            f"of two calls with one id, {trial.call.tool} ran with {ran['arguments']}, for which none was left",
            trial.reply,
            ran,
        )
        waiting.remove(found)


@check(
    "F01-invalid-arguments-are-refused",
    Severity.MUST,
    "RCH",
    title="arguments that break the schema reach no tool, and the model is told",
    failure="arguments that break the schema are not refused",
    remedy="validate arguments against the tool's schema before the call, and answer the call with what is wrong",
    reaches="decisions whose arguments break the schema of a tool",
)
def invalid_arguments_are_refused(lab: Lab) -> None:
    """Models break schemas now and then, and a tool that takes anything does what nobody asked for."""
    ways, turns = zip(*calls.broken(lab), strict=True)
    for how, trial in zip(ways, trials(lab, turns), strict=True):
        acted = calls.acted(lab, trial)
        assert not acted, lab.seen(f"{how}: {written(trial.call)} ran", trial.reply, *acted)
        trial = answered(lab, trial)
        assert trial.told, lab.seen(f"{how}: {trial.outcome} after {written(trial.call)}", *trial.events)
    _insist_on_one_encoding(lab)


def _insist_on_one_encoding(lab: Lab) -> None:
    """Arguments that are JSON twice over are a text, no object: refused, or taken for exactly what they mean."""
    found = calls.encoded_twice(lab)
    if found is None:
        return
    trial, meant = found
    acted = trial.acts(lab)
    other = [event for event in acted if event["arguments"] != meant]
    assert not other, lab.seen(f"JSON inside a JSON text: {written(trial.call)} ran otherwise", trial.reply, *other)
    if not acted:
        trial = answered(lab, trial)
        assert trial.told, lab.seen(f"JSON inside a JSON text: {trial.outcome}", *trial.events)


@check(
    "F01-unknown-tool-is-refused",
    Severity.MUST,
    "RCH",
    title="a call of a tool that does not exist runs nothing, and the model is told",
    failure="a call of a tool that does not exist is not refused",
    remedy="look the name up; where it is unknown, answer the call with the names of the tools that there are",
    reaches="a decision that names a tool that does not exist",
)
def unknown_tool_is_refused(lab: Lab) -> None:
    """Models make names up; without an answer they cannot correct themselves, and a KeyError ends the job."""
    calls.insist_on_tools(lab)
    for trial in trials(lab, calls.unknown(lab)):
        acted = trial.acts(lab)
        assert not acted, lab.seen(f"{written(trial.call)} ran {named(acted)}", trial.reply, *acted)
        trial = answered(lab, trial)
        assert trial.told, lab.seen(f"{trial.outcome} after {written(trial.call)}", *trial.events)


@check(
    "F01-malformed-json-is-refused",
    Severity.MUST,
    "RCH",
    title="arguments that cannot be parsed run nothing, and the model is told",
    failure="arguments that cannot be parsed are not refused",
    remedy="catch the parser's error and answer the call with it; repair nothing, since the rest of it is a guess",
    reaches="a decision whose arguments end in the middle",
)
def malformed_json_is_refused(lab: Lab) -> None:
    """Half a call is not a decision: repaired, it runs with arguments that nobody chose; uncaught, it ends the job."""
    (trial,) = trials(lab, [calls.half(lab)])
    acted = trial.acts(lab)
    assert not acted, lab.seen(f"{written(trial.call)} ran {named(acted)}", trial.reply, *acted)
    trial = answered(lab, trial)
    assert trial.told, lab.seen(f"{trial.outcome} after {written(trial.call)}", *trial.events)


@check(
    "F01-prose-acts-on-nothing",
    Severity.MUST,
    "RCH",
    title="a reply in prose that claims an action causes none",
    failure="a reply in prose is acted on",
    remedy="act on structured decisions alone; show prose to the user, or ask the model to decide again",
    reaches="a reply in prose that claims calls of tools, and a tool that runs when it is properly called",
)
def prose_acts_on_nothing(lab: Lab) -> None:
    """Models talk about calls, quote them and plan them; who parses that runs what was only mentioned."""
    lab.run(lab.call()).reach("tool_called", tool=lab.tool)
    (trial,) = trials(lab, [calls.in_prose(lab)])
    acted = trial.acts(lab)
    assert not acted, lab.seen(f"{named(acted)} ran, and the model had only spoken of it", trial.reply, *acted)
    if trial.broke_off:
        raise NotReached(f"{trial.outcome} before it could act on prose", trace=trial.run)
