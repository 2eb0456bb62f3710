"""Snapshots kept from an earlier version of the agent: whether they still load, and go on."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from agentcheck.adapters.reducer import ReducerFailed, Remote
from agentcheck.finding import HarnessError, Untestable
from agentcheck.kept import kept
from agentcheck.lab import ELSEWHERE, Lab, Run
from agentcheck.recall import how_ended
from agentcheck.stored import files
from agentcheck.wording import leaves

LONG: Final = 8  # characters of a text that is no mere tag or key
_MEND: Final = (
    "agentcheck snapshots keep  # now, and commit them; or name what an earlier version wrote:\n"
    '[tool.agentcheck]\nsnapshots = ["tests/snapshots/v1"]'
)


def old_snapshots(lab: Lab) -> list[Path]:
    """The declared and the kept snapshots of this kind of target: JSON states of a reducer, stores of a host.

    Raises:
        Untestable: there are none.
        HarnessError: one that is declared is not there.
    """
    declared = [lab.root / given for given in lab.target.snapshots]
    gone = next((path for path in declared if not path.exists()), None)
    if gone is not None:
        raise HarnessError(f"snapshots: {gone} does not exist")
    found = [*(path for path in declared if _is_of(lab, path)), *kept(lab)]
    if not found:
        raise Untestable("no snapshot of an earlier version is kept", mend=_MEND)
    return found


def _is_of(lab: Lab, path: Path) -> bool:
    """A reducer's states are JSON files; a host's stores are folders, or a file of the name that its store has."""
    if lab.kind == "R":
        return path.is_file() and path.suffix == ".json"
    return path.is_dir() or path.name in {file.name for file in files(lab.happy().stores["main"])}


def shown(lab: Lab, path: Path) -> str:
    """A snapshot's path as the user knows it."""
    return str(path.relative_to(lab.root)) if path.is_relative_to(lab.root) else path.name


def refusal(lab: Lab, path: Path) -> tuple[str | None, Run | None]:
    """Why an old snapshot does not go on, in words, None where it does; and the run in which that is seen."""
    return (_refused_state(lab, path), None) if lab.kind == "R" else _refused_store(lab, path)


def _refused_store(lab: Lab, path: Path) -> tuple[str | None, Run | None]:
    store = lab.stages.new_store()
    shutil.copytree(path, store, dirs_exist_ok=True) if path.is_dir() else shutil.copy(path, store / path.name)
    run = lab.resume(lab.happy(), answers={}, store=store)
    if run.status in ("finished", "waiting"):
        return None, run
    return f"ends {how_ended(run)}", run


def _refused_state(lab: Lab, path: Path) -> str | None:
    data = json.loads(path.read_text(encoding="utf-8"))
    with lab.reducer(ELSEWHERE) as remote:
        try:
            loaded = remote.order("load", json=data)
        except ReducerFailed as failed:
            return f"does not load: {failed}"
        held = json.dumps(loaded["json"], ensure_ascii=False)
        texts = [text for text in leaves(data) if len(text) >= LONG]
        lost = [text for text in texts if json.dumps(text, ensure_ascii=False)[1:-1] not in held]
        if len(lost) * 2 > len(texts):
            return f"loads without {len(lost)} of its {len(texts)} texts, {lost[0][:60]!r} among them"
        problems = [_moves(remote, loaded["state"], event) for event in _events(data)]
        return None if None in problems else next((p for p in problems if p), None)


def _moves(remote: Remote, state: int, event: Mapping[str, Any]) -> str | None:
    """None where the state goes on with this event; else the error, or nothing where it does not wait for it."""
    try:
        return None if remote.order("reduce", state=state, event=event)["commands"] else ""
    except ReducerFailed as failed:
        return f"loads, and breaks at the next event: {failed}"


def _events(data: Any) -> Iterator[Mapping[str, Any]]:
    """Events for which a state might wait: answers to all that it gives a name, and a reply of the model."""
    for id in dict.fromkeys(leaves(data)):
        yield {"type": "HumanAnswered", "id": id, "answer": {"type": "Approved"}}
        yield {"type": "ToolReturned", "call_id": id, "value": "done"}
    yield {"type": "ModelReplied", "text": "Done.", "calls": [], "finish": "stop"}
