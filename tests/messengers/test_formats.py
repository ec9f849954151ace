"""The format of each kind of message, and that a machine's claims stay text in it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from hmac import digest

import pytest

from bootgrant.messengers.chat import ntfy_message, slack_message, teams_message
from bootgrant.messengers.email import Email, Security, compose
from bootgrant.messengers.webhook import event, signature
from bootgrant.ports.notifications import Notice, NoticeMachine, Topic
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.notify_waiting import plain_text

HOSTILE = "<!channel> [click](https://evil.example) *x* &amp;"
LINK = "https://boot.example/requests/1"
MACHINE = NoticeMachine({"serial": HOSTILE}, "10.0.0.9", "fra-1", {"site": "fra"}, 1000.0, LINK)
NOTICE = Notice("msg_1", 1060.0, LINK, 1, (MACHINE,))
TEXT = plain_text(NOTICE)


def test_slack_shows_claims_as_plain_text_and_links_to_the_card() -> None:
    message = slack_message(NOTICE, TEXT)
    blocks = message["blocks"]
    assert isinstance(blocks, list)
    assert [block["text"]["type"] for block in blocks] == ["plain_text", "mrkdwn"]
    assert HOSTILE in blocks[0]["text"]["text"]
    assert blocks[1]["text"]["text"] == f"<{LINK}|Sign in and look>"
    assert HOSTILE not in str(message["text"])


def test_teams_shows_claims_where_markdown_is_not_read_and_links_to_the_card() -> None:
    message = json.loads(json.dumps(teams_message(NOTICE, TEXT)))
    [attachment] = message["attachments"]
    card = attachment["content"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert [(action["type"], action["url"]) for action in card["actions"]] == [("Action.OpenUrl", LINK)]


@pytest.mark.parametrize("line", ["x\n", "\U0001f600"], ids=["lines", "bytes"])
def test_a_teams_message_stays_below_the_limit_of_teams(line: str) -> None:
    assert len(json.dumps(teams_message(NOTICE, line * 50_000), ensure_ascii=False).encode()) < 28 << 10


def test_ntfy_opens_the_card_on_a_tap_and_the_text_does_not_become_an_attachment() -> None:
    message = ntfy_message(NOTICE, TEXT * 100, "boots")
    assert (message["topic"], message["click"], message["title"]) == ("boots", LINK, "bootgrant: a machine is waiting")
    assert len(str(message["message"]).encode()) <= 4096


def test_a_mail_is_plain_text_and_marked_as_automatic() -> None:
    email = Email("mail", 25, Security.NONE, "boot@example.org", ("a@example.org", "b@example.org"))
    mail = compose(email, NOTICE, TEXT)
    assert (mail["Subject"], mail["To"]) == ("bootgrant: a machine is waiting", "a@example.org, b@example.org")
    assert (mail.get_content_type(), mail["Auto-Submitted"]) == ("text/plain", "auto-generated")
    assert mail["Message-ID"] == "<msg_1@example.org>"
    assert HOSTILE in mail.get_content()


def test_no_message_contains_a_code_or_a_button_that_approves() -> None:
    for message in (slack_message(NOTICE, TEXT), teams_message(NOTICE, TEXT), event(NOTICE, TEXT)):
        assert "approve" not in json.dumps(message)
        assert "code" not in json.dumps(message)


@pytest.mark.parametrize(
    ("secret", "key"),
    [("a long enough secret", b"a long enough secret"), (f"whsec_{b64encode(b'k' * 24).decode()}", b"k" * 24)],
)
def test_a_webhook_signs_its_id_its_time_and_its_body(secret: str, key: bytes) -> None:
    version, _, signed = signature(Secret(secret), "msg_1", "1060", b"{}").partition(",")
    assert version == "v1"
    assert b64decode(signed) == digest(key, b"msg_1.1060.{}", sha256)


def test_a_webhook_names_the_waiting_machines_their_addresses_and_times() -> None:
    body = event(NOTICE, TEXT)
    assert (body["type"], body["timestamp"]) == ("machines.waiting", 1060.0)
    assert body["data"] == {
        "count": 1,
        "machines": [
            {
                "identity": {"serial": HOSTILE},
                "address": "10.0.0.9",
                "entry": "fra-1",
                "labels": {"site": "fra"},
                "asked_at": 1000.0,
                "link": LINK,
                "undelivered": None,
            }
        ],
        "link": LINK,
        "text": TEXT,
    }


def test_a_webhook_says_where_a_token_was_used() -> None:
    machine = replace(NOTICE.machines[0], used_at="192.0.2.7", refused=True)
    body = event(replace(NOTICE, machines=(machine,), topic=Topic.ELSEWHERE), TEXT)
    assert body["type"] == "token.used_elsewhere"
    data = body["data"]
    assert isinstance(data, dict)
    assert (data["machines"][0]["used_at"], data["machines"][0]["refused"]) == ("192.0.2.7", True)
