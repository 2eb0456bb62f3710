"""What a model call costs, in tokens at four characters each, which is near what providers count for plain text."""

import json

from agentcheck.messages import Decision, Request
from agentcheck.trace import Trace

CHARACTERS = 4


def sent(request: Request) -> int:
    """Tokens of a request: its messages and the schemas of its tools."""
    offered = sum(len(t.name) + len(t.description) + len(json.dumps(t.parameters, default=repr)) for t in request.tools)
    return -(-(len(request.text()) + offered) // CHARACTERS)


def said(decision: Decision) -> int:
    """Tokens of a reply."""
    return -(-(len(decision.text) + sum(len(c.name) + len(c.arguments) for c in decision.calls)) // CHARACTERS)


def spent(trace: Trace) -> int:
    """Tokens of all model calls of a run that were answered."""
    total = 0
    for reply in trace.of("model_reply"):
        asked = trace.of("model_request", before=reply, session=reply.session)[-1]
        total += sent(asked.request) + said(reply.decision)
    return total
