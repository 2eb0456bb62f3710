"""Amazon Bedrock's InvokeModel and InvokeModelWithResponseStream, for Anthropic's models and Amazon's Nova.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html and
https://docs.aws.amazon.com/nova/latest/userguide/using-invoke-api.html. The body is that of Anthropic's Messages, or
nearly that of Converse; each event of a stream is one of theirs, as base64 in a frame. Bodies of other families have
each a form of their own, and are not judged.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentcheck.dialects import anthropic, bedrock, bedrock_converse, depth
from agentcheck.dialects.anthropic import messages_json, schema_error
from agentcheck.dialects.bedrock import failure
from agentcheck.dialects.reading import mapping, refuse_failure
from agentcheck.messages import Decision, Request
from agentcheck.wire import WireError, WireReply, WireRequest, json_bytes, json_object

__all__ = ["array", "failure", "messages_json", "name", "parse", "parse_reply", "recognises", "reply", "schema_error"]

name: Final = "bedrock-invoke"
array: Final = "messages"

_STREAMS: Final = "invoke-with-response-stream"
_NOVAS_OWN: Final = frozenset({"schemaVersion", "inferenceConfig", "toolConfig"})


def recognises(request: WireRequest) -> bool:
    called = bedrock.called(request)
    if called is None or not called[1].startswith("invoke"):
        return False
    try:
        body = request.json()
    except WireError:
        return False
    known = "anthropic_version" in body or _is_nova(body | {"model": called[0]})
    return known and isinstance(body.get("messages"), list)


def _is_nova(settings: Mapping[str, Any]) -> bool:
    """Told by the fields that Nova alone has or, where a request has none of them, by the name of the model."""
    if "anthropic_version" in settings:
        return False
    return bool(_NOVAS_OWN & settings.keys()) or "amazon.nova" in str(settings.get("model"))


@depth.reads
def parse(request: WireRequest) -> Request:
    body, (model, method) = request.json(), bedrock.called(request) or ("", "invoke")
    if _is_nova(body | {"model": model}):
        marked = {"schemaVersion": "messages-v1"} | body  # the reply is in Nova's form too
        return bedrock_converse.parse_body(marked, model, dialect=name, streams=method == _STREAMS)
    return anthropic.parse_body(body | {"model": model}, dialect=name, streams=method == _STREAMS)


@depth.writes
def reply(decision: Decision, request: Request) -> WireReply:
    if not _is_nova(request.settings):
        if not request.stream:
            return anthropic.reply(decision, request)
        return bedrock.stream(map(_framed, anthropic.events(decision, request)))
    if not request.stream:
        return bedrock_converse.reply(decision, request)
    return bedrock.stream(_framed({kind: said}) for kind, said in bedrock_converse.events(decision, request))


def _framed(event: Mapping[str, Any]) -> bytes:
    return bedrock.event("chunk", bedrock.packed(json_bytes(event)))


@depth.reads
def parse_reply(reply: WireReply) -> Decision:
    refuse_failure(reply)
    if reply.is_stream:
        return _of_stream([json_object(bedrock.unpacked(said), "an event of it") for _, said in bedrock.events(reply)])
    body = json_object(reply.body, "the reply body")
    return bedrock_converse.decision_of(body) if "output" in body else anthropic.decision_of(body)


def _of_stream(payloads: list[dict[str, Any]]) -> Decision:
    if any("type" in payload for payload in payloads):
        return anthropic.read_events(iter(payloads))
    return bedrock_converse.read_events(_kinds(payloads))


def _kinds(payloads: list[dict[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The events of Nova's, each an object whose one key is its kind."""
    for payload in payloads:
        yield from ((kind, mapping(said)) for kind, said in payload.items())
