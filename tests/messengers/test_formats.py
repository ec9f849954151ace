"""What each kind of message looks like on the wire, and that what a machine claims stays text in it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from hmac import digest

import pytest

from bootgrant.messengers import ntfy, slack, teams, webhook
from bootgrant.messengers.email import Email, Security, compose
from bootgrant.ports.notifications import Notice, NoticeMachine
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.notify_waiting import in_words

HOSTILE = "<!channel> [click](https://evil.example) *x* &amp;"
LINK = "https://boot.example/requests/1"
MACHINE = NoticeMachine({"serial": HOSTILE}, "10.0.0.9", "fra-1", {"site": "fra"}, 1000.0, LINK)
NOTICE = Notice("msg_1", 1060.0, LINK, 1, (MACHINE,))
TEXT = in_words(NOTICE)


def test_slack_shows_claims_as_plain_text_and_links_to_the_card() -> None:
    told = slack.message(NOTICE, TEXT)
    blocks = told["blocks"]
    assert isinstance(blocks, list)
    assert [block["text"]["type"] for block in blocks] == ["plain_text", "mrkdwn"]
    assert HOSTILE in blocks[0]["text"]["text"]
    assert blocks[1]["text"]["text"] == f"<{LINK}|Sign in and look>"
    assert HOSTILE not in str(told["text"])


def test_teams_shows_claims_where_no_markdown_is_read_and_opens_a_page() -> None:
    told = json.loads(json.dumps(teams.message(NOTICE, TEXT)))
    [attachment] = told["attachments"]
    card = attachment["content"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert [(action["type"], action["url"]) for action in card["actions"]] == [("Action.OpenUrl", LINK)]
    for long in ("x\n" * 50_000, "\U0001f600" * 50_000):
        assert len(json.dumps(teams.message(NOTICE, long), ensure_ascii=False).encode()) < 28 << 10


def test_ntfy_opens_the_card_at_a_tap_and_stays_a_message() -> None:
    told = ntfy.message(NOTICE, TEXT * 100, "boots")
    assert (told["topic"], told["click"], told["title"]) == ("boots", LINK, "bootgrant: a machine waits")
    assert len(str(told["message"]).encode()) <= 4096


def test_a_mail_is_plain_text_with_our_subject() -> None:
    mail = compose(
        Email("mail", 25, Security.NONE, "boot@example.org", ("a@example.org", "b@example.org")), NOTICE, TEXT
    )
    assert (mail["Subject"], mail["To"]) == ("bootgrant: a machine waits", "a@example.org, b@example.org")
    assert (mail.get_content_type(), mail["Auto-Submitted"]) == ("text/plain", "auto-generated")
    assert mail["Message-ID"] == "<msg_1@example.org>"
    assert HOSTILE in mail.get_content()


def test_no_format_carries_a_code_or_a_button_that_decides() -> None:
    for told in (slack.message(NOTICE, TEXT), teams.message(NOTICE, TEXT), webhook.event(NOTICE, TEXT)):
        assert "approve" not in json.dumps(told)
        assert "code" not in json.dumps(told)


@pytest.mark.parametrize(
    ("secret", "key"),
    [("a long enough secret", b"a long enough secret"), (f"whsec_{b64encode(b'k' * 24).decode()}", b"k" * 24)],
)
def test_a_webhook_is_signed_over_its_id_its_time_and_its_body(secret: str, key: bytes) -> None:
    version, _, signed = webhook.signature(Secret(secret), "msg_1", "1060", b"{}").partition(",")
    assert version == "v1"
    assert b64decode(signed) == digest(key, b"msg_1.1060.{}", sha256)


def test_a_webhook_says_who_waits_where_and_since_when() -> None:
    told = webhook.event(NOTICE, TEXT)
    assert (told["type"], told["timestamp"]) == ("machines.waiting", 1060.0)
    assert told["data"] == {
        "count": 1,
        "machines": [
            {
                "identity": {"serial": HOSTILE},
                "address": "10.0.0.9",
                "entry": "fra-1",
                "labels": {"site": "fra"},
                "asked_at": 1000.0,
                "link": LINK,
            }
        ],
        "link": LINK,
        "text": TEXT,
    }
