"""Factor 2: own your prompts."""

import json

from agentcheck import lock, secrets
from agentcheck.audit.recording import Recording, as_json, counted, without_data
from agentcheck.check import Severity, check, on_recordings
from agentcheck.finding import NotApplicable, NotReached, Untestable
from agentcheck.first_request import (
    HELD,
    HELD_THROUGHOUT,
    OTHER_PLACE,
    OTHER_PROCESS,
    OTHER_PROCESS_THROUGHOUT,
    difference,
    first_request,
)
from agentcheck.lab import Lab
from agentcheck.later_words import later_words
from agentcheck.provenance import place_of, provenance, short, spread, untracked

FOREIGN = 0.05  # of the instruction text; what may come from elsewhere


@check(
    "F02-prompt-is-owned",
    Severity.MUST,
    "RCH",
    title="the instructions that the model gets stand in the project's own files",
    failure="part of the instructions that the model gets is written by somebody else",
    remedy="bring the text into a file of your own and send that, or list the file in `owned` where it is yours",
    reaches="a model request with instructions in it",
)
def prompt_is_owned(lab: Lab) -> str:
    """Text that ships inside a dependency changes with its next release, unseen, and with it what the agent does."""
    found = provenance(lab)
    foreign = sum(found.foreign.values())
    worst = next(iter(found.foreign), None)
    assert found.share(foreign) <= FOREIGN, lab.seen(
        f"{found.share(foreign):.0%} of the instructions come from elsewhere: {spread(found.foreign, lab)}; "
        f"“{found.excerpts.get(worst)}” ({place_of(lab, worst, found.excerpts.get(worst))}){_later(lab)}",
        lab.happy().requests()[0],
    )
    if found.share(foreign + found.unknown) > FOREIGN:
        shown = f"“{found.excerpts.get(None)}”"
        raise Untestable(
            f"{found.share(found.unknown):.0%} of the instructions stand in no file that agentcheck has found: {shown}",
            mend='[tool.agentcheck]\nowned = ["prompts"]  # files or folders that hold them',
        )
    return f"{found.share(sum(found.owned.values())):.0%} of the instructions stand in your own files{_later(lab)}"


def _later(lab: Lab) -> str:
    """What others add later, for people; nothing where they add nothing."""
    told = [one.told(lab) for one in later_words(lab)]
    return f"; later the model also gets, {'; '.join(told)}" if told else ""


@check(
    "F02-prompt-is-versioned",
    Severity.SHOULD,
    "RCH",
    title="the files that hold the prompt are under version control",
    failure="a file that holds the prompt is not under version control",
    remedy="git add the file, and take it out of .gitignore",
    reaches="a project file with instructions in it, in a git repository",
)
def prompt_is_versioned(lab: Lab) -> None:
    """A prompt without history cannot be reviewed, compared or rolled back when the agent starts to misbehave."""
    found = provenance(lab)
    if not found.owned:
        raise NotReached("no file of the project holds the prompt")
    missing = untracked(list(found.owned))
    assert not missing, lab.seen(
        f"git does not track {', '.join(short(path, lab) for path in missing)}, from which part of the prompt comes",
        lab.happy().requests()[0],
    )


@check(
    "F02-prompt-is-stable",
    Severity.MUST,
    "RCH",
    title="the same input gives the same prompt, byte for byte, in every process",
    failure="the same input gives another prompt in another process",
    remedy="sort what comes out of sets and other unordered collections before it goes into the prompt",
    reaches="the first model request, in two processes with different hash seeds on a held clock",
)
def prompt_is_stable(lab: Lab) -> None:
    """A prompt that changes by itself cannot be tested, defeats the provider's cache, and hides regressions."""
    one, other = first_request(lab, HELD), first_request(lab, OTHER_PROCESS)
    differs = difference(lab, one, other)
    if differs is not None:  # perhaps only by the time at which the target was imported
        one, other = first_request(lab, HELD_THROUGHOUT), first_request(lab, OTHER_PROCESS_THROUGHOUT)
        differs = difference(lab, one, other)
    assert differs is None, lab.seen(f"two processes send different first requests: {differs}", one, other)


