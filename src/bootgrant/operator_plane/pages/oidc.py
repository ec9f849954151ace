"""``/login/oidc/<id>`` sends the browser to a provider, ``…/callback`` is where it comes back."""

from __future__ import annotations

from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import via_oidc
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.arrival import arrive, local_path, note_refused
from bootgrant.operator_plane.pages.login import too_many
from bootgrant.operator_plane.visit import Visit
from bootgrant.workflows.people.oidc_sign_in import OidcFinished, OidcRefused

_OF_PEOPLE: Final = frozenset(OidcRefused) - {OidcRefused.UNKNOWN, OidcRefused.DOWN, OidcRefused.LATE}
"""Refusals of somebody; the others are troubles on the way."""


async def leave(visit: Visit) -> Response:
    """Off to the provider. ``again=1``: somebody who is signed in shows once more who they are."""
    if wait := visit.plane.sign_in_pages(visit.address):
        return too_many(visit, wait)
    provider_id, goal = visit.request.path_params["provider"], local_path(visit.asked("next"))
    who = visit.who if visit.asked("again") else None
    away = await visit.plane.oidc.start(provider_id, goal, who)
    if isinstance(away, OidcRefused):
        return _refused(visit, provider_id, away, f"/login?{visit.goal_query(goal)}")
    response = RedirectResponse(away.url, 303)
    visit.plane.way_cookie.set(response, away.kept)
    return response


async def come_back(visit: Visit) -> Response:
    """Back from the provider, signed in or not."""
    provider_id = visit.request.path_params["provider"]
    answer = dict(visit.request.query_params)
    outcome = await visit.plane.oidc.finish(
        provider_id, visit.plane.way_cookie.read(visit.request), answer, visit.client
    )
    if isinstance(outcome, OidcFinished):
        response = await arrive(visit, outcome.begun, outcome.goal)
    else:
        if outcome in _OF_PEOPLE:
            note_refused(visit, outcome.value, via_oidc(provider_id))
        response = _refused(visit, provider_id, outcome)
    visit.plane.way_cookie.clear(response)
    return response


def _refused(visit: Visit, provider_id: str, why: OidcRefused, sign_in: str = "/login") -> Response:
    provider = visit.plane.oidc.providers.get(provider_id)
    if provider is None:
        return visit.trouble(trouble.NOT_FOUND)
    return visit.trouble(trouble.not_signed_in(provider.label, why, sign_in))
