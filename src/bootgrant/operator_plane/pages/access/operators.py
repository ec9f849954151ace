"""``/access/operators``: who may sign in. All of them, and each with what they have and what can be changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Kind, Refused
from bootgrant.approval.policy import Window
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.account import place_of
from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.visit import Visit, actor_of, sign_in_again_first
from bootgrant.operator_plane.wording import counted, sentence, text
from bootgrant.ports.people import ApiToken, Operator, Passkey, Session

log = logging.getLogger("bootgrant.operators")

_MOST: Final = 200
"""Operators on one page; the others are found by searching."""


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One operator of the list. ``passkeys`` is None for those who cannot have any here."""

    operator: Operator
    passkeys: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """An operator and everything they have. ``undelivered`` would become void if they were disabled."""

    operator: Operator
    passkeys: Sequence[Passkey]
    sessions: Sequence[Session]
    tokens: Sequence[ApiToken]
    windows: Sequence[Window]
    undelivered: Sequence[DeviceGrant]


async def show(visit: Visit) -> Response:
    """List the operators by name, those who are disabled last. ``?q=`` searches names, roles and labels."""
    asked = visit.query("q")[:100].strip()
    found = [each for each in await visit.plane.manage.operators.operators() if _fits(each, asked)]
    found.sort(key=lambda each: each.disabled_at is not None)
    rows = await asyncio.gather(*(_row(visit, operator) for operator in found[:_MOST]))
    return visit.page(
        "access_operators.html",
        rows=rows,
        more=max(0, len(found) - _MOST),
        asked=asked,
        may_change=is_allowed(actor_of(visit), Permission.ADMIN_OF_ALL),
    )


async def show_one(visit: Visit) -> Response:
    """Show one operator."""
    return await account_page(visit)


async def show_disable(visit: Visit) -> Response:
    """Show what ends if this operator is disabled, before it is done."""
    return await _with_account(visit, "access_disable.html")


async def disable(visit: Visit) -> Response:
    """Disable an operator, end their sessions, and void their undelivered approvals."""
    name = visit.request.path_params["name"]
    outcome = await visit.plane.manage.disable(name, actor_of(visit))
    if isinstance(outcome, Refused):
        return await _with_account(visit, "access_disable.html", sentence(outcome.message), 409)
    log.info("%s disabled the operator %s", actor_of(visit), ascii(name))
    return await account_page(visit, text("operators.done_disable", name=name), outcome)


async def enable(visit: Visit) -> Response:
    """Enable a disabled operator."""
    name = visit.request.path_params["name"]
    if refused := sign_in_again_first(visit):
        return refused
    problem = await visit.plane.manage.enable(name, actor_of(visit))
    if problem is not None:
        return visit.error(error_pages.no_operator(name))
    log.info("%s enabled the operator %s", actor_of(visit), ascii(name))
    return await account_page(visit, text("operators.done_enable", name=name))


async def show_reset(visit: Visit) -> Response:
    """Show what a new password ends, before it is made."""
    return sign_in_again_first(visit) or await _with_account(visit, "access_reset.html")


async def reset(visit: Visit) -> Response:
    """Generate a new password and show it once; passkeys, sessions and own tokens end."""
    name = visit.request.path_params["name"]
    if refused := sign_in_again_first(visit):
        return refused
    outcome = await visit.plane.manage.reset(name, None, actor_of(visit))
    if isinstance(outcome, Refused):
        return await _with_account(visit, "access_reset.html", sentence(outcome.message), 409)
    log.info("%s reset the operator %s", actor_of(visit), ascii(name))
    password = outcome.generated.reveal() if outcome.generated else ""
    return visit.page("access_password.html", name=name, password=password, is_new=False, server=visit.plane.public_url)


async def account_page(visit: Visit, done: str = "", void: int = 0) -> Response:
    """Show one operator. ``done`` says what was just changed, ``void`` how many approvals became void by it."""
    note = f"{done} {counted('operators.void', void)}" if void else done
    return await _with_account(visit, "access_operator.html", done=note)


async def account_of(visit: Visit, name: str) -> Account | None:
    """Return an operator with everything they have, or None if there is no such operator."""
    plane = visit.plane
    operator = await plane.manage.operators.find_operator(name)
    if operator is None:
        return None
    passkeys, sessions, tokens, windows, undelivered = await asyncio.gather(
        plane.manage.passkeys.passkeys_of(name),
        plane.sessions.of(name),
        plane.tokens.of(name),
        plane.arm.windows(),
        plane.manage.lost.approvals.undelivered_of(name),
    )
    armed = [window for window in windows if window.author.is_operator(name)]
    return Account(operator, passkeys, sessions, tokens, armed, undelivered)


async def _with_account(
    visit: Visit, template: str, problem: str = "", status: int = 200, *, done: str = ""
) -> Response:
    name = visit.request.path_params["name"]
    account = await account_of(visit, name)
    if account is None:
        return visit.error(error_pages.no_operator(name))
    return visit.page(
        template,
        status,
        account=account,
        is_self=name == visit.operator,
        may_change=is_allowed(actor_of(visit), Permission.ADMIN_OF_ALL),
        problem=problem,
        done=done,
        now=visit.plane.clock.now(),
        place_of=place_of,
    )


def _fits(operator: Operator, asked: str) -> bool:
    words = " ".join((operator.name, operator.role.value, operator.kind.value, *map(str, operator.labels))).casefold()
    return all(part in words for part in asked.casefold().split())


async def _row(visit: Visit, operator: Operator) -> OperatorRow:
    if operator.kind is not Kind.LOCAL or visit.plane.passkeys is None:
        return OperatorRow(operator, None)
    return OperatorRow(operator, len(await visit.plane.manage.passkeys.passkeys_of(operator.name)))
