"""Factor 11: trigger from anywhere, meet users where they are."""

from agentcheck import deliveries, humans
from agentcheck.check import Severity, check
from agentcheck.envelopes import Envelope
from agentcheck.finding import Untestable
from agentcheck.lab import Lab, Run


@check(
    "F11-launch-is-plain-data",
    Severity.MUST,
    "RCH",
    title="plain data launches it, and its answer comes back as data",
    failure="it needs a terminal, or its answer does not come back as data",
    remedy="take the request as an argument (text or JSON), return the answer, and leave prompts to a thin front end",
    reaches="the end of a run",
)
def launch_is_plain_data(lab: Lab) -> None:
    """What needs somebody at a terminal cannot be started by a webhook, a queue or a schedule."""
    run = lab.happy()
    typed = run.first("asked", via="input")
    assert typed is None, lab.seen(f"it asked somebody at a terminal{humans.quoted(typed)}", typed)
    ended = run.reach("finished", status="finished", why=f"the run did not come to its end: {run.status}")
    assert ended["plain"], lab.seen(f"its answer is no data: {str(ended['result'])[:120]}", ended)
    answer = ended["result"] if ended["result"] is not None else ended.get("state")
    assert answer is not None, lab.seen("it returned nothing: its answer did not come back", ended)


@check(
    "F11-channels-agree",
    Severity.MUST,
    "RCH",
    title="the same request leads to the same decision and state, whatever channel it comes by",
    failure="a channel changes the request",
    remedy="turn every envelope into the same trigger, with the whole text, before anything else looks at it",
    reaches="a model request for each declared channel",
)
def channels_agree(lab: Lab) -> None:
    """A request that loses a line on its way by mail is carried out wrongly, and only for those who write mail."""
    run, sent = deliveries.delivered(lab), deliveries.envelopes(lab)
    for name, envelope in sent.items():
        problem = deliveries.unreadable(run, envelope)
        assert problem is None, lab.seen(f"{envelope.convert} cannot read what {name} sends: {problem}")
    asked = {name: deliveries.opening(run, envelope) for name, envelope in sent.items()}
    lost = {name: deliveries.lost(asked[name], envelope) for name, envelope in sent.items()}
    if all(deliveries.REFERENCE in words for words in lost.values()):
        raise Untestable("the text of the request is in no channel's first model request", trace=run)
    best = min(lost, key=lambda name: len(lost[name]))
    for name, envelope in sent.items():
        missing = [word for word in lost[name] if word not in lost[best]]
        assert not missing, lab.seen(
            f"by {best} the whole request reaches the model; by {name} these words are missing: "
            f"{', '.join(missing[:8])}",
            asked[best],
            asked[name],
        )
        one, other = deliveries.decision(run, sent[best]), deliveries.decision(run, envelope)
        assert one == other, lab.seen(f"{best} leads to {one}, {name} to {other}", asked[best], asked[name])
    if lab.kind == "R":
        _states_agree(lab, run, sent)


def _states_agree(lab: Lab, run: Run, sent: dict[str, Envelope]) -> None:
    """The state at the end is the same but for the envelope."""
    ends = {name: run.reach("finished", session=name) for name in sent}
    states = {name: deliveries.facts(ended.get("state"), sent.values()) for name, ended in ends.items()}
    first = next(iter(sent))
    for name, state in states.items():
        odd = sorted(state ^ states[first])
        assert not odd, lab.seen(
            f"by {first} and by {name} the state differs in more than the envelope: {odd[0][:120]!r}",
            ends[first],
            ends[name],
        )


@check(
    "F11-duplicate-delivery-is-once",
    Severity.MUST,
    "H",
    title="a delivery that comes twice starts one run",
    failure="a delivery that comes twice is carried out twice",
    remedy="keep the delivery's id with the run, and answer a second delivery with the run that the first one started",
    reaches="a delivery that was carried out, and the same one again",
)
def duplicate_delivery_is_once(lab: Lab) -> None:
    """Slack, GitHub and every queue deliver again when an acknowledgement is late; then two deployments run."""
    run, sent = deliveries.delivered(lab), deliveries.envelopes(lab)
    for name, envelope in sent.items():
        if deliveries.unreadable(run, envelope) is not None:
            raise Untestable(f"follows from F11-channels-agree: {envelope.convert} cannot read its envelope", trace=run)
        run.reach("finished", session=name, status="finished", why=f"the request by {name} was not carried out")
    again = lab.launch_again(run)
    for name, envelope in sent.items():
        acted = again.first("effect", "model_request", session=name)
        assert acted is None, lab.seen(
            f"{name} delivered {envelope.delivery} twice, and the second time "
            + (
                f"{acted and acted['tool']} ran again"
                if acted and acted.type == "effect"
                else "the model was asked again"
            ),
            acted,
        )


@check(
    "F11-reply-returns-to-channel",
    Severity.SHOULD,
    "RCH",
    title="the answer carries the way back to where the request came from",
    failure="the answer does not say where it must go",
    remedy="keep the reply address of the trigger in the state, and put it into the result",
    reaches="an answer to a request of each declared channel",
)
def reply_returns_to_channel(lab: Lab) -> None:
    """An agent that works for hours answers from another process; an answer without an address reaches nobody."""
    run, sent = deliveries.delivered(lab), deliveries.envelopes(lab)
    for name, envelope in sent.items():
        if deliveries.unreadable(run, envelope) is not None:
            raise Untestable(f"follows from F11-channels-agree: {envelope.convert} cannot read its envelope", trace=run)
        ended = run.reach("finished", session=name, status="finished", why=f"the request by {name} got no answer")
        assert deliveries.says_way_back(ended["result"], envelope), lab.seen(
            f"the request came by {name} from {envelope.ways_back[0]}, and the answer does not say so", ended
        )
