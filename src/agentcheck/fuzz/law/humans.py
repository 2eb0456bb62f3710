"""Factor 7: what humans are asked, and what their answers open."""

from agentcheck.fuzz.laws import Said, Tale, law
from agentcheck.recall import told
from agentcheck.trace import Event
from agentcheck.wording import told_after

GATES, BINDS, HONOURED, SILENCE = (
    "F07-approval-gates-effect",
    "F07-approval-binds-arguments",
    "F07-rejection-is-honoured",
    "F07-silence-is-not-consent",
)


def _unapproved(tale: Tale, called: Event) -> str | None:
    """The check that a high-stakes call breaks; "" where it was approved, None where none is needed."""
    if called["tool"] not in tale.stakes or called["decision"] is None:
        return None
    decision = tale.run.events[called["decision"]]
    asked = {e["id"]: e for e in tale.since(called, decision, "asked")}
    answers = [e for e in tale.since(called, decision, "answered") if e["id"] in asked]
    last = answers[-1]["answer"] if answers else None
    if last is not None and last["type"] != "Denied":
        return "" if last["type"] == "Approved" else None
    if last is not None:
        return HONOURED
    if asked:
        return BINDS if tale.since(called, decision, "answered") else SILENCE
    earlier = [e for e in tale.before(decision, "answered") if e["answer"]["type"] == "Approved"]
    return BINDS if earlier else GATES


def _approval(check: str) -> None:
    said = {
        GATES: "nobody was asked",
        BINDS: "was approved once, and this call was not",
        HONOURED: "a human said no",
        SILENCE: "nobody had answered",
    }[check]

    @law(check, "tool_called", kinds="RH" if check == SILENCE else "RCH")
    def approved(tale: Tale, called: Event) -> Said:
        found = _unapproved(tale, called)
        return found if not found else f"{called['tool']} ran, and {said}" if found == check else ""


for _check in (GATES, BINDS, HONOURED, SILENCE):
    _approval(_check)


@law(HONOURED, "model_request")
def refusal_is_told(tale: Tale, asked: Event) -> Said:
    earlier = tale.last(asked, "model_request")
    denied = [e for e in tale.since(asked, earlier, "answered") if e["answer"]["type"] == "Denied"]
    if not denied:
        return None
    return (
        "" if told_after(tale.run, denied[-1]).strip() else "a human said no, and the next request says nothing of it"
    )


@law("F07-human-is-a-tool", "model_request")
def human_is_offered(tale: Tale, asked: Event) -> Said:
    request = asked.request
    if not tale.human or not (request.tools or request.schema):
        return None
    offered = tale.human & tale.lab.offered.keys()
    return "" if offered else f"{' or '.join(sorted(tale.human))} is declared to reach a human, and not offered"


@law("F07-contact-pauses", "model_request", kinds="CH")
def contact_pauses(tale: Tale, asked: Event) -> Said:
    reply = tale.last(asked, "model_reply")
    questions = [e for e in tale.since(asked, reply, "asked") if e["kind"] == "question"] if reply else []
    if not questions:
        return None
    waited = next((e for e in questions if e["via"] != "pause" and e.pid == asked.pid), None)
    return "the process waited for the human's answer" if waited else ""


@law("F07-answer-reaches-model", "model_request")
def answers_arrive(tale: Tale, asked: Event) -> Said:
    earlier = tale.last(asked, "model_request")
    known = {e["id"] for e in tale.before(asked, "asked") if e["kind"] == "question"}
    texts = [e for e in tale.since(asked, earlier, "answered") if e["answer"]["type"] == "Text" and e["id"] in known]
    said = [e for e in texts if _first_time(tale, e)]
    if not said:
        return None
    lost = next((e for e in said if e["answer"]["text"] not in told(asked.request)), None)
    return f"the human answered {lost['answer']['text']!r}, and the next request does not hold it" if lost else ""


def _first_time(tale: Tale, answered: Event) -> bool:
    return not any(e["id"] == answered["id"] for e in tale.before(answered, "answered"))
