"""Requests as channels deliver them: one text in the envelope of Slack, e-mail, a form, GitHub, Telegram or cron.

The shapes are those that the providers document; each function names the page. What no provider
fixes, the fields of a form and the event of a scheduler, comes in several forms, the most usual first.
"""

import email.policy
import email.utils
import html
import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Any, Final

_SECONDS: Final = 1_780_000_000  # when everything here was sent: an instant in 2026
_WHEN: Final = "2026-05-28T20:26:40Z"
_SUBJECT: Final = "A request"
_TEXT_FIELDS: Final = ("message", "text", "request", "description", "task", "body")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who asks, and where: as the channel names them."""

    name: str
    back: str  # where an answer must go
    delivery: str  # the id of the delivery, the same when it is delivered again


@dataclass(frozen=True, slots=True)
class Envelope:
    """One request as one channel delivers it.

    `forms` are the ways in which it may arrive, the most usual first. `convert` is the user's
    "module:function" that turns it into a trigger; None: the agent takes it as it is, in the
    form `bare`, else in the first one. `ways_back` are the addresses one of which an answer must
    carry. `fixed`: a provider's page fixes the form.
    """

    channel: str
    text: str
    forms: tuple[Any, ...]
    ways_back: tuple[str, ...]
    sender: str
    delivery: str
    fixed: bool
    bare: Any = None
    convert: str | None = None


def carried(trigger: Any) -> dict[str, Any]:
    """What starts a session, for the stage: a trigger, or an envelope that is opened there."""
    if isinstance(trigger, Envelope):
        return {"trigger": None, "envelope": asdict(trigger)}
    return {"trigger": trigger}


class UnknownChannel(ValueError):
    """agentcheck knows no envelope of this channel; the message names those that it knows."""


SENDERS: Final[Mapping[str, Sender]] = {
    "slack": Sender("U02345678", "C024BE91L", "Ev08MFMKH6"),
    "email": Sender("Ann Example <ann@example.org>", "ann+replies@example.org", "<20260528.4711@mail.example.org>"),
    "form": Sender("Ann Example", "ann@example.org", "form-submission-4711"),
    "github": Sender("ann-example", "example-org/backend", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    "telegram": Sender("ann_example", "987654321", "524876123"),
    "cron": Sender("scheduler", "ops@example.org", "cron-run-20260528T202640"),
}
_ALIASES: Final = {"mail": "email", "web": "form", "webform": "form", "web_form": "form", "issue": "github"}


def known(channel: str) -> str | None:
    """The name under which this channel's envelope is known here, if it is."""
    plain = channel.lower().replace("-", "_")
    name = _ALIASES.get(plain, plain)
    return name if name in SENDERS else None


def envelope(channel: str, text: str, *, sender: Sender | None = None, template: Any = None) -> Envelope:
    """The envelope in which `channel` delivers `text`.

    Args:
        channel: slack, email, form, github, telegram or cron; with a template, any name.
        text: what is asked.
        sender: who asks; default: somebody of that channel.
        template: the user's own envelope, text or table, in which {text}, {sender}, {reply_to}
            and {delivery} stand for these values.

    Raises:
        UnknownChannel: neither known nor given as a template.
    """
    name = known(channel)
    if template is not None:
        who = sender or SENDERS[name or "form"]
        return Envelope(channel, text, (_filled(template, text, who),), (who.back,), who.name, who.delivery, fixed=True)
    if name is None:
        raise UnknownChannel(f"agentcheck knows no envelope of {channel!r}; it knows {', '.join(SENDERS)}")
    who = sender or SENDERS[name]
    return _MAKERS[name](channel, text, who)


def slack(channel: str, text: str, sender: Sender) -> Envelope:
    """An Events API callback for a mention in a channel. https://docs.slack.dev/reference/objects/event-object"""
    said = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    stamp = f"{_SECONDS}.000100"
    event = {
        "type": "app_mention",
        "user": sender.name,
        "text": f"<@U0LAN0Z89> {said}",
        "ts": stamp,
        "event_ts": stamp,
        "channel": sender.back,
        "team": "T0123ABCD",
        "blocks": [_rich_text(text)],
    }
    body = {
        "token": "XXYYZZ",
        "team_id": "T0123ABCD",
        "api_app_id": "A0KRD7HC3",
        "event": event,
        "type": "event_callback",
        "event_id": sender.delivery,
        "event_time": _SECONDS,
        "authorizations": [{"team_id": "T0123ABCD", "user_id": "U0LAN0Z89", "is_bot": True}],
        "is_ext_shared_channel": False,
    }
    return Envelope(
        channel, text, (body, _http(body, {})), (sender.back, sender.name), sender.name, sender.delivery, fixed=True
    )


def mail(channel: str, text: str, sender: Sender) -> Envelope:
    """An RFC 5322 message with a plain and an HTML part, in quoted-printable, as mail programs send it."""
    message = EmailMessage()
    message["From"], message["Reply-To"], message["To"] = sender.name, sender.back, "agent@example.org"
    message["Subject"] = _SUBJECT
    message["Date"], message["Message-ID"] = "Thu, 28 May 2026 20:26:40 +0000", sender.delivery
    message.set_content(text, cte="quoted-printable")
    paragraphs = "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))
    message.add_alternative(paragraphs, subtype="html", cte="quoted-printable")
    message.set_boundary("=_agentcheck_boundary")
    forms = (message.as_string(policy=email.policy.SMTP.clone(cte_type="7bit")),)
    return Envelope(
        channel,
        text,
        forms,
        (sender.back, *_addresses(sender.name), sender.delivery),
        sender.name,
        sender.delivery,
        fixed=True,
    )


