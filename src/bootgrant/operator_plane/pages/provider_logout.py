"""``POST /login/oidc/<id>/logout``: a provider ends sessions (OpenID Connect Back-Channel Logout 1.0, section 2.5).

The call has no session and comes from no page: the signature of its logout token is its only proof. Every answer is for
a program: 200 when the token was obeyed, 400 with an error in JSON when it was not (section 2.8).
"""

from __future__ import annotations

import logging
import math
from typing import Final

from starlette.responses import JSONResponse, Response

from bootgrant.operator_plane.visit import Visit
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.providers import LogoutRefused, ProviderUnavailable
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.rates import address_key
from bootgrant.workflows.people.oidc_logout import UnknownProvider

log = logging.getLogger("bootgrant.operators")

_NO_STORE: Final = {"cache-control": "no-store"}


async def log_out(visit: Visit) -> Response:
    """Obey the logout token in the form."""
    limit, key, steady = visit.plane.bad_logouts_by_address, address_key(visit.address), visit.plane.clock.steady()
    if wait := limit.wait(key, steady):
        return _error("too_many_requests", "too many refused logout tokens from this address", 429, wait)
    answer = await _obeyed(visit)
    if answer.status_code != 200:
        limit.attempt(key, steady)
    return answer


async def _obeyed(visit: Visit) -> Response:
    token = visit.form.get("logout_token", "")
    if not token:
        return _error("invalid_request", "the form has no logout_token")
    provider_id = visit.request.path_params["provider"]
    try:
        outcome = await visit.plane.logout.by_provider(provider_id, Secret(token))
    except UnknownProvider:
        return _error("invalid_request", "no [[oidc]] has the id in this address", 404)
    except (ProviderUnavailable, StoreUnavailable) as error:
        log.error("%s: a logout call could not be obeyed: %s", provider_id, error)  # noqa: TRY400
        return _error("temporarily_unavailable", "the token cannot be checked or obeyed now: send it again")
    if isinstance(outcome, LogoutRefused):
        return _error("invalid_request", outcome.reason)
    return JSONResponse({}, headers=_NO_STORE)


def _error(error: str, description: str, status: int = 400, wait: float = 0.0) -> Response:
    headers = {**_NO_STORE, **({"retry-after": str(math.ceil(wait))} if wait else {})}
    return JSONResponse({"error": error, "error_description": description}, status, headers)
