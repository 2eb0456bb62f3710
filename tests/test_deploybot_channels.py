"""deploybot's channels: the same request, whatever envelope it comes in, and the way back."""

import json
from email.message import EmailMessage
from typing import Any

import pytest

from agentcheck.fixtures.deploybot import channels
from agentcheck.fixtures.deploybot.reducer import DeployBot
from agentcheck.reducer import Finish, ModelReplied

ASKED = "Please deploy v1.2.3 to staging."


def _mail() -> str:
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "ann@example.org", "Deployment", "<m1@example.org>"
    message.set_content(ASKED)
    message.add_alternative(f"<p>{ASKED}</p>", subtype="html")
    return message.as_string()


ENVELOPES: dict[str, tuple[Any, str, Any]] = {
    "slack": (
        {
            "type": "event_callback",
            "event_id": "Ev1",
            "event": {"type": "app_mention", "text": f"<@U1> {ASKED}", "channel": "C1", "ts": "1.2"},
        },
        "slack:Ev1",
        {"channel": "slack", "address": "C1", "thread": "1.2"},
    ),
    "email": (
        _mail(),
        "email:<m1@example.org>",
        {"channel": "email", "address": "ann@example.org", "thread": "<m1@example.org>"},
    ),
    "form": (
        "message=Please+deploy+v1.2.3+to+staging.&email=ann%40example.org&id=7",
        "form:7",
        {"channel": "form", "address": "ann@example.org"},
    ),
    "github": (
        {
            "headers": {"X-GitHub-Delivery": "g1"},
            "body": {
                "action": "opened",
                "issue": {"number": 7, "title": "Deployment", "body": ASKED},
                "repository": {"full_name": "o/r"},
            },
        },
        "github:g1",
        {"channel": "github", "address": "o/r", "thread": 7},
    ),
    "telegram": (
        {"update_id": 9, "message": {"message_id": 3, "chat": {"id": 42}, "text": ASKED}},
        "telegram:9",
        {"channel": "telegram", "address": 42, "thread": 3},
    ),
    "cron": (
        {"schedule": "0 9 * * 1", "job": {"name": "weekly", "text": ASKED}, "scheduled_at": "2026-11-23T09:00:00Z"},
        "cron:2026-11-23T09:00:00Z",
        {"channel": "cron", "address": "weekly"},
    ),
}


@pytest.mark.parametrize("channel", channels.CHANNELS)
def test_every_channel_gives_the_same_request_and_its_own_way_back(channel: str) -> None:
    envelope, delivery, back = ENVELOPES[channel]
    trigger = channels.CHANNELS[channel](envelope)
    assert trigger == {"text": ASKED, "reply_to": back, "delivery": delivery}
    bot = DeployBot()
    step = bot.start(json.loads(json.dumps(trigger)))
    assert step.commands == bot.start(ASKED).commands
    assert bot.reduce(step.state, ModelReplied("Done.")).commands == (
        Finish({"status": "done", "message": "Done.", "reply_to": back}),
    )
