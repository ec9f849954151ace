"""ntfy, its own server or a public one: published as JSON; a tap opens the link."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bootgrant.messengers.posting import Address, post
from bootgrant.ports.notifications import Notice
from bootgrant.wire.secret import Secret

_MOST_BYTES: Final = 4000
"""ntfy makes an attachment of a message over 4,096 bytes."""


@dataclass(frozen=True, slots=True)
class Ntfy:
    """``server`` is the address without the topic; ``token`` is an access token of ntfy."""

    server: Address
    topic: str
    token: Secret | None

    async def send(self, notice: Notice, text: str) -> None:
        headers = {"authorization": f"Bearer {self.token.reveal()}"} if self.token else {}
        await post(self.server, json.dumps(message(notice, text, self.topic)).encode(), headers)


def message(notice: Notice, text: str, topic: str) -> dict[str, object]:
    """The body of the post."""
    body = text.encode()[:_MOST_BYTES].decode("utf-8", "ignore")
    return {"topic": topic, "title": notice.title, "message": body, "click": notice.link, "tags": ["bootgrant"]}
