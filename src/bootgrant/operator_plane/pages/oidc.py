"""``/login/oidc/<id>`` sends the browser to a provider, and ``…/callback`` is where it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import via_oidc
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.arrival import arrive, local_path, record_refusal, too_many
from bootgrant.operator_plane.visit import Visit
from bootgrant.workflows.people.oidc_sign_in import OidcFinished, OidcRefusal, OidcRefused

_OF_PEOPLE: Final = frozenset(OidcRefused) - {OidcRefused.UNKNOWN, OidcRefused.DOWN, OidcRefused.LATE}
"""Refusals of a person. The others are technical."""


async def leave(visit: Visit) -> Response:
    """Redirect to the provider. With ``again=1`` a signed-in operator signs in once more."""
    if wait := visit.plane.count_challenge(visit.address):
        return too_many(visit, wait)
    provider_id, goal = visit.request.path_params["provider"], local_path(visit.query("next"))
    who = visit.who if visit.query("again") else None
    away = await visit.plane.oidc.start(provider_id, goal, who)
    if isinstance(away, OidcRefusal):
        if away.why in _OF_PEOPLE:
            record_refusal(visit, away.why.value, via_oidc(provider_id), details=_details(away))
        return _refused(visit, provider_id, away, f"/login?{visit.goal_query(goal)}")
    response = RedirectResponse(away.url, 303)
    visit.plane.provider_cookie.set(response, away.secret)
    return response


async def come_back(visit: Visit) -> Response:
    """Complete the sign-in with the provider's answer."""
    provider_id = visit.request.path_params["provider"]
    answer = dict(visit.request.query_params)
    outcome = await visit.plane.oidc.finish(
        provider_id, visit.plane.provider_cookie.read(visit.request), answer, visit.client
    )
    if isinstance(outcome, OidcFinished):
        response = await arrive(visit, outcome.session, outcome.goal)
    else:
        if outcome.why in _OF_PEOPLE:
            record_refusal(visit, outcome.why.value, via_oidc(provider_id), details=_details(outcome))
        response = _refused(visit, provider_id, outcome)
    visit.plane.provider_cookie.clear(response)
    return response


def _refused(visit: Visit, provider_id: str, refusal: OidcRefusal, sign_in: str = "/login") -> Response:
    provider = visit.plane.oidc.providers.get(provider_id)
    if provider is None:
        return visit.error(error_pages.NOT_FOUND)
    return visit.error(error_pages.not_signed_in(provider.label, refusal, sign_in, provider.scopes))


def _details(refusal: OidcRefusal) -> Mapping[str, str]:
    """Return what admins may need to know about a refusal, for the audit."""
    known = {"account": refusal.person, "provider_said": refusal.said, "problem": refusal.problem}
    return {name: text for name, text in known.items() if text} | (
        dict(refusal.explanation.details()) if refusal.explanation else {}
    )
