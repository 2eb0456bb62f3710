"""Factors 5 and 6: what survives a crash, a pause, a second delivery."""

import json
from typing import Any

from agentcheck.canonical import Canon, arguments, difference
from agentcheck.fuzz.law.deciding import decided, parsed
from agentcheck.fuzz.laws import Said, Tale, law
from agentcheck.hearsay import speaks_of_failure
from agentcheck.lab import CLOCK
from agentcheck.recall import facts, forgotten, how_ended
from agentcheck.recovery import doubts, may_repeat
from agentcheck.stored import code
from agentcheck.trace import Event
from agentcheck.wording import leaves, told_after

# --- reducers: a run and its shadow ---------------------------------------------------------------


def _shadow(probe: Event, why: str, *whats: str) -> Said:
    if probe["name"] != "shadow" or probe["value"]["why"] != why:
        return None
    value = probe["value"]
    if value.get("what") is None or value["what"] not in whats:
        return ""
    return f"taken up again, it answers {value['event']} otherwise: {value['differs']}"


@law("F05-status-is-derived", "probe", kinds="R")
def status_is_derived(tale: Tale, probe: Event) -> Said:
    return _shadow(probe, "resumed", "status")


@law("F06-resume-continues", "probe", kinds="R")
def resumed_run_continues(tale: Tale, probe: Event) -> Said:
    return _shadow(probe, "resumed", "rest")


@law("F05-forks-are-independent", "probe", kinds="R")
def forks_are_independent(tale: Tale, probe: Event) -> Said:
    return _shadow(probe, "fork", "status", "rest")


@law("F06-snapshot-is-data", "saved", kinds="R")
def states_are_data(tale: Tale, saved: Event) -> Said:
    return f"a state is no plain data: {saved['opaque']}" if saved.get("opaque") and not saved.get("lacks") else ""


@law("F06-snapshot-is-data", "probe", kinds="R")
def loaded_states_are_the_saved_ones(tale: Tale, probe: Event) -> Said:
    if probe["name"] != "loaded":
        return None
    return "" if probe["value"] else "the state loads as another"


@law("F06-finished-stays-finished", "probe", kinds="R")
def nothing_comes_late(tale: Tale, probe: Event) -> Said:
    if probe["name"] != "late":
        return None
    orders = probe["value"]["orders"]
    return f"after the end {probe['value']['what']} makes it order {', '.join(orders)}" if orders else ""


# --- hosts: what a fresh process makes of the store -----------------------------------------------


def _resumed(tale: Tale, event: Event) -> Event | None:
    """The resumption in whose process an event happened, where it is the first of its type there."""
    resumed = tale.last(event, "resumed")
    same = resumed is not None and not tale.since(event, resumed, event.type) and not _spoiled(tale, event)
    return resumed if same else None


def _spoiled(tale: Tale, event: Event) -> bool:
    return any(e["name"] == "spoiled" for e in tale.run.of("probe", before=event))


def _before_kill(tale: Tale, resumed: Event) -> Event | None:
    """What had happened last when the process was killed; None where it was not killed."""
    killed = tale.run.of("killed", before=resumed)
    if not killed or tale.run.of("finished", after=killed[-1], before=resumed):
        return None
    past = tale.before(killed[-1], *_PAST)
    return past[-1] if past else None


_PAST = ("model_request", "model_reply", "model_failed", "tool_called", "effect", "tool_returned", "tool_failed")


@law("F05-state-is-single", "model_request", kinds="H")
def state_is_single(tale: Tale, asked: Event) -> Said:
    resumed = _resumed(tale, asked)
    earlier = tale.last(resumed, "model_request") if resumed is not None else None
    if earlier is None:
        return None
    lost = forgotten(facts(tale.run, before=asked), earlier.request, asked.request)
    return f"taken up again, it knows no more of {next(iter(lost))[:80]!r}" if lost else ""


@law("F06-resume-continues", "model_request", kinds="H")
def the_same_is_asked_again(tale: Tale, asked: Event) -> Said:
    resumed = _resumed(tale, asked)
    last = _before_kill(tale, resumed) if resumed is not None else None
    if last is None or last.type != "model_request":
        return None
    one, other = ([Canon(tale.lab.volatile)(e["request"]["messages"])] for e in (last, asked))
    said = difference(one, other)
    return (
        f"killed while the model was asked, it asks otherwise: {said.removeprefix('step 1 differs: ')}" if said else ""
    )


@law("F05-status-is-derived", "model_request", "tool_called", "finished", kinds="H")
def waiting_runs_wait(tale: Tale, event: Event) -> Said:
    resumed = tale.last(event, "resumed")
    if resumed is None or resumed["answers"] or _spoiled(tale, event) or tale.since(event, resumed, "finished"):
        return None
    ended = tale.last(resumed, "finished", "killed")
    waited = ended is not None and ended.type == "finished" and ended["status"] == "waiting" and ended.get("questions")
    if not waited or _late(resumed):
        return None
    if event.type == "finished":
        return (
            "" if event["status"] in ("waiting", "failed") else f"taken up without an answer, it is {event['status']}"
        )
    return "taken up without an answer, it goes on"


def _late(resumed: Event) -> bool:
    """Whether the clock had been put forward past the deadline."""
    return bool((resumed["machine"].get("clock") or 0) > CLOCK + 1)


@law("F06-finished-stays-finished", "model_request", "tool_called", "finished", kinds="H")
def the_end_is_the_end(tale: Tale, event: Event) -> Said:
    resumed = tale.last(event, "resumed")
    ended = tale.last(resumed, "finished") if resumed is not None else None
    if ended is None or ended["status"] != "finished" or _spoiled(tale, event):
        return None
    return "" if event.type == "finished" else f"taken up again, the finished run went on: {event.type}"


