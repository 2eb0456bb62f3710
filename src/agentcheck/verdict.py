"""From a check and a lab to a finding: the judge is run on each kind of target that both know."""

import time
from typing import TYPE_CHECKING, Any, Final

from agentcheck.abilities import excuse, insist, promised
from agentcheck.check import KINDS, Check
from agentcheck.finding import Finding, HarnessError, Outcome, Undecided
from agentcheck.messages import ToolCall
from agentcheck.score import combine
from agentcheck.trace import Event

if TYPE_CHECKING:
    from agentcheck.lab import Lab

_EXCERPT: Final = 2_000  # characters of an assertion's own explanation kept as evidence
MENDS: Final = {
    "R": '[tool.agentcheck]\nreducer = "module:object"  # with start and reduce',
    "C": '[tool.agentcheck]\nrun = "module:function"  # run(task) -> answer',
    "H": '[tool.agentcheck]\nhost = "module:object"  # with launch and resume',
    "W": '[tool.agentcheck]\nrecordings = ["cassettes/run.jsonl"]  # of real runs',
}


def judge(lab: "Lab", check: Check) -> Finding:
    """The finding of one check. Never raises for what the agent does."""
    started = time.monotonic()
    kinds = [k for k in check.kinds if k in lab.kinds]
    parts = [_on_kind(lab, check, kind) for kind in _deepest(kinds)] or [_on_none(lab, check)]
    outcome = combine([p.outcome for p in parts])
    decisive = next(p for p in parts if p.outcome is outcome)
    return Finding(
        check=check.id,
        outcome=outcome,
        message=decisive.message,
        evidence=decisive.evidence,
        trace=decisive.trace,
        mend=decisive.mend,
        kinds="".join(p.kinds for p in parts),
        seconds=round(time.monotonic() - started, 4),
    )


def _deepest(kinds: list[str]) -> list[str]:
    """Recordings alone are judged where nothing can be run."""
    return [k for k in kinds if k != "W"] or kinds


def _on_none(lab: "Lab", check: Check) -> Finding:
    """Of a check that knows none of the target's kinds."""
    try:
        insist(lab, check)
    except AssertionError as lacking:
        return Finding(check.id, Outcome.FAIL, str(lacking), kinds=lab.kinds[0])
    except Undecided as undecided:
        return Finding(check.id, undecided.outcome, undecided.message)
    wanted = " or a ".join(KINDS[k] for k in check.kinds)
    return Finding(check.id, Outcome.UNTESTABLE, f"it can be judged on a {wanted}", mend=MENDS[check.kinds[-1]])


def _on_kind(lab: "Lab", check: Check, kind: str) -> Finding:
    lab.begin(kind)
    try:
        insist(lab, check)
        found = check.judge(lab)
    except AssertionError as failed:
        excused = excuse(lab.target, check)
        if excused:
            return _finding(lab, check, kind, Outcome.UNTESTABLE, excused, mend=MENDS["H"])
        message, detail = said(failed)
        message, detail = (message, "") if message else (check.failure, detail)
        return _finding(lab, check, kind, Outcome.FAIL, message + promised(lab.target, check), detail=detail)
    except Undecided as undecided:
        if undecided.trace is not None:
            lab.cited.trace = undecided.trace
        return _finding(lab, check, kind, undecided.outcome, undecided.message, mend=undecided.mend)
    except Exception as error:  # our own mistake: a verdict of its own, never a pass
        where = innermost(error)
        broke = HarnessError(f"agentcheck broke while judging this: {type(error).__name__}: {error} ({where})")
        return _finding(lab, check, kind, Outcome.ERROR, broke.message)
    return _finding(lab, check, kind, Outcome.PASS, found or check.title)


def _finding(
    lab: "Lab", check: Check, kind: str, outcome: Outcome, message: str, *, mend: str = "", detail: str = ""
) -> Finding:
    trace = lab.cited.trace
    last = str(trace.path) if trace is not None and trace.path else None
    path = next(iter(_paths(lab)), last)
    evidence: list[dict[str, Any]] = [
        {"trace": path, "seq": event.seq, "text": encodable(_in_words(event))}
        for path, event in zip(_paths(lab), lab.cited.events, strict=True)
    ]
    if detail:
        evidence.append({"trace": path, "text": encodable(detail[:_EXCERPT])})
    return Finding(check.id, outcome, encodable(message), tuple(evidence), path, mend=encodable(mend), kinds=kind)


def encodable(text: str) -> str:
    """Text that any terminal, file or xdist takes: what UTF-8 cannot hold is there as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _in_words(event: Event) -> str:
    """An event as one line: its type, and what it is about."""
    about = [event.data[k] for k in ("tool", "n", "kind", "status", "what", "name", "failure") if event.data.get(k)]
    named = ("message", "arguments", "text", "value", "detail", "reason", "error", "result")
    shown = _crossed(event) or next((event.data[k] for k in named if event.data.get(k)), "")
    text = " ".join(str(part) for part in (event.type, *about, shown) if part != "")
    return text if len(text) <= 160 else text[:157] + "..."


def _crossed(event: Event) -> str:
    """What went over the wire: the last message of a request, the decision of a reply."""
    if event.type == "model_request" and event.request.messages:
        last = event.request.messages[-1]
        return f"{last.role}: {last.text or ', '.join(map(_written, last.calls))}"
    if event.type == "model_reply":
        return ", ".join(map(_written, event.decision.calls)) or event.decision.text
    return ""


def _written(call: ToolCall) -> str:
    return f"{call.name} {call.arguments}"


def _paths(lab: "Lab") -> list[str]:
    """Where the trace of each cited event was written."""
    return [str(lab.traces / f"{event.run}.jsonl") for event in lab.cited.events]


def said(failed: AssertionError) -> tuple[str, str]:
    """The author's message, and pytest's explanation of the assertion."""
    text = str(failed)
    message, _, detail = text.partition("\nassert ")
    if not detail and message.startswith("assert "):
        return "", message
    return message.strip(), f"assert {detail}" if detail else ""


def innermost(error: BaseException) -> str:
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return f"{tb.tb_frame.f_code.co_filename.rpartition('/')[2]}:{tb.tb_lineno}" if tb else "?"
