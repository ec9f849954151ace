"""For whom and for what a token was issued (RFC 9068 section 4), whichever way it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootgrant.ports.providers import TokenRefusal
from bootgrant.providers.arrived import quoted
from bootgrant.providers.jwt import Refused, listed
from bootgrant.providers.settings import TokenProvider

_CLIENT_NAMES = ("client_id", "azp", "appid", "cid")


def meant_for_others(settings: TokenProvider, claims: Mapping[str, Any]) -> Refused | None:
    """Return a refusal for an access token that was issued for another audience, client or purpose."""
    audience = claims.get("aud")
    if settings.wanted_audiences and set(listed(audience)).isdisjoint(settings.wanted_audiences):
        wanted = ", ".join(settings.wanted_audiences)
        return Refused(TokenRefusal.AUDIENCE, f"its audience (aud) is {quoted(audience)}, not one of {wanted}")
    client = next((claims[name] for name in _CLIENT_NAMES if name in claims), None)
    if settings.client_ids and client not in settings.client_ids:
        wanted = ", ".join(settings.client_ids)
        return Refused(
            TokenRefusal.CLIENT, f"its client ({', '.join(_CLIENT_NAMES)}) is {quoted(client)}, not {wanted}"
        )
    scopes = {scope for name in ("scope", "scp") for text in listed(claims.get(name)) for scope in text.split()}
    missing = sorted(set(settings.scopes) - scopes)
    if not missing:
        return None
    found = f"it has {quoted(sorted(scopes))}" if scopes else "it has none"
    return Refused(TokenRefusal.SCOPE, f"it lacks the scope {missing[0]}; {found}")