def form(channel: str, text: str, sender: Sender) -> Envelope:
    """The fields of a web form, as a table and as application/x-www-form-urlencoded; each form names its own."""
    fields = {"id": sender.delivery, "name": sender.name, "email": sender.back, "subject": _SUBJECT}
    tables = [{**fields, field: text} for field in _TEXT_FIELDS]
    forms = (*tables, *(urllib.parse.urlencode(table) for table in tables))
    return Envelope(channel, text, forms, (sender.back,), sender.name, sender.delivery, fixed=False)


def github(channel: str, text: str, sender: Sender) -> Envelope:
    """An `issues` webhook, with its headers and alone. https://docs.github.com/webhooks/webhook-events-and-payloads"""
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": sender.delivery, "Content-Type": "application/json"}
    payload = _issue(text, sender)
    with_headers = ({"headers": headers, "payload": payload}, {"headers": headers, "body": payload})
    forms = (*with_headers, _http(payload, headers), payload)
    return Envelope(channel, text, forms, (sender.back,), sender.name, sender.delivery, fixed=True, bare=payload)


def telegram(channel: str, text: str, sender: Sender) -> Envelope:
    """A Bot API update with a message. https://core.telegram.org/bots/api#update"""
    chat = int(sender.back)
    person = {"id": chat, "first_name": "Ann", "last_name": "Example", "username": sender.name}
    message = {
        "message_id": 42,
        "from": {**person, "is_bot": False, "language_code": "en"},
        "chat": {**person, "type": "private"},
        "date": _SECONDS,
        "text": text,
    }
    update = {"update_id": int(sender.delivery), "message": message}
    return Envelope(
        channel, text, (update, _http(update, {})), (sender.back,), sender.name, sender.delivery, fixed=True
    )


def cron(channel: str, text: str, sender: Sender) -> Envelope:
    """A scheduled event: a plain job, then that of Amazon EventBridge with the job's input as its detail.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
    """
    forms: list[Any] = []
    for field in ("text", *(f for f in _TEXT_FIELDS if f != "text")):
        job = {"name": "daily-request", field: text, "reply_to": sender.back}
        forms.append({"id": sender.delivery, "schedule": "26 20 * * *", "scheduled_at": _WHEN, "job": job})
        forms.append({"id": sender.delivery, "schedule": "26 20 * * *", "scheduled_at": _WHEN, **job})
        forms.append(_event_bridge(sender, {field: text, "reply_to": sender.back}))
    return Envelope(
        channel, text, tuple(forms), (sender.back, "daily-request"), sender.name, sender.delivery, fixed=False
    )


_MAKERS: Final[Mapping[str, Callable[[str, str, Sender], Envelope]]] = {
    "slack": slack,
    "email": mail,
    "form": form,
    "github": github,
    "telegram": telegram,
    "cron": cron,
}


# --- parts ---------------------------------------------------------------------------------------


def _addresses(header: str) -> list[str]:
    return [address for _, address in email.utils.getaddresses([header]) if address]


def _rich_text(text: str) -> dict[str, Any]:
    parts = [{"type": "user", "user_id": "U0LAN0Z89"}, {"type": "text", "text": f" {text}"}]
    return {"type": "rich_text", "block_id": "b1", "elements": [{"type": "rich_text_section", "elements": parts}]}


def _issue(text: str, sender: Sender) -> dict[str, Any]:
    owner, _, name = sender.back.partition("/")
    page = f"https://github.com/{sender.back}"
    person = {"login": sender.name, "id": 583231, "type": "User", "html_url": f"https://github.com/{sender.name}"}
    issue = {
        "url": f"https://api.github.com/repos/{sender.back}/issues/17",
        "html_url": f"{page}/issues/17",
        "id": 2468013579,
        "number": 17,
        "title": _SUBJECT,
        "user": person,
        "labels": [],
        "state": "open",
        "locked": False,
        "assignees": [],
        "comments": 0,
        "created_at": _WHEN,
        "updated_at": _WHEN,
        "author_association": "MEMBER",
        "body": text,
    }
    repository = {"id": 1296269, "name": name, "full_name": sender.back, "html_url": page, "owner": {"login": owner}}
    return {"action": "opened", "issue": issue, "repository": repository, "sender": person}


def _event_bridge(sender: Sender, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": sender.delivery,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "time": _WHEN,
        "region": "eu-central-1",
        "resources": ["arn:aws:scheduler:eu-central-1:123456789012:schedule/default/daily-request"],
        "detail": dict(detail),
    }


def _http(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The request that brings it, as function platforms hand it on: the body is still text."""
    return {"headers": {"Content-Type": "application/json", **headers}, "body": json.dumps(body)}


def _filled(template: Any, text: str, sender: Sender) -> Any:
    if isinstance(template, Mapping):
        return {k: _filled(v, text, sender) for k, v in template.items()}
    if isinstance(template, (list, tuple)):
        return [_filled(v, text, sender) for v in template]
    if not isinstance(template, str):
        return template
    names = {"{text}": text, "{sender}": sender.name, "{reply_to}": sender.back, "{delivery}": sender.delivery}
    for name, value in names.items():
        template = template.replace(name, value)
    return template
