"""Microsoft Teams: an Adaptive Card for a workflow of the kind "When a Teams webhook request is received".

The text is a RichTextBlock, which knows no Markdown: what a machine claims can not become a link.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bootgrant.messengers.posting import Address, post
from bootgrant.ports.notifications import Notice

_MOST_BYTES: Final = 12_000
_MOST_LINES: Final = 60
_CARD: Final = "application/vnd.microsoft.card.adaptive"


@dataclass(frozen=True, slots=True)
class Teams:
    address: Address

    async def send(self, notice: Notice, text: str) -> None:
        await post(self.address, json.dumps(message(notice, text), ensure_ascii=False).encode(), {})


def message(notice: Notice, text: str) -> dict[str, object]:
    """The body of the post; Teams takes 28 KB."""
    shown = text.encode()[:_MOST_BYTES].decode("utf-8", "ignore")
    runs = [_block(line) for line in shown.splitlines()[:_MOST_LINES] if line]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": runs or [_block(notice.title)],
        "actions": [{"type": "Action.OpenUrl", "title": "Sign in and look", "url": notice.link}],
    }
    return {"type": "message", "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}]}


def _block(line: str) -> dict[str, object]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]}