@check(
    "F02-prompt-varies-only-as-declared",
    Severity.SHOULD,
    "RCH",
    title="time and place change nothing in the prompt that is not declared",
    failure="the prompt changes with the time or the directory, which is not declared",
    remedy="take the value out of the prompt, or declare it: volatile = ['a regular expression that matches it']",
    reaches="the first model request, at two times and in two directories",
)
def prompt_varies_only_as_declared(lab: Lab) -> None:
    """What silently depends on clock or directory behaves differently in production than where it was tested."""
    here = first_request(lab, HELD)
    there = first_request(lab, OTHER_PLACE)
    differs = difference(lab, here, there)
    assert differs is None, lab.seen(f"at another time and place the first request differs: {differs}", here, there)
    imported = first_request(lab, OTHER_PROCESS)
    differs = difference(lab, here, imported)
    if differs is not None:
        held = [first_request(lab, machine) for machine in (HELD_THROUGHOUT, OTHER_PROCESS_THROUGHOUT)]
        assert difference(lab, *held) is not None, lab.seen(
            f"the first request holds the time at which the agent was imported: {differs}", here, imported
        )


@check(
    "F02-prompt-is-locked",
    Severity.SHOULD,
    "RCH",
    title="prompts and tool schemas are the reviewed ones",
    failure="a prompt or a tool schema is not the reviewed one",
    remedy="review the change as you would review code, then run `agentcheck lock` and commit the file",
    reaches="the model requests of a run in which nothing goes wrong",
)
def prompt_is_locked(lab: Lab) -> None:
    """One changed word in a prompt can change what an agent does, and nobody sees it in a diff of code."""
    found = lock.reviewed(lab)
    if found is None:
        raise NotApplicable(f"the project has no {lock.FILE} (`agentcheck lock` writes it)")
    path, held = found
    if held is None or lab.kind not in held:
        raise Untestable(f"{path.name} holds nothing of {lab.target.name}", mend="run `agentcheck lock`")
    differing = lock.changes(held[lab.kind], lock.entries(lab))
    requests = lab.cited.trace.of("model_request") if lab.cited.trace else []
    assert not differing, lab.seen("; ".join(differing[:3]), *requests[:1])


@check(
    "F02-prompt-holds-no-secret",
    Severity.MUST,
    "RCHW",
    title="no credential is in what the model gets",
    failure="a credential is in what the model gets",
    remedy="build the prompt from named values, never from the whole environment or configuration",
    reaches="the model requests of a run in which nothing goes wrong",
)
def prompt_holds_no_secret(lab: Lab) -> None:
    """What is in a prompt is stored by the provider, shows in logs and traces, and can be talked out of the model."""
    for asked in lab.happy().requests():
        sent = asked["raw"]["body"] if asked["raw"] else json.dumps(asked["request"], ensure_ascii=False)
        planted = [name for name, value in lab.planted.items() if value in sent]
        assert not planted, lab.seen(f"the request holds the value of {', '.join(planted[:3])}", asked)
        found = secrets.find(sent)
        assert not found, lab.seen(f"the request holds a credential: {found[0][0]} ({found[0][1]})", asked)


@on_recordings("F02-prompt-holds-no-secret")
def recorded_prompt_holds_no_secret(recording: Recording) -> str:
    """What the model gets are messages and tools; images and what a provider has encrypted are looked over."""
    steps = recording.answered()
    for step in steps:
        for index, message in enumerate(step.request.messages):
            text = "\n".join([message.text, *(call.arguments for call in message.calls)])
            found = secrets.find(without_data(text))
            assert not found, recording.seen(
                f"a message holds a credential: {found[0][0]} ({found[0][1]})", step, index=index
            )
        for spec in step.request.tools:
            found = [] if spec.hosted else secrets.find(f"{spec.description}\n{as_json(spec.parameters)}")
            assert not found, recording.seen(f"the tool {spec.name} holds a credential: {found[0][0]}", step)
    return f"{counted(steps, 'request')} without a credential"
