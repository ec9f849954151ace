"""``/login/device``: a person approves a login of ``bootgrant login`` (RFC 8628).

Anybody can begin a login and send its code to a person, so the page names the address that asks, says when it is not
the person's own, shows the command line's words as claims, and suggests the least. A code counts only when it was typed
here: no address fills the field. The two endpoints for the command line are in command_line_endpoints.py.
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.responses import Response

from bootgrant.approval.codes import normalise_user_code
from bootgrant.approval.login_codes import display_login_code, normalise_login_code
from bootgrant.approval.operators import BadLabel, Kind, Refused, Role, parse_labels
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.arrival import record_change
from bootgrant.operator_plane.pages.device import wait_for_codes
from bootgrant.operator_plane.visit import Visit, actor_of, sign_in_again_first, signed_in
from bootgrant.operator_plane.wording import counted, sentence, text
from bootgrant.ports.logins import PendingLogin
from bootgrant.workflows.limits.rates import is_same_place
from bootgrant.workflows.people.command_line import USUAL

log = logging.getLogger("bootgrant.operators")

PATH: Final = "/login/device"
_SHOWN: Final = 64
_HOUR: Final = 3600
_DAY: Final = 86400
_LIFETIMES: Final = (_HOUR, 12 * _HOUR, 7 * _DAY, 30 * _DAY, 90 * _DAY)
"""Seconds to choose from, in addition to what the command line asked for."""


async def show(visit: Visit) -> Response:
    """Show the empty form, whatever the address says."""
    return _cannot_approve(visit) or _form(visit, "")


async def enter(visit: Visit) -> Response:
    """Look up a typed code and show what asks; or, from that page, approve or deny it."""
    if refused := _cannot_approve(visit):
        return refused
    typed = visit.form.get("code", "")
    digits = normalise_login_code(typed)
    if digits is None:
        if normalise_user_code(typed) is not None:
            return _form(visit, typed, text("command_line.machine_code"), 400, is_machine=True)
        return _form(visit, typed, text("command_line.no_code"), 400)
    if too_many := wait_for_codes(visit):
        return too_many
    login = await visit.plane.logins.find(digits)
    if login is None:
        return _form(visit, typed, text("command_line.not_found", code=display_login_code(digits)), 404)
    match visit.form.get("decision", ""):
        case "approve":
            return await _approve(visit, digits, login)
        case "deny":
            return await _deny(visit, digits, login)
        case _:
            return _asks(visit, digits, login)


async def _approve(visit: Visit, digits: str, login: PendingLogin) -> Response:
    form, who, actor = visit.form, signed_in(visit), actor_of(visit)
    try:
        role, seconds = Role(form.get("role", "")), int(form.get("seconds", ""))
        labels = parse_labels(form.get("labels", "").replace(",", " ").split())
    except BadLabel as error:
        return _asks(visit, digits, login, sentence(str(error)))
    except ValueError:
        return _asks(visit, digits, login, text("command_line.incomplete"))
    done = await visit.plane.logins.approve(digits, role, labels, seconds, who.operator, actor.via)
    if isinstance(done, Refused):
        return _asks(visit, digits, login, sentence(done.message))
    if not done:
        return _form(visit, "", text("command_line.not_found", code=display_login_code(digits)), 404)
    log.info("%s approved a login from %s with the role %s", actor, login.address, role.value)
    return visit.page("command_line_done.html", approved=True, login=login)


async def _deny(visit: Visit, digits: str, login: PendingLogin) -> Response:
    if await visit.plane.logins.deny(digits):
        log.info("%s denied a login from %s", actor_of(visit), login.address)
        await record_change(visit, f"denied a bootgrant login from {login.address}")
    return visit.page("command_line_done.html", approved=False, login=login)


def _cannot_approve(visit: Visit) -> Response | None:
    """Refuse an operator who has no tokens, and ask for a fresh sign-in. Return None for any other."""
    if signed_in(visit).operator.kind is Kind.BREAK_GLASS:
        return visit.error(error_pages.NOT_YOUR_TOKENS)
    return sign_in_again_first(visit, PATH)


def _form(visit: Visit, typed: str, problem: str = "", status: int = 200, *, is_machine: bool = False) -> Response:
    return visit.page("command_line.html", status, typed=typed[:_SHOWN], problem=problem, is_machine=is_machine)


def _asks(visit: Visit, digits: str, login: PendingLogin, problem: str = "") -> Response:
    """Show who asks for what. Nothing above the least is chosen: what gives more, the person chooses themselves."""
    operator, chosen = signed_in(visit).operator, visit.form
    roles = [role.value for role in Role if operator.role.includes(role)]
    least = roles[0] if login.role is Role.VIEWER or len(roles) == 1 else ""
    usual = str(round(login.seconds)) if login.seconds <= USUAL else ""
    lifetimes = sorted({round(login.seconds), *_LIFETIMES})
    return visit.page(
        "command_line_asks.html",
        400 if problem else 200,
        problem=problem,
        login=login,
        code=display_login_code(digits),
        age=visit.plane.clock.now() - login.created_at,
        is_elsewhere=not is_same_place(visit.address, login.address),
        own_address=visit.address,
        roles=roles,
        wants_too_much=login.role.value not in roles,
        chosen_role=chosen.get("role", least),
        lifetimes=[(str(seconds), _span(seconds)) for seconds in lifetimes],
        chosen_seconds=chosen.get("seconds", usual),
        labels=chosen.get("labels", " ".join(map(str, login.labels or operator.labels)))[:300],
        own_labels=operator.labels,
    )


def _span(seconds: int) -> str:
    """Return a lifetime in words, such as "12 hours"."""
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (60, "minute")):
        if seconds % unit == 0:
            return counted(f"command_line.{name}", seconds // unit)
    return counted("command_line.second", seconds)
