"""``GET /ca.pem``: the certificates of the site's own authority, for clients to trust. They are public."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import Answer, plain_answer
from bootgrant.service.certificates.own import trusted_pem
from bootgrant.service.settings.setting import SettingsError


@dataclass(frozen=True, slots=True)
class AuthorityFile:
    """``folder`` is where the authority is. Its file is read for every answer, because it may be replaced."""

    folder: Path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(scope)).send(send)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return plain_answer(405, "this endpoint only accepts GET", ((b"allow", b"GET, HEAD"),))
        try:
            pem = await asyncio.to_thread(trusted_pem, self.folder)
        except SettingsError:
            pem = ""
        if not pem:
            return plain_answer(503, "the authority cannot be read: see the log")
        # Phones offer to install this type.
        headers = (
            (b"content-type", b"application/x-x509-ca-cert"),
            (b"content-disposition", b'attachment; filename="bootgrant-ca.pem"'),
        )
        return Answer(200, pem.encode(), headers)
