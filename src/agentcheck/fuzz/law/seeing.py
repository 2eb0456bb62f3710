"""Factor 3: what the model gets to see."""

import re
from typing import Final

from agentcheck.fuzz.laws import Said, Tale, law
from agentcheck.marks import holds, size
from agentcheck.recall import told
from agentcheck.trace import Event
from agentcheck.window import kept_elsewhere, unpaired
from agentcheck.wording import leaves

MARK: Final = re.compile(r"agentcheck-[0-9a-f]{10}")
_LARGE: Final = 50_000
_SMALL: Final = 2_000


def marks(value: object) -> set[str]:
    """The marks in a value."""
    return {mark for leaf in leaves(value) for mark in MARK.findall(leaf)}


@law("F03-tool-result-reaches-model", "model_request")
def results_arrive(tale: Tale, asked: Event) -> Said:
    earlier = tale.last(asked, "model_request")
    if tale.killed_since(asked, earlier):
        return None
    small = [e for e in tale.since(asked, earlier, "tool_returned") if len(str(e["value"])) < _SMALL]
    expected = {mark: e for e in small if _decided(tale, e) for mark in marks(e["value"])}
    lost = next((e for mark, e in expected.items() if not _shows(asked, mark)), None)
    if not expected:
        return None
    return f"{lost['tool']} returned {marks(lost['value'])}, and the next request does not hold it" if lost else ""


def _shows(asked: Event, mark: str) -> bool:
    """As `holds`, which reads everything in every way that it can be read: first as it stands."""
    return any(mark in message.text for message in asked.request.messages) or holds(asked, mark)


def _decided(tale: Tale, returned: Event) -> bool:
    called = tale.run.first("tool_called", call=returned["call"])
    return called is not None and called["decision"] is not None


@law("F03-calls-and-results-pair", "model_request")
def histories_pair(tale: Tale, asked: Event) -> Said:
    request = asked.request
    if kept_elsewhere(request) or not any(m.calls or m.role == "tool" for m in request.messages):
        return None
    if any(len({c.id for c in m.calls}) < len(m.calls) for m in request.messages):
        return None  # the model gave two calls one id
    wrong = unpaired(request)
    return f"in the history of a request {wrong}" if wrong else ""


@law("F03-large-result-is-bounded", "model_request")
def large_results_are_bounded(tale: Tale, asked: Event) -> Said:
    earlier = tale.last(asked, "model_request")
    large = [
        e for e in tale.since(asked, earlier, "tool_returned") if len(str(e["value"])) > _LARGE and _decided(tale, e)
    ]
    if earlier is None or not large:
        return None
    grown, limit = size(asked) - size(earlier), tale.target.limits.result_growth_bytes
    said = f"{large[0]['tool']} returned 200 kB, and the next request is {grown:,} bytes larger"
    return said if grown > limit * len(large) else ""


@law("F03-sessions-do-not-leak", "model_request")
def sessions_do_not_leak(tale: Tale, asked: Event) -> Said:
    others = [e for e in tale.run.of("launched", "tool_returned", before=asked) if e.session != asked.session]
    if not others or "fork" in (asked.session, *(e.session for e in others)):
        return None
    theirs = {mark for e in others for mark in marks(e["triggers"] if e.type == "launched" else e["value"])}
    own = told(asked.request)
    leaked = next((mark for mark in sorted(theirs) if mark in own), None)
    return f"a request of one session holds {leaked!r}, which only the other session was told" if leaked else ""
