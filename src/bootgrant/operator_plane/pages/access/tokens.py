"""``/access/tokens``: the API tokens of everybody, and new ones that belong to nobody."""

from __future__ import annotations

import logging
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import BadLabel, Refused, Role
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.access.shared import read_labels, read_role, typed
from bootgrant.operator_plane.pages.account import DAY, DAYS
from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.visit import Visit, actor_of, sign_in_again_first
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.workflows.people.api_tokens import NewToken

log = logging.getLogger("bootgrant.operators")

_LIST: Final = "/access/tokens"


async def show(visit: Visit) -> Response:
    """List the tokens by name, those that expired last."""
    now = visit.plane.clock.now()
    tokens = sorted(await visit.plane.tokens.store.tokens(), key=lambda token: now >= token.expires_at)
    may_change = is_allowed(actor_of(visit), Permission.ADMIN_OF_ALL)
    return visit.page("access_tokens.html", tokens=tokens, now=now, may_change=may_change)


async def revoke(visit: Visit) -> Response:
    """Revoke a token; its windows close, and what it approved and was not delivered becomes void."""
    name = visit.form.get("token", "")
    if not await visit.plane.tokens.revoke(name, actor_of(visit)):
        return visit.error(error_pages.no_token(name))
    log.info("%s revoked the token %s", actor_of(visit), ascii(name))
    return RedirectResponse(_LIST, 303)


async def show_add(visit: Visit) -> Response:
    """Show the form for a token of a program."""
    return sign_in_again_first(visit) or _form(visit)


async def add(visit: Visit) -> Response:
    """Create a token that belongs to nobody, and show it, once."""
    if refused := sign_in_again_first(visit):
        return refused
    made = await _create(visit)
    if isinstance(made, Refused):
        return _form(visit, sentence(made.message), 400)
    log.info("%s created the token %s with the role %s", actor_of(visit), made.token.name, made.token.role.value)
    return visit.page(
        "made_token.html", token=made.token, secret=made.secret.reveal(), server=visit.plane.public_url, back=_LIST
    )


async def _create(visit: Visit) -> NewToken | Refused:
    role = read_role(visit, text("token.incomplete"))
    if isinstance(role, Refused):
        return role
    try:
        labels, days = read_labels(visit), int(visit.form.get("days", ""))
    except BadLabel as error:
        return Refused(str(error))
    except ValueError:
        return Refused(text("token.incomplete"))
    name = visit.form.get("name", "").strip()
    return await visit.plane.tokens.create(name, role, labels, days * DAY, actor_of(visit))


def _form(visit: Visit, problem: str = "", status: int = 200) -> Response:
    return visit.page(
        "new_token.html",
        status,
        problem=problem,
        roles=[role.value for role in Role],
        days=DAYS,
        name=typed(visit, "name")[:64],
        chosen=typed(visit, "role", Role.VIEWER.value),
        chosen_days=typed(visit, "days", "30"),
        labels=typed(visit, "labels"),
        own_labels=(),
        back=_LIST,
    )
