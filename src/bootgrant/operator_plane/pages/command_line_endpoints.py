"""What ``bootgrant login`` calls: ``POST /login/device/code`` and ``POST /login/device/token`` (RFC 8628).

They are not in the server's OAuth metadata: that describes the address and the clients of machines, and this one has a
single client, which knows the paths. There is no ``verification_uri_complete``: a person has to type the code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from starlette.responses import JSONResponse, Response

from bootgrant.approval.login_codes import display_login_code, login_secret_digest
from bootgrant.approval.operators import BadLabel, Role, parse_labels
from bootgrant.operator_plane.pages.command_line import PATH
from bootgrant.operator_plane.visit import Visit
from bootgrant.wire.device_flow import GRANT_TYPE, AccessToken, DeviceAuthorization, ErrorCode, OAuthError
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.rates import address_key
from bootgrant.workflows.people.api_tokens import LONGEST
from bootgrant.workflows.people.command_line import INTERVAL, LIFETIME, USUAL, NoToken, Wishes

CLIENT: Final = "bootgrant-cli"
_NO_STORE: Final = {"cache-control": "no-store"}
_ERRORS: Final[Mapping[NoToken, ErrorCode]] = {
    NoToken.WAITING: ErrorCode.AUTHORIZATION_PENDING,
    NoToken.EXPIRED: ErrorCode.EXPIRED_TOKEN,
    NoToken.DENIED: ErrorCode.ACCESS_DENIED,
    NoToken.UNKNOWN: ErrorCode.INVALID_GRANT,
}
_WRONG_CLIENT: Final = OAuthError(ErrorCode.INVALID_CLIENT, f"the client_id of command lines is {CLIENT}")


async def begin(visit: Visit) -> Response:
    """Begin a login: return its two codes."""
    plane = visit.plane
    if visit.form.get("client_id") != CLIENT:
        return _refused(_WRONG_CLIENT, 401)
    if wait := plane.logins_by_address.attempt(address_key(visit.address), plane.clock.steady()):
        return _too_many("too many logins from this address", wait)
    wishes = _wishes(visit)
    if isinstance(wishes, OAuthError):
        return _refused(wishes)
    begun = await plane.logins.begin(wishes)
    if begun is None:
        return _too_many("too many logins are waiting", LIFETIME / 10)
    answer = DeviceAuthorization(
        begun.secret,
        display_login_code(begun.digits),
        f"{plane.public_url}{PATH}",
        expires_in=round(LIFETIME),
        interval=INTERVAL,
    )
    return JSONResponse(answer.as_json(), headers=_NO_STORE)


async def token(visit: Visit) -> Response:
    """Return the token of an approved login, or why there is none."""
    plane, form, now = visit.plane, visit.form, visit.plane.clock.steady()
    if form.get("client_id") != CLIENT:
        return _refused(_WRONG_CLIENT, 401)
    if form.get("grant_type") != GRANT_TYPE:
        return _refused(OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, f"the grant_type must be {GRANT_TYPE}"))
    secret = Secret(form.get("device_code", ""))
    early = plane.login_polls.attempt(login_secret_digest(secret).hex(), now)
    if early or plane.login_polls_by_address.attempt(address_key(visit.address), now):
        return _refused(OAuthError(ErrorCode.SLOW_DOWN, f"poll every {INTERVAL} seconds"))
    taken = await plane.logins.take(secret)
    if isinstance(taken, NoToken):
        return _refused(OAuthError(_ERRORS[taken], taken.value))
    left = round(taken.token.expires_at - plane.clock.now())
    return JSONResponse(AccessToken(taken.secret, expires_in=left).as_json(), headers=_NO_STORE)


def _wishes(visit: Visit) -> Wishes | OAuthError:
    form = visit.form
    try:
        role, seconds = Role(form.get("role", Role.VIEWER.value)), float(form.get("seconds", USUAL))
        labels = parse_labels(form.get("labels", "").split())
    except BadLabel as error:
        return OAuthError(ErrorCode.INVALID_REQUEST, str(error))
    except ValueError:
        return OAuthError(ErrorCode.INVALID_REQUEST, "the role or the lifetime is not one")
    if not 1 <= seconds <= LONGEST:
        return OAuthError(ErrorCode.INVALID_REQUEST, "a token's lifetime must be between 1 second and 366 days")
    return Wishes(form.get("host", ""), form.get("user", ""), visit.address, role, labels, seconds)


def _refused(error: OAuthError, status: int = 400) -> Response:
    return JSONResponse(error.as_json(), status, _NO_STORE)


def _too_many(why: str, wait: float) -> Response:
    error = OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, why)
    return JSONResponse(error.as_json(), 429, {**_NO_STORE, "retry-after": str(math.ceil(wait))})
