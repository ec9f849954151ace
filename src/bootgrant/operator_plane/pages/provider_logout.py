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
    """Obey the logout token in the form.

    Refused ones are limited for each address: only the answers and the log. A right one is obeyed whatever came before,
    because the provider may share its address with anybody (a proxy), and usually calls once. To verify a signature
    costs no more than to read the request.
    """
    provider_id, token = visit.request.path_params["provider"], visit.form.get("logout_token", "")
    if not token:
        return _refused(visit, provider_id, "the form has no logout_token")
    try:
        outcome = await visit.plane.logout.by_provider(provider_id, Secret(token))
    except UnknownProvider:
        return _refused(visit, provider_id, "no [[oidc]] has the id in this address", 404)
    except (ProviderUnavailable, StoreUnavailable) as error:
        if not _wait_after_refusal(visit):
            log.error("%s: a logout call could not be obeyed: %s", provider_id, error)  # noqa: TRY400
        return _error("temporarily_unavailable", "the token cannot be checked or obeyed now: send it again")
    if isinstance(outcome, LogoutRefused):
        return _refused(visit, provider_id, outcome.reason)
    return JSONResponse({}, headers=_NO_STORE)


def _refused(visit: Visit, provider_id: str, reason: str, status: int = 400) -> Response:
    if wait := _wait_after_refusal(visit):
        return _error("too_many_requests", "too many refused logout tokens from this address", 429, wait)
    log.warning("%s: a logout call from %s is refused: %s", ascii(provider_id[:100])[1:-1], visit.address, reason)
    return _error("invalid_request", reason, status)


def _wait_after_refusal(visit: Visit) -> float:
    """Count a call that was not obeyed. Return the seconds until the next one of this address would be answered."""
    return visit.plane.bad_logouts_by_address.attempt(address_key(visit.address), visit.plane.clock.steady())


def _error(error: str, description: str, status: int = 400, wait: float = 0.0) -> Response:
    headers = {**_NO_STORE, **({"retry-after": str(math.ceil(wait))} if wait else {})}
    return JSONResponse({"error": error, "error_description": description}, status, headers)
