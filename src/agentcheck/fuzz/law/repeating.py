"""Factor 12: the same again gives the same."""

import json

from agentcheck.canonical import Canon, difference
from agentcheck.fuzz.law.seeing import MARK
from agentcheck.fuzz.laws import Said, Tale, law
from agentcheck.trace import Event


@law("F12-reduce-is-pure", "probe", kinds="R")
def reduce_is_pure(tale: Tale, probe: Event) -> Said:
    if probe["name"] != "purity":
        return None
    value = probe["value"]
    if value["impure"]:
        return f"reduce uses {value['impure'][0]['what']} at {value['impure'][0]['chain']}"
    if value["changed"]:
        return f"reduce writes to {value['changed'][0]}"
    if value["mutated"]:
        return "reduce changes the state that it was given"
    return (
        f"the same state and event gave two results, different in {', '.join(value['differs'])}"
        if value["differs"]
        else ""
    )


@law("F12-replay-rebuilds-state", "probe", kinds="R")
def replay_rebuilds_state(tale: Tale, probe: Event) -> Said:
    if probe["name"] != "rebuilt" or probe["value"]["several"]:
        return None
    value = probe["value"]
    return f"after event {value['at']} the rebuilt state differs: {value['differs']}" if value["differs"] else ""


@law("F12-instances-hold-no-state", "probe", kinds="R")
def instances_hold_no_state(tale: Tale, probe: Event) -> Said:
    if probe["name"] != "rebuilt" or not probe["value"]["several"]:
        return None
    value = probe["value"]
    return (
        f"beside another session, session {probe.session!r} is not what it is alone: {value['differs']}"
        if value["differs"]
        else ""
    )


@law("F12-run-is-deterministic", "probe", kinds="CH")
def runs_are_deterministic(tale: Tale, probe: Event) -> Said:
    if probe["name"] != "repeated":
        return None
    return f"the same again in another process: {probe['value']}" if probe["value"] else ""


@law("F12-instances-hold-no-state", "model_request", kinds="CH")
def sessions_begin_alike(tale: Tale, asked: Event) -> Said:
    first = tale.run.first("model_request", session="main")
    if asked.session == "main" or first is None or tale.before(asked, "model_request"):
        return None
    one, other = ([Canon(tale.lab.volatile)(MARK.sub("‹mark›", _said(e)))] for e in (first, asked))
    said = difference(one, other)
    return (
        f"the second session begins otherwise than the first: {said.removeprefix('step 1 differs: ')}" if said else ""
    )


def _said(asked: Event) -> str:
    return json.dumps(asked["request"]["messages"], ensure_ascii=False)
