"""``/account/tokens``: API tokens of one's own. Making one takes a fresh sign-in; it is shown once."""

from __future__ import annotations

import logging
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import BadLabel, Kind, Role, parse_labels
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.visit import Visit, sign_in_again_first, signed_in, who_is
from bootgrant.operator_plane.wording import sentence
from bootgrant.ports.people import ApiToken
from bootgrant.workflows.people.api_tokens import NewToken, TokenRefused
from bootgrant.workflows.record.audit import token_changed

log = logging.getLogger("bootgrant.operators")

_DAYS: Final = (1, 7, 30, 90, 365)
_DAY: Final = 86400.0
_FORM: Final = "/account/tokens/new"


async def show_new(visit: Visit) -> Response:
    """The form for a new token."""
    return _not_now(visit) or _form(visit)


async def make(visit: Visit) -> Response:
    """The new token, on the only page that ever shows it."""
    if refused := _not_now(visit):
        return refused
    made = await _made(visit)
    if isinstance(made, TokenRefused):
        return _form(visit, sentence(made.message), 400)
    actor, name = signed_in(visit), made.token.name
    log.info("%s made the token %s of their own with the role %s", actor, name, made.token.role.value)
    done = f"made with the role {made.token.role.value}, of their own"
    await visit.plane.audit.append([token_changed(visit.plane.clock.now(), actor, name, done)])
    return visit.page("made_token.html", token=made.token, secret=made.secret.reveal(), server=visit.plane.public_url)


async def end(visit: Visit) -> Response:
    """End one of one's own tokens at once."""
    actor, name = signed_in(visit), visit.form.get("token", "")
    if await visit.plane.tokens.revoke_own(actor.name, name):
        log.info("%s revoked the token %s of their own", actor, name)
        await visit.plane.audit.append([token_changed(visit.plane.clock.now(), actor, name, "revoked")])
    return RedirectResponse("/account#tokens", 303)


async def known_to(visit: Visit) -> tuple[ApiToken, ...]:
    """The tokens of who is signed in, for the account page."""
    return tuple(await visit.plane.tokens.of(who_is(visit).operator.name))


async def _made(visit: Visit) -> NewToken | TokenRefused:
    form = visit.form
    try:
        role = Role(form.get("role", ""))
        labels = parse_labels(form.get("labels", "").replace(",", " ").split())
        days = int(form.get("days", ""))
    except BadLabel as error:
        return TokenRefused(str(error))
    except ValueError:
        return TokenRefused("choose a role, and for how long it is good")
    name, owner = form.get("name", "").strip(), who_is(visit).operator
    return await visit.plane.tokens.create_own(name, role, labels, days * _DAY, owner)


def _not_now(visit: Visit) -> Response | None:
    """Where somebody goes who cannot make a token now; None for the others."""
    if who_is(visit).operator.kind is Kind.BREAK_GLASS:
        return visit.trouble(trouble.NOT_YOUR_TOKENS)
    return sign_in_again_first(visit, _FORM)


def _form(visit: Visit, problem: str = "", status: int = 200) -> Response:
    operator, typed = who_is(visit).operator, visit.form
    roles = [role.value for role in Role if operator.role.is_at_least(role)]
    return visit.page(
        "new_token.html",
        status,
        problem=problem,
        roles=roles,
        days=_DAYS,
        name=typed.get("name", "")[:64],
        chosen=typed.get("role", operator.role.value),
        chosen_days=typed.get("days", "30"),
        labels=typed.get("labels", " ".join(map(str, operator.labels)))[:300],
        own_labels=operator.labels,
    )
