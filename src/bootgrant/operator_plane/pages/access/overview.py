"""``/access``: a link to each list, with how many there are. Only those that the person may see."""

from __future__ import annotations

from typing import NamedTuple

from starlette.responses import Response

from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.visit import Visit, actor_of, signed_in
from bootgrant.operator_plane.wording import counted, text


class Place(NamedTuple):
    """One link of the overview. ``state`` says how many there are."""

    path: str
    title: str
    state: str
    about: str


async def show(visit: Visit) -> Response:
    """Show the links, the armed windows first: they approve machines right now."""
    plane, actor, now = visit.plane, actor_of(visit), visit.plane.clock.now()
    armed = len(await plane.arm.windows())
    own = len(await plane.sessions.of(signed_in(visit).operator.name))
    places = [_place("/access/windows", "windows", counted("access.windows", armed) if armed else "")]
    if is_allowed(actor, Permission.ACCOUNTS):
        operators = await plane.manage.operators.operators()
        enabled = sum(operator.disabled_at is None for operator in operators)
        tokens = sum(now < token.expires_at for token in await plane.tokens.store.tokens())
        providers = len(plane.oidc.providers) + len(plane.token_providers)
        disabled = f", {text('access.disabled', count=len(operators) - enabled)}" if enabled < len(operators) else ""
        places += [
            _place("/access/operators", "operators", counted("access.operators", enabled) + disabled),
            _place("/access/tokens", "tokens", counted("access.tokens", tokens) if tokens else ""),
            _place("/access/rules", "rules", counted("access.rules", len(plane.rules)) if plane.rules else ""),
            _place("/access/providers", "providers", counted("access.providers", providers) if providers else ""),
        ]
    places.append(_place("/account", "own", counted("access.own", own)))
    return visit.page("access.html", places=places)


def _place(path: str, name: str, state: str) -> Place:
    return Place(path, text(f"access.{name}_title"), state or text("access.none"), text(f"access.{name}_about"))
