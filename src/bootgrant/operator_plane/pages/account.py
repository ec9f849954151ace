"""``/account``: who one is, the passkeys one has, and where one is signed in."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import Kind
from bootgrant.operator_plane.pages import passkey, tokens
from bootgrant.operator_plane.visit import Visit, signed_in, who_is
from bootgrant.ports.people import Session
from bootgrant.workflows.record.audit import operator_changed

log = logging.getLogger("bootgrant.operators")

_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session of the list; ``key`` is what its form sends."""

    session: Session
    key: str
    place: str
    is_this: bool


async def show(visit: Visit) -> Response:
    """The page."""
    who, now = who_is(visit), visit.plane.clock.now()
    rows = [
        SessionRow(session, session.digest.hex(), place_of(session.browser), session.digest == who.session.digest)
        for session in await visit.plane.sessions.of(who.operator.name)
    ]
    return visit.page(
        "account.html",
        who=who,
        sessions=rows,
        passkeys=await passkey.known_to(visit),
        tokens=await tokens.known_to(visit),
        takes_passkeys=visit.plane.passkeys is not None and who.operator.kind is Kind.LOCAL,
        takes_tokens=who.operator.kind is not Kind.BREAK_GLASS,
        has_password=who.operator.kind is Kind.LOCAL,
        now=now,
    )


async def end_session(visit: Visit) -> Response:
    """End one of one's own sessions; this one is a sign-out."""
    who, key = who_is(visit), visit.form.get("session", "")
    digest = bytes.fromhex(key) if re.fullmatch(r"[0-9a-f]{64}", key) else b""
    if await visit.plane.sessions.end_one_of(who.operator.name, digest):
        log.info("%r ended one of their sessions from %s", who.operator.name, visit.address)
        event = operator_changed(visit.plane.clock.now(), signed_in(visit), who.operator.name, "ended a session")
        await visit.plane.audit.append([event])
    return RedirectResponse("/account", 303)


def place_of(browser: str) -> str:
    """``Firefox on Android``: what a browser calls itself (RFC 9110 section 10.1.5), short. It may lie."""
    name = next((name for mark, name in _BROWSERS if mark in browser), "")
    system = next((system for mark, system in _SYSTEMS if mark in browser), "")
    return " on ".join(part for part in (name or "A browser" if system else name, system) if part) or "Unknown browser"