@law("F06-crash-loses-nothing", "finished", kinds="H")
def a_killed_run_goes_on(tale: Tale, ended: Event) -> Said:
    resumed = _resumed(tale, ended)
    if (
        resumed is None
        or _before_kill(tale, resumed) is None
        or tale.since(ended, resumed, "model_failed", "tool_failed")
    ):
        return None
    if ended["status"] in ("failed", "exited"):
        return f"killed and taken up again, it ended {how_ended(tale.run)}"
    return ""


def _undone(tale: Tale, asked: Event) -> Said:
    """A call in whose midst the process was killed, that never took effect, and of which nobody hears a doubt."""
    resumed = _resumed(tale, asked)
    last = _before_kill(tale, resumed) if resumed is not None else None
    if resumed is None or last is None or last.type != "tool_called" or last["decision"] is None:
        return None
    again = [e for e in tale.since(asked, resumed, "tool_called") if e["tool"] == last["tool"]]
    told = told_after(tale.run, tale.last(resumed, "model_reply") or resumed)
    heard = again or tale.since(asked, resumed, "asked") or doubts(told) or speaks_of_failure(told)
    return "" if heard else f"killed before {last['tool']} took effect; it never did, and nobody was told"


for _check in ("F06-crash-loses-nothing", "F05-effects-match-state"):
    law(_check, "model_request", kinds="H")(_undone)


def _key(tool: str, given: Any) -> tuple[str, str]:
    return tool, json.dumps(given, sort_keys=True)


def _twice(tale: Tale, effect: Event) -> bool:
    """Whether a call took effect more often than the model has decided on it."""
    own = _key(effect["tool"], arguments(tale.run.reach("tool_called", call=effect["call"])))
    effects = [e for e in (*tale.before(effect, "effect"), effect) if e["tool"] == effect["tool"]]
    had = sum(_key(e["tool"], arguments(tale.run.reach("tool_called", call=e["call"]))) == own for e in effects)
    decisions = [c for reply in tale.before(effect, "model_reply") for c in decided(tale, reply)]
    return had > sum(_key(c.name, parsed(c.arguments or "{}")) == own for c in decisions)


@law("F06-crash-loses-nothing", "effect", kinds="H")
def effects_happen_once(tale: Tale, effect: Event) -> Said:
    if not tale.run.of("killed", before=effect) or _again(tale, effect):
        return None
    if may_repeat(tale.target, effect["tool"]) is not False:
        return None
    return f"killed and taken up again, {effect['tool']} took effect once more" if _twice(tale, effect) else ""


def _again(tale: Tale, event: Event) -> bool:
    """Whether an event came of an answer that was delivered a second time."""
    resumed = tale.last(event, "resumed")
    probes = [e for e in tale.run.of("probe", before=resumed) if e["name"] == "again"] if resumed is not None else []
    return bool(probes) and not tale.run.of("resumed", after=probes[-1], before=resumed)


@law("F06-resume-is-consumed-once", "effect", "finished", kinds="H")
def answers_are_consumed_once(tale: Tale, event: Event) -> Said:
    if not _again(tale, event):
        return None
    twice = event.type == "effect" and _twice(tale, event)
    return f"its answer delivered once more, {event['tool']} took effect once more" if twice else ""


@law("F06-corrupt-snapshot-is-refused", "model_request", "tool_called", "finished", kinds="H")
def spoiled_stores_are_refused(tale: Tale, event: Event) -> Said:
    spoiled = next((e for e in reversed(tale.run.of("probe", before=event)) if e["name"] == "spoiled"), None)
    if spoiled is None:
        return None
    refused = event.type == "finished" and (event["status"] in ("failed", "exited") or _says_so(event))
    return "" if refused else f"with {spoiled['value']}, it went on without an error: {event.type}"


def _says_so(ended: Event) -> bool:
    return speaks_of_failure(" ".join(leaves(ended.get("result"))))


@law("F06-snapshot-is-data", "finished", kinds="H")
def stores_are_data(tale: Tale, ended: Event) -> Said:
    store = tale.run.stores.get("main")
    if store is None or tale.before(ended, "finished") or _spoiled(tale, ended):
        return None
    named = code(store)
    return f"the store is no plain data: {named}" if named else ""


# --- stopping -------------------------------------------------------------------------------------


def _stop(tale: Tale, event: Event, whose: str) -> Event | None:
    """The word to stop that came while an event of this type waited for its answer, and after which this one came."""
    probes = [e for e in tale.run.of("probe", before=event) if e["name"] == "asked_to_stop"]
    last = tale.last(probes[-1], *_PAST) if probes else None
    stop = probes[-1] if last is not None and last.type == whose else None
    return stop if stop is not None and not tale.since(event, stop, "finished") else None


@law("F06-pause-before-effect", "tool_called", "finished", kinds="H")
def a_choice_can_be_stopped(tale: Tale, event: Event) -> Said:
    stop = _stop(tale, event, "model_request")
    if stop is None or tale.run.first("killed", after=stop):
        return None
    if event.type == "finished":
        return "" if event["status"] == "waiting" and not event.get("questions") else None
    return f"asked to stop when the model chose {event['tool']}, it ran it first" if event["decision"] else None


@law("F08-run-can-be-interrupted", "model_request", "finished", kinds="H")
def a_stop_is_heard(tale: Tale, event: Event) -> Said:
    stop = _stop(tale, event, "tool_called") or _stop(tale, event, "model_request")
    if stop is None or tale.run.first("killed", after=stop):
        return None
    if event.type == "finished":
        return "" if event["status"] == "waiting" else None
    more = tale.since(event, stop, "model_request")
    return f"asked to stop, it made {len(more) + 1} more model requests" if more else None
