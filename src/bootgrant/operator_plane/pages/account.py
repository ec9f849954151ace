"""``/account``: the operator's own passkeys, password, API tokens and sessions."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import BadLabel, Kind, Refused, Role, parse_labels
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.arrival import record_change, record_refusal, remember_browser, too_many
from bootgrant.operator_plane.pages.login import explain
from bootgrant.operator_plane.pages.push import push_section
from bootgrant.operator_plane.visit import Visit, actor_of, sign_in_again_first, signed_in
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.ports.people import Session
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.api_tokens import NewToken
from bootgrant.workflows.people.sign_in import NotSignedIn, OwnPassword, SignInRefused

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
DAYS: Final = (1, 7, 30, 90, 365)
"""The lifetimes of a token that a form offers."""
DAY: Final = 86400.0
_OTHERS: Final = "others"
_NEW_TOKEN: Final = "/account/tokens/new"  # noqa: S105  (a path)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session of the list. Its form sends ``key``."""

    session: Session
    key: str
    place: str
    is_this: bool


async def show(visit: Visit) -> Response:
    who, plane = signed_in(visit), visit.plane
    name = who.operator.name
    rows = [
        SessionRow(session, session.digest.hex(), place_of(session.browser), session.digest == who.session.digest)
        for session in await plane.sessions.of(name)
    ]
    return visit.page(
        "account.html",
        who=who,
        sessions=rows,
        passkeys=tuple(await plane.passkeys.store.passkeys_of(name)) if plane.passkeys else (),
        tokens=tuple(await plane.tokens.of(name)),
        takes_passkeys=plane.passkeys is not None and who.operator.kind is Kind.LOCAL,
        takes_tokens=who.operator.kind is not Kind.BREAK_GLASS,
        has_password=who.operator.kind is Kind.LOCAL,
        now=plane.clock.now(),
        push=await push_section(visit, place_of),
    )


async def end_session(visit: Visit) -> Response:
    """End one of the operator's own sessions, or all but the current one, which ends by signing out instead."""
    who, key = signed_in(visit), visit.form.get("session", "")
    if key == _OTHERS:
        for session in await visit.plane.sessions.of(who.operator.name):
            if session.digest != who.session.digest:
                await visit.plane.sessions.end_one_of(who.operator.name, session.digest)
        log.info("%r ended their other sessions from %s", who.operator.name, visit.address)
        await record_change(visit, "ended all other sessions")
        return RedirectResponse("/account#sessions", 303)
    digest = bytes.fromhex(key) if re.fullmatch(r"[0-9a-f]{64}", key) else b""
    if await visit.plane.sessions.end_one_of(who.operator.name, digest):
        log.info("%r ended one of their sessions from %s", who.operator.name, visit.address)
        await record_change(visit, "ended a session")
    return RedirectResponse("/account", 303)


def place_of(browser: str) -> str:
    """Shorten a User-Agent (RFC 9110 section 10.1.5) to ``Firefox on Android``. It may be forged."""
    name = next((name for mark, name in _BROWSERS if mark in browser), "")
    system = next((system for mark, system in _SYSTEMS if mark in browser), "")
    return " on ".join(part for part in (name or "A browser" if system else name, system) if part) or "Unknown browser"


async def show_password(visit: Visit) -> Response:
    """Show the form to change the password."""
    return _cannot_change(visit) or visit.page("password.html", problem="")


async def change_password(visit: Visit) -> Response:
    """Change the password. All other sessions of this operator end."""
    if refused := _cannot_change(visit):
        return refused
    new = visit.form.get("new", "")
    if new != visit.form.get("again", ""):
        return visit.page("password.html", 400, problem=text("password.not_the_same"))
    who, actor = signed_in(visit), actor_of(visit)
    old = Secret(visit.form.get("password", ""))
    outcome = await OwnPassword(visit.plane.sign_in).change(who, old, Secret(new), visit.client)
    if isinstance(outcome, Refused):
        return visit.page("password.html", 400, problem=sentence(outcome.message))
    if isinstance(outcome, SignInRefused):
        record_refusal(visit, outcome.why.value, actor.via, actor.name)
        if outcome.why is NotSignedIn.TOO_MANY:
            return too_many(visit, outcome.wait)
        problem, status = (text("password.wrong"), 403) if outcome.why is NotSignedIn.WRONG else explain(outcome.why)
        return visit.page("password.html", status, problem=problem)
    log.info("%r changed their password from %s", actor.name, visit.address)
    await record_change(visit, "changed their password")
    response = RedirectResponse("/account", 303)
    visit.plane.cookie.set(response, outcome.session)
    remember_browser(visit, response, outcome.operator)
    return response


def _cannot_change(visit: Visit) -> Response | None:
    """Refuse an operator whose password is not theirs to change. Return None for any other."""
    return None if signed_in(visit).operator.kind is Kind.LOCAL else visit.error(error_pages.NOT_YOUR_PASSWORD)


async def show_new_token(visit: Visit) -> Response:
    """Show the form for a new API token."""
    return _cannot_create(visit) or _token_form(visit)


async def create_token(visit: Visit) -> Response:
    """Create an API token and show it, once."""
    if refused := _cannot_create(visit):
        return refused
    made = await _create(visit)
    if isinstance(made, Refused):
        return _token_form(visit, sentence(made.message), 400)
    actor, role = actor_of(visit), made.token.role.value
    log.info("%s created the token %s for themselves with the role %s", actor, made.token.name, role)
    return visit.page(
        "made_token.html", token=made.token, secret=made.secret.reveal(), server=visit.plane.public_url, back="/account"
    )


async def revoke_token(visit: Visit) -> Response:
    """Revoke one of the operator's own tokens."""
    actor, name = actor_of(visit), visit.form.get("token", "")
    if await visit.plane.tokens.revoke_own(actor, name):
        log.info("%s revoked their own token %s", actor, name)
    return RedirectResponse("/account#tokens", 303)


async def _create(visit: Visit) -> NewToken | Refused:
    form = visit.form
    try:
        role = Role(form.get("role", ""))
        labels = parse_labels(form.get("labels", "").replace(",", " ").split())
        days = int(form.get("days", ""))
    except BadLabel as error:
        return Refused(str(error))
    except ValueError:
        return Refused(text("token.incomplete"))
    name, owner = form.get("name", "").strip(), signed_in(visit).operator
    return await visit.plane.tokens.create_own(name, role, labels, days * DAY, owner, actor_of(visit).via)


def _cannot_create(visit: Visit) -> Response | None:
    """Refuse or redirect an operator who cannot create a token now. Return None for any other."""
    if signed_in(visit).operator.kind is Kind.BREAK_GLASS:
        return visit.error(error_pages.NOT_YOUR_TOKENS)
    return sign_in_again_first(visit, _NEW_TOKEN)


def _token_form(visit: Visit, problem: str = "", status: int = 200) -> Response:
    operator, typed = signed_in(visit).operator, visit.form
    roles = [role.value for role in Role if operator.role.includes(role)]
    return visit.page(
        "new_token.html",
        status,
        problem=problem,
        roles=roles,
        days=DAYS,
        name=typed.get("name", "")[:64],
        chosen=typed.get("role", roles[0]),
        chosen_days=typed.get("days", "30"),
        labels=typed.get("labels", " ".join(map(str, operator.labels)))[:300],
        own_labels=operator.labels,
        back="/account",
    )
