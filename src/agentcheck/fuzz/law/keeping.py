"""Factors 5 and 6: what survives a crash, a pause, a second delivery."""

from agentcheck.fuzz.laws import Said, Tale, law
from agentcheck.trace import Event

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
