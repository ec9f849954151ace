"""Slack's incoming webhooks: blocks of plain text, where nothing that a machine claims becomes a link or a mention."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bootgrant.messengers.posting import Address, post
from bootgrant.ports.notifications import Notice

_MOST_TEXT: Final = 2900


@dataclass(frozen=True, slots=True)
class Slack:
    address: Address

    async def send(self, notice: Notice, text: str) -> None:
        await post(self.address, json.dumps(message(notice, text)).encode(), {})


def message(notice: Notice, text: str) -> dict[str, object]:
    """The body of the post."""
    link = {"type": "mrkdwn", "text": f"<{_escaped(notice.link)}|Sign in and look>"}
    return {
        "text": _escaped(notice.title),
        "unfurl_links": False,
        "blocks": [
            {"type": "section", "text": {"type": "plain_text", "text": text[:_MOST_TEXT], "emoji": False}},
            {"type": "section", "text": link},
        ],
    }


def _escaped(text: str) -> str:
    """Slack's three control characters, as its documentation asks."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
