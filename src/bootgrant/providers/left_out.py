"""Claims that a provider left out: they are unknown, not empty, so nobody loses a role for lack of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from bootgrant.approval.claim_values import Claims, claim_of, values_of
from bootgrant.providers.arrived import cleaned, kind_of

_ENTRA: Final = (
    "Entra ID does so with more than 200 groups (in the implicit flow, more than 5): "
    "use app roles, or 'groups assigned to the application'"
)


def overage(claims: Claims, name: str) -> str:
    """Return how the provider says that it left a claim out, or "" (OpenID Connect Core section 5.6.2, Entra ID)."""
    head = name if name in _mapping(claims, "_claim_names") else name.partition(".")[0]
    source = _mapping(claims, "_claim_names").get(head)
    if source is not None:
        return _elsewhere(claims, head, source)
    if head == "groups" and claims.get("hasgroups") in (True, "true"):
        return f"the provider left groups out of the token (hasgroups). {_ENTRA}"
    if marker := next((claim for claim in claims if claim.startswith(f"{head}:src")), None):
        return f"the provider left {cleaned(head, 60)} out of the token ({cleaned(marker, 60)}). {_ENTRA}"
    return ""


def _elsewhere(claims: Claims, head: str, source: object) -> str:
    found = _mapping(claims, "_claim_sources").get(source) if isinstance(source, str) else None
    where = found if isinstance(found, Mapping) else {}
    shown = cleaned(head, 60)
    if isinstance(where.get("JWT"), str):
        return (
            f"the provider sends {shown} as an aggregated claim (_claim_names), in a token of another issuer, which "
            "bootgrant does not read: have the provider put the claim itself into the ID token or userinfo"
        )
    host = _host(where.get("endpoint"))
    place = f" and points to {host}" if host else ""
    advice = _ENTRA if head == "groups" else "have the provider put the claim itself into the token"
    return f"the provider left {shown} out of the token (_claim_names){place}. {advice}"


def _host(url: object) -> str:
    try:
        return cleaned(urlsplit(url).hostname, 100) if isinstance(url, str) else ""
    except ValueError:
        return ""


def _mapping(claims: Claims, name: str) -> Mapping[str, Any]:
    found = claims.get(name)
    return found if isinstance(found, Mapping) else {}


def unreadable(claims: Claims, name: str) -> str:
    """Return why the value of a claim that did arrive has no texts in it, or ""."""
    value = claim_of(claims, name)
    if value is None or isinstance(value, (bool, Mapping)) or value in ("", []) or values_of(claims, name):
        return ""
    what = "a list without texts" if isinstance(value, list) else kind_of(value)
    return f"the provider sends {cleaned(name, 60)} as {what}, not as names: correct the mapper at the provider"


def explained(claims: Claims, names: Iterable[str]) -> dict[str, str]:
    """Return, by claim, what the claims themselves say about why a claim is missing or cannot be read."""
    reasons = {
        name: overage(claims, name) if claim_of(claims, name) is None else unreadable(claims, name) for name in names
    }
    return {name: reason for name, reason in reasons.items() if reason}


_NO_GROUPS: Final = "; Keycloak, for one, leaves it out for a person without groups"


def absent(name: str, scopes: Iterable[str], granted: object) -> str:
    """Return why a claim may be neither in the ID token nor in userinfo. ``granted`` is the scope that was granted."""
    head = name.partition(".")[0]
    if head in scopes and isinstance(granted, str) and head not in granted.split():
        return f"the provider did not grant the scope {cleaned(head, 60)}: allow it for this client"
    return (
        f"neither the ID token nor userinfo has {cleaned(name, 60)}: have the provider add it (a mapper with "
        f"'Add to ID token' in Keycloak), or request its scope in scopes{_NO_GROUPS if 'group' in name.lower() else ''}"
    )
