"""Amazon Bedrock's InvokeModel and InvokeModelWithResponseStream, for Anthropic's models.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html. The body
is that of Anthropic's Messages; each event of a stream is one of theirs, as base64 in a frame. Bodies of other
families have each a form of their own, and are not judged.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentcheck.dialects import anthropic, bedrock
from agentcheck.dialects.anthropic import messages_json, schema_error
from agentcheck.dialects.bedrock import failure
from agentcheck.dialects.reading import refuse_failure
from agentcheck.messages import Decision, Request
from agentcheck.wire import WireError, WireReply, WireRequest, json_bytes, json_object

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "bedrock-invoke"
array: Final = "messages"

_STREAMS: Final = "invoke-with-response-stream"


def recognises(request: WireRequest) -> bool:
    called = bedrock.called(request)
    if called is None or not called[1].startswith("invoke"):
        return False
    try:
        body = request.json()
    except WireError:
        return False
    return "anthropic_version" in body and isinstance(body.get("messages"), list)


def parse(request: WireRequest) -> Request:
    model, method = bedrock.called(request) or ("", "invoke")
    return anthropic.parse_body(request.json() | {"model": model}, dialect=name, streams=method == _STREAMS)


def reply(decision: Decision, request: Request) -> WireReply:
    if not request.stream:
        return anthropic.reply(decision, request)
    return bedrock.stream(map(_framed, anthropic.events(decision, request)))


def _framed(event: Mapping[str, Any]) -> bytes:
    return bedrock.event("chunk", bedrock.packed(json_bytes(event)))


def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    if reply.is_stream:
        return anthropic.read_events(_unpacked(reply))
    return anthropic.decision_of(json_object(reply.body, "the reply body"))


def _unpacked(reply: WireReply) -> Iterator[dict[str, Any]]:
    for _, payload in bedrock.events(reply):
        yield json_object(bedrock.unpacked(payload), "an event of the stream")
