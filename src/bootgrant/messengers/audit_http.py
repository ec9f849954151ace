"""Audit records posted to an HTTP server, as JSON lines or as a JSON array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bootgrant.messengers.posting import Address, post
from bootgrant.messengers.webhook import signature
from bootgrant.ports.audit_sinks import SinkRecord
from bootgrant.wire.secret import Secret


class Body(StrEnum):
    """How the records are written into a request."""

    LINES = "lines"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class HttpSink:
    """Posts records; a status from 200 to 299 accepts them.

    ``authorization`` is the whole value of that header. With a ``secret``, requests are signed as those of a webhook
    target are. ``now`` reads Unix time.
    """

    address: Address
    body: Body
    now: Callable[[], float]
    authorization: Secret | None = None
    secret: Secret | None = None

    async def send(self, records: Sequence[SinkRecord]) -> None:
        lines = [record.line for record in records]
        is_array = self.body is Body.ARRAY
        body = (f"[{','.join(lines)}]" if is_array else "".join(f"{line}\n" for line in lines)).encode("ascii")
        message_id = f"audit_{records[0].seq}_{records[-1].seq}"
        headers = {"content-type": "application/json" if is_array else "application/x-ndjson", "webhook-id": message_id}
        if self.authorization is not None:
            headers["authorization"] = self.authorization.reveal()
        if self.secret is not None:
            timestamp = str(int(self.now()))
            headers["webhook-timestamp"] = timestamp
            headers["webhook-signature"] = signature(self.secret, message_id, timestamp, body)
        await post(self.address, body, headers)
