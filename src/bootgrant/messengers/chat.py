"""Slack, Microsoft Teams, and ntfy. Machines' claims are sent as plain text and never become a link or a mention."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bootgrant.messengers.posting import Address, post
from bootgrant.ports.notifications import Notice
from bootgrant.wire.secret import Secret

_LINK: Final = "Sign in and look"
_SLACK_MOST: Final = 2900
_TEAMS_MOST_BYTES: Final = 12_000
_TEAMS_MOST_LINES: Final = 60
_TEAMS_CARD: Final = "application/vnd.microsoft.card.adaptive"
_NTFY_MOST_BYTES: Final = 4000
"""ntfy turns a message of more than 4,096 bytes into an attachment."""


@dataclass(frozen=True, slots=True)
class Slack:
    """An incoming webhook of Slack."""

    address: Address

    async def send(self, notice: Notice, text: str) -> None:
        await post(self.address, json.dumps(slack_message(notice, text)).encode(), {})


def slack_message(notice: Notice, text: str) -> dict[str, object]:
    link = {"type": "mrkdwn", "text": f"<{_escaped(notice.link)}|{_LINK}>"}
    return {
        "text": _escaped(notice.title),
        "unfurl_links": False,
        "blocks": [
            {"type": "section", "text": {"type": "plain_text", "text": text[:_SLACK_MOST], "emoji": False}},
            {"type": "section", "text": link},
        ],
    }


def _escaped(text: str) -> str:
    """Escape Slack's three control characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True, slots=True)
class Teams:
    """A Teams workflow with the trigger "When a Teams webhook request is received"."""

    address: Address

    async def send(self, notice: Notice, text: str) -> None:
        await post(self.address, json.dumps(teams_message(notice, text), ensure_ascii=False).encode(), {})


def teams_message(notice: Notice, text: str) -> dict[str, object]:
    """Return an Adaptive Card below Teams' limit of 28 KB. A RichTextBlock knows no Markdown."""
    lines = _cut(text, _TEAMS_MOST_BYTES).splitlines()[:_TEAMS_MOST_LINES]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [_block(line) for line in lines if line] or [_block(notice.title)],
        "actions": [{"type": "Action.OpenUrl", "title": _LINK, "url": notice.link}],
    }
    return {"type": "message", "attachments": [{"contentType": _TEAMS_CARD, "contentUrl": None, "content": card}]}


def _block(line: str) -> dict[str, object]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]}


@dataclass(frozen=True, slots=True)
class Ntfy:
    """``server`` is the address without the topic; ``token`` is an access token of ntfy."""

    server: Address
    topic: str
    token: Secret | None

    async def send(self, notice: Notice, text: str) -> None:
        headers = {"authorization": f"Bearer {self.token.reveal()}"} if self.token else {}
        await post(self.server, json.dumps(ntfy_message(notice, text, self.topic)).encode(), headers)


def ntfy_message(notice: Notice, text: str, topic: str) -> dict[str, object]:
    body = _cut(text, _NTFY_MOST_BYTES)
    return {"topic": topic, "title": notice.title, "message": body, "click": notice.link, "tags": ["bootgrant"]}


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode("utf-8", "ignore")
