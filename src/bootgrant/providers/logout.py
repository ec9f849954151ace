"""Logout tokens, with which a provider ends the sessions of a person here (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bootgrant.ports.providers import Logout, LogoutRefused
from bootgrant.providers.jwt import JwtReader, Refused, is_for_client, moment
from bootgrant.wire.secret import Secret

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
"""The member of ``events`` that makes a token a logout token (section 2.4)."""

_TYPES: Final = frozenset({"logout+jwt", "application/logout+jwt", "jwt", ""})
"""What ``typ`` may be, in lower case: section 2.4 recommends the first, and older providers write JWT or nothing."""

_LONGEST: Final = 1000
"""Characters of sub, sid, and jti."""


async def read_logout_token(reader: JwtReader, client_id: str, token: Secret) -> Logout | LogoutRefused:
    """Check a logout token as section 2.6 says: signature, issuer, times, audience, event, and whose session it is.

    Raise ProviderUnavailable when the keys cannot be fetched.
    """
    read = await reader.read(token)
    if isinstance(read, Refused):
        return LogoutRefused(f"the logout token is refused: {read.reason[:300]}")
    claims = read.claims
    if read.kind not in _TYPES:
        return LogoutRefused(f"typ is {read.kind[:100]!a}, which is not that of a logout token (logout+jwt)")
    if problem := _problem(claims, client_id):
        return LogoutRefused(problem)
    issued, expires = moment(claims["iat"]), moment(claims["exp"])
    if issued is None or expires is None:
        raise AssertionError("the reader accepts only times that are numbers")
    subject, session_id = (str(claims.get(name) or "") for name in ("sub", "sid"))
    return Logout(subject, session_id, str(claims["jti"]), issued, expires)


def _problem(claims: Mapping[str, Any], client_id: str) -> str:
    """Return what is wrong with the claims that only logout tokens have; empty for nothing."""
    if not is_for_client(claims, (client_id,)):
        return f"aud is {str(claims.get('aud'))[:200]!a}, which is not only the client {client_id}"
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        return f"events has no object {EVENT}, so this is not a logout token"
    if "nonce" in claims:
        return "it has a nonce, which a logout token must not have: it may be an ID token"
    if "iat" not in claims:
        return "iat is missing"
    texts = {name: claims.get(name) for name in ("jti", "sub", "sid")}
    for name, text in texts.items():
        if text is not None and not (isinstance(text, str) and 0 < len(text) <= _LONGEST):
            return f"{name} is not a text of 1 to {_LONGEST} characters"
    if texts["jti"] is None:
        return "jti is missing"
    if texts["sub"] is None and texts["sid"] is None:
        return "it has neither sub nor sid, so it does not say whose session ended"
    return ""
