"""What the token endpoint answers to a code, and why it refuses one (RFC 6749 sections 4.1.3 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

from bootgrant.providers.answer import ProviderAnswer
from bootgrant.providers.arrived import cleaned, kind_of, names_of
from bootgrant.providers.jwt import listed
from bootgrant.providers.settings import SignInProvider

_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"
_UNKNOWN_CLIENT: Final = (
    "the provider does not know this client_id, or the client's secret is another one: compare client_id and "
    "client_secret_file in [[oidc]] with the client at the provider"
)
_CHANGES: Final = {
    "invalid_client": _UNKNOWN_CLIENT,
    "unauthorized_client": (
        "either the client's secret is wrong (compare client_secret_file), or the client may not use the authorization "
        "code flow (turn it on; in Keycloak it is 'Standard flow'): some providers, Keycloak for one, answer the same "
        "to both"
    ),
    "invalid_grant": (
        "the code has expired, was used before, or belongs to another client, redirect URI or PKCE verifier: sign in "
        "again; if it happens every time, compare the redirect URI at the provider with this server's public_url and "
        "compare the clocks"
    ),
    "invalid_scope": "the provider does not know one of the scopes: compare scopes with its scopes_supported",
    "unsupported_grant_type": "the authorization code flow is off at the provider: turn it on for this client",
    "invalid_request": "the provider does not accept a parameter: compare the redirect URI and the PKCE method (S256)",
}
_PKCE: Final = (
    "PKCE failed: the provider must support the method S256, and no proxy may change the addresses; sign in again, and "
    "if it happens every time, set the client's PKCE method to S256"
)


def sends_in_form(metadata: Mapping[str, Any]) -> bool:
    """Return whether the client's secret goes into the form, because the provider does not take HTTP Basic.

    Providers that say nothing take Basic (OpenID Connect Discovery section 3).
    """
    methods = listed(metadata.get("token_endpoint_auth_methods_supported"))
    return _POST in methods and _BASIC not in methods


def refusal(answer: ProviderAnswer, said: str, settings: SignInProvider, metadata: Mapping[str, Any]) -> str:
    """Return why the token endpoint refuses a code, and what to change. ``said`` are the provider's own words."""
    words = f"'{said}'" if said else answer.arrived
    change = _change(answer, settings, metadata)
    return f"the token endpoint refuses the code: {words} (status {answer.status}); {change}"


def _change(answer: ProviderAnswer, settings: SignInProvider, metadata: Mapping[str, Any]) -> str:
    error = answer.error
    if answer.status == 401 and error in ("", "access_denied", "invalid_request"):
        error = "invalid_client"
    if error in ("invalid_grant", "invalid_request") and any(
        word in answer.said().casefold() for word in ("pkce", "verifier", "challenge")
    ):
        return _PKCE
    if not error and answer.status in (404, 405):
        return "check the token_endpoint in the provider's metadata, and what a proxy in between does"
    change = _CHANGES.get(error, "see the provider's own log for the reason")
    return f"{change}. {_authentication(settings, metadata)}" if error.endswith("_client") else change


def _authentication(settings: SignInProvider, metadata: Mapping[str, Any]) -> str:
    """Return how the client authenticated, and what the provider takes if that is something else."""
    sent, text = "none", "No client_secret_file is set, so the client must be a public one at the provider"
    if settings.secret:
        sent = _POST if sends_in_form(metadata) else _BASIC
        text = f"The secret was sent as {sent}{_encoded(settings, sent)}"
    methods = listed(metadata.get("token_endpoint_auth_methods_supported"))
    if not methods or sent in methods:
        return text
    taken = ", ".join(cleaned(method, 40) for method in methods[:8])
    return f"{text}; the provider says that it takes {taken}: {_use(sent)}"


def _encoded(settings: SignInProvider, sent: str) -> str:
    """Return a hint about characters that HTTP Basic must encode (RFC 6749 section 2.3.1)."""
    texts = (settings.client_id, settings.secret.reveal() if settings.secret else "")
    if sent != _BASIC or all(quote_plus(text) == text for text in texts):
        return ""
    return (
        "; the client id or the secret has characters that must be encoded there, and some providers do not decode "
        "them: use letters, digits, '-', '_' and '.' only"
    )


def _use(sent: str) -> str:
    if sent == "none":
        return "allow a public client there, or set client_secret_file"
    return "allow client_secret_basic or client_secret_post for this client, bootgrant has no other"


def without_id_token(members: Mapping[str, Any]) -> str:
    """Return why an answer without an ID token cannot be used."""
    what = kind_of(members["id_token"]) if "id_token" in members else "missing"
    granted = members.get("scope")
    scope = f"; the scope granted is '{cleaned(granted, 120)}'" if isinstance(granted, str) and granted else ""
    return (
        f"the answer has no ID token: id_token is {what} (it has {names_of(members)}{scope}); scopes in [[oidc]] must "
        "include openid, and the client at the provider must be an OpenID Connect client that may have this scope"
    )
