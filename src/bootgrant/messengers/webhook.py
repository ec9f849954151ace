"""A webhook of the site's own, signed as the Standard Webhooks specification says, so that its libraries check it.

``webhook-signature: v1,<base64 of HMAC-SHA256>`` over ``<webhook-id>.<webhook-timestamp>.<body>``.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bootgrant.messengers.posting import Address, post
from bootgrant.ports.notifications import Notice, Topic
from bootgrant.wire.secret import Secret

_PREFIX: Final = "whsec_"
_TYPES: Final = {Topic.WAITING: "machines.waiting", Topic.ELSEWHERE: "token.used_elsewhere"}


@dataclass(frozen=True, slots=True)
class Webhook:
    """``now`` reads Unix time: each attempt is signed with its own time."""

    address: Address
    secret: Secret
    now: Callable[[], float]

    async def send(self, notice: Notice, text: str) -> None:
        body = json.dumps(event(notice, text), separators=(",", ":")).encode()
        timestamp = str(int(self.now()))
        headers = {
            "webhook-id": notice.message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self.secret, notice.message_id, timestamp, body),
        }
        await post(self.address, body, headers)


def event(notice: Notice, text: str) -> dict[str, object]:
    """Return the body of the request. Times are Unix seconds."""
    machines = [
        {
            "identity": dict(machine.identity),
            "address": machine.address,
            "entry": machine.entry or None,
            "labels": dict(machine.labels),
            "asked_at": machine.asked_at,
            "link": machine.link,
            "undelivered": machine.undelivered or None,
            **({"used_at": machine.used_at, "refused": machine.refused} if machine.used_at else {}),
        }
        for machine in notice.machines
    ]
    data = {"count": notice.count, "machines": machines, "link": notice.link, "text": text}
    return {"type": "test" if notice.is_test else _TYPES[notice.topic], "timestamp": notice.at, "data": data}


def signature(secret: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the value of the header. A secret that begins with ``whsec_`` is base64 after that."""
    text = secret.reveal()
    key = b64decode(text.removeprefix(_PREFIX)) if text.startswith(_PREFIX) else text.encode()
    signed = hmac.digest(key, b"%b.%b.%b" % (message_id.encode(), timestamp.encode(), body), "sha256")
    return f"v1,{b64encode(signed).decode('ascii')}"
