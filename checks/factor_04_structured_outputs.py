"""Factor 4: tools are just structured outputs."""

from agentcheck import calls
from agentcheck.audit import tools
from agentcheck.audit.recording import Recording, continued, counted
from agentcheck.catalogs import schema_error, schemas, turns, undescribed, unexplained
from agentcheck.check import Severity, check, on_recordings
from agentcheck.finding import NotReached
from agentcheck.lab import Lab
from agentcheck.trials import alone, trials, written


@check(
    "F04-schema-is-valid",
    Severity.MUST,
    "RCHW",
    title="the schemas of all tools are valid",
    failure="the schema of a tool is not valid",
    remedy="write the parameters in the provider's schema language, or generate them from a typed function",
    reaches="a model request that offers tools, or says what form the reply must have",
)
def schema_is_valid(lab: Lab) -> None:
    """A provider refuses the request, or, worse, leaves out what it does not understand and the model guesses."""
    found = schemas(lab.happy())
    if not found:
        calls.insist_on_tools(lab)
    for name, (asked, parameters) in found.items():
        error = schema_error(parameters, asked.request)
        assert error is None, lab.seen(f"{name}: {error}", asked)


@on_recordings("F04-schema-is-valid")
def recorded_schema_is_valid(recording: Recording) -> str:
    """Of requests that were answered: one that the provider refused may have been broken for the test."""
    offered = tools.offered(recording) + tools.reply_schemas(recording)
    if not offered:
        raise NotReached("no request in it offers a tool, or says what form the reply must have")
    for step, spec in offered:
        error = step.dialect.schema_error(spec.parameters)
        assert error is None, recording.seen(f"{spec.name}: {error}", step, about=f"tool {spec.name}")
    return f"{counted({spec.name for _, spec in offered}, 'schema')} valid in the format's own language"


@check(
    "F04-tool-is-described",
    Severity.SHOULD,
    "RCHW",
    title="every tool and every argument carries a description",
    failure="tools or arguments carry no description",
    remedy="say in one sentence what each tool does and what each argument means",
    reaches="a model request that offers tools",
)
def tool_is_described(lab: Lab) -> None:
    """The description is all that the model knows of a tool; without one it guesses from the name."""
    calls.insist_on_tools(lab)
    missing = [name for spec in lab.tools.values() if not spec.hosted for name in undescribed(spec)]
    assert not missing, lab.seen(f"without a description: {', '.join(missing)}", *lab.happy().requests()[:1])


@on_recordings("F04-tool-is-described")
def recorded_tool_is_described(recording: Recording) -> str:
    """An argument that the tool's own description explains needs no other words."""
    offered = tools.offered(recording)
    if not offered:
        raise NotReached("no request in it offers a tool of the agent's own")
    missing = {name: step for step, spec in offered for name in undescribed(spec)}
    assert not missing, recording.seen(
        f"without a description: {', '.join(missing)}", next(iter(missing.values())), about=next(iter(missing))
    )
    return f"{counted({spec.name for _, spec in offered}, 'tool')} described"


@check(
    "F04-accepted-arguments-run",
    Severity.MUST,
    "CH",
    title="every call that the schema accepts reaches its tool",
    failure="a call that the schema accepts does not reach its tool",
    remedy="generate schema and signature from one source; what the schema calls optional needs a default",
    reaches="calls of each tool with arguments drawn from its schema",
)
def accepted_arguments_run(lab: Lab) -> None:
    """A schema that promises more than the function takes makes good decisions fail, now and then, in production."""
    tried = trials(lab, calls.accepted(lab))
    suspects = sorted((t for t in tried if t.ran is None), key=lambda t: len(written(t.call)))
    refused = [t for t in (alone(lab, s) for s in suspects[:3]) if t.ran is None and not t.waits]
    if len(suspects) == len(tried) and not refused:
        raise NotReached("every call waits for a human who was not asked in a way that can be answered")
    first = refused[0] if refused else None
    assert first is None, lab.seen(f"{written(first.call)} did not run: {first.outcome}", first.reply)


@check(
    "F04-intent-needs-no-function",
    Severity.SHOULD,
    "RH",
    title="a decision such as the end of the run changes the state and runs no function",
    failure="a decision that only changes the state runs a function",
    remedy="switch on the decision itself: the end of a run, or a question to a human, is a step of the control flow",
    reaches="the model's decision to end the run, or to ask a human",
)
def intent_needs_no_function(lab: Lab) -> None:
    """Where each decision must be a function, the control flow hides in functions, and nothing can stand between."""
    name = calls.intent(lab)
    run = lab.happy() if name == lab.target.finish else lab.run(lab.call(name))
    reply = calls.decided(lab, run, name)
    ran = run.first("tool_called", after=reply, session=reply.session, tool=name)
    assert ran is None, lab.seen(f"{name} ran a function, with {ran['arguments'] if ran else {}}", reply, ran)
    came = run.reach("finished", "asked", "model_request", after=reply, session=reply.session)
    assert came.type != "model_request", lab.seen(f"nothing came of {name}: the model was asked again", reply, came)


@check(
    "F04-catalog-is-stable",
    Severity.SHOULD,
    "RCHW",
    title="the tools that the model is offered stay the same from turn to turn",
    failure="the tools that the model is offered change without a word",
    remedy="offer the same tools in the same order at every turn, and say in the context when one comes or goes",
    reaches="two model requests of one conversation that offer tools",
)
def catalog_is_stable(lab: Lab) -> None:
    """A model plans with the tools that it was shown; and any change makes the provider read the context anew."""
    calls.insist_on_tools(lab)
    several = [lab.call()] * 3
    compared = [(run, *pair) for run in (lab.happy(), lab.run(*several)) for pair in turns(run)]
    if not compared:
        raise NotReached("the model was offered tools only once", trace=lab.happy())
    for run, earlier, later in compared:
        change = unexplained(run, earlier, later)
        assert change is None, lab.seen(change or "", earlier, later)


@on_recordings("F04-catalog-is-stable")
def recorded_catalog_is_stable(recording: Recording) -> str:
    """Compared are two requests of which the later certainly goes on from the earlier, with the same model."""
    pairs = [pair for run in recording.distinct_runs() for pair in continued(run) if all(map(tools.chooses, pair))]
    if not pairs:
        raise NotReached("no run in it offers tools in two requests that follow each other")
    for earlier, later in pairs:
        change = tools.change(earlier, later)
        assert change is None, recording.seen(f"interaction {earlier.number} to {later.number}: {change}", later)
    return f"the same in {counted(pairs, 'step')} of its runs"
