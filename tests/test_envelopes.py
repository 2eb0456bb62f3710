"""Envelopes have the shapes that providers document, carry what they are given, and are opened on the stage."""

import email
import email.policy
import json
import urllib.parse
from dataclasses import replace
from typing import Any

import pytest

from agentcheck.deliveries import facts
from agentcheck.envelopes import SENDERS, Sender, UnknownChannel, carried, envelope, known
from agentcheck.fixtures.deploybot import channels
from agentcheck.stage.channels import opened

TEXT = 'Please deploy v1.2.3.\n\nReference: X-17 (Zoë), <now> & "here"'


def _opened(name: str, convert: str | None, **given: Any) -> Any:
    return opened(carried(replace(envelope(name, TEXT, **given), convert=convert))["envelope"])


def _words(text: str) -> list[str]:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").split()


@pytest.mark.parametrize("name", SENDERS)
def test_the_text_the_address_and_the_delivery_come_through_every_envelope(name: str) -> None:
    trigger = _opened(name, f"{channels.__name__}:{channels.CHANNELS[name].__name__}").trigger
    assert _words(trigger["text"]) == _words(TEXT)
    assert str(trigger["reply_to"]["address"]) in (SENDERS[name].back, f"<{SENDERS[name].back}>")
    assert trigger["delivery"] == f"{name}:{SENDERS[name].delivery}"


@pytest.mark.parametrize("name", SENDERS)
def test_the_same_request_is_the_same_bytes(name: str) -> None:
    assert json.dumps(envelope(name, TEXT).forms) == json.dumps(envelope(name, TEXT).forms)


def test_another_sender_is_in_the_envelope() -> None:
    made = envelope("telegram", TEXT, sender=Sender("bob", "77", "9001"))
    assert made.forms[0]["message"]["chat"]["id"] == 77
    assert made.forms[0]["update_id"] == 9001
    assert made.ways_back == ("77",)


def test_slack_escapes_what_its_markup_uses() -> None:
    event = envelope("slack", "a < b & c").forms[0]["event"]
    assert event["text"] == "<@U0LAN0Z89> a &lt; b &amp; c"
    assert event["channel"] == SENDERS["slack"].back


def test_mail_is_a_message_with_both_parts() -> None:
    raw = envelope("email", TEXT).forms[0]
    assert raw.isascii()
    message = email.message_from_string(raw, policy=email.policy.default)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message["Reply-To"] == SENDERS["email"].back
    assert message["Message-ID"] == SENDERS["email"].delivery
    plain = message.get_body(preferencelist=("plain",))
    assert plain is not None
    assert plain.get_content().split() == TEXT.split()


def test_a_form_comes_as_a_table_and_as_it_is_on_the_wire() -> None:
    made = envelope("form", TEXT)
    on_the_wire = next(form for form in made.forms if isinstance(form, str))
    assert dict(urllib.parse.parse_qsl(on_the_wire)) == made.forms[0]
    assert not made.fixed


def test_github_gives_the_payload_alone_to_those_who_take_it_as_it_is() -> None:
    assert _opened("github", None).trigger["issue"]["body"] == TEXT


def payload_only(payload: dict[str, Any]) -> str:
    return str(payload["issue"]["body"])


def raw_body(request: dict[str, Any]) -> str:
    return str(json.loads(request["body"])["issue"]["body"]) if isinstance(request["body"], str) else ""


def mail_bytes(message: bytes) -> str:
    return str(email.message_from_bytes(message, policy=email.policy.default).get_body(("plain",)).get_content())  # type: ignore[union-attr]


async def later(update: dict[str, Any]) -> str:
    return str(update["message"]["text"])


def blind(update: dict[str, Any]) -> str:
    return str(update["text"])


def cuts(update: dict[str, Any]) -> str:
    return str(update["message"]["text"].partition("\n")[0])


@pytest.mark.parametrize(
    ("name", "convert"), [("github", payload_only), ("github", raw_body), ("email", mail_bytes), ("telegram", later)]
)
def test_the_form_that_the_users_function_reads_is_found(name: str, convert: Any) -> None:
    trigger = _opened(name, f"{__name__}:{convert.__name__}").trigger
    assert trigger.split() == TEXT.split()


def test_what_no_form_of_it_is_read_by_the_users_function_says_why() -> None:
    found = _opened("telegram", f"{__name__}:{blind.__name__}")
    assert found.trigger is None
    assert isinstance(found.error, KeyError)


def test_a_function_that_cuts_the_text_is_still_taken() -> None:
    assert _opened("telegram", f"{__name__}:{cuts.__name__}").trigger == "Please deploy v1.2.3."


def test_the_users_own_envelope_is_filled_in() -> None:
    template = {"body": {"content": "{text}"}, "from": ["{sender}", "{reply_to}"], "n": 3, "id": "{delivery}"}
    made = envelope("teams", "hello", template=template, sender=Sender("ann", "room-1", "d-1"))
    assert made.forms == ({"body": {"content": "hello"}, "from": ["ann", "room-1"], "n": 3, "id": "d-1"},)


def test_an_unknown_channel_is_named_with_those_that_are_known() -> None:
    with pytest.raises(UnknownChannel, match="'fax'; it knows slack, email, form, github, telegram, cron"):
        envelope("fax", TEXT)


@pytest.mark.parametrize(("said", "name"), [("Slack", "slack"), ("mail", "email"), ("web-form", "form"), ("fax", None)])
def test_channels_are_known_by_their_usual_names(said: str, name: str | None) -> None:
    assert known(said) == name


def test_facts_leave_out_the_envelope_and_keep_the_rest() -> None:
    sent = [envelope("slack", TEXT), envelope("email", TEXT)]
    of_slack = {"from": "slack", "to": "C024BE91L", "kind": "app_mention", "note": "Priority:  high", "n": 7}
    of_mail = {"from": "email", "id": SENDERS["email"].delivery, "at": "2026-05-28T20:26:40", "note": "priority: high"}
    assert facts(of_slack, sent) == facts(of_mail, sent) == {"priority: high"}
