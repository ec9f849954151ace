"""A site in process, and operators who use its pages."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import httpx2

from bootgrant.approval.codes import display_user_code, session_digest
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import VIA_SESSION, Role
from bootgrant.ports.people import Operator, Session, Stage
from bootgrant.wire.secret import Secret
from support.grants import CODES, NOW, UUID, pending_grant
from support.site import CONFIG, InProcess


@dataclass(slots=True)
class Person:
    """A browser with cookies. ``csrf`` comes from the last page."""

    client: httpx2.AsyncClient
    csrf: str = ""

    async def open(self, path: str, **more: Any) -> httpx2.Response:
        return self._seen(await self.client.get(path, **more))

    async def send(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form of the last page."""
        return self._seen(await self.client.post(path, data={"csrf": self.csrf, **fields}))

    def _seen(self, page: httpx2.Response) -> httpx2.Response:
        found = re.search(r'name="csrf" value="([^"]+)"', page.text)
        self.csrf = found.group(1) if found else self.csrf
        return page


@dataclass(slots=True)
class Office:
    """A site with its operators and requests."""

    site: InProcess
    sessions: int = 0

    def __post_init__(self) -> None:
        # Tests read whole responses, so the stream of changes must end immediately.
        self.site.built.watching.drain()

    def browser(self, address: str = "10.0.0.5") -> Person:
        """Return a browser without a session."""
        client = self.site.client(address)
        client.headers["origin"] = self.site.site.public_url
        return Person(client)

    async def person(self, name: str = "ana", role: Role = Role.ADMIN, *, stage: Stage = Stage.FULL) -> Person:
        """Return a browser with a session of this operator, who is added if necessary."""
        self.sessions += 1
        secret = Secret(f"{name}{self.sessions}".ljust(43, "x"))
        now = self.site.clock.now()
        operators = self.site.database.operators
        if await operators.find_operator(name) is None:
            await operators.add_operator(Operator(name, "", now, role))
        await operators.open_session(Session(session_digest(secret), name, now, now, now, VIA_SESSION, stage))
        browser = self.browser()
        browser.client.cookies.set("bootgrant", secret.reveal(), domain="boot.example")
        return browser

    async def machine(self, **changes: Any) -> tuple[DeviceGrant, str]:
        """Open a request. Return its grant and the code on the machine's screen."""
        grant, _ = pending_grant(opened_at=NOW, **changes)
        await self.site.database.grants.open_grant(grant)
        return grant, display_user_code(CODES.of_grant(grant.grant_id))

    def configure(self, name: str = f"{UUID}.yaml") -> None:
        (self.site.machines / name).write_text(CONFIG)


def text_of(page: httpx2.Response) -> str:
    """Return the visible text of a page on one line."""
    body = re.sub(r"(?s)<head>.*?</head>|<script.*?</script>", " ", page.text)
    body = re.sub(r"</?time[^>]*>", "", body)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
