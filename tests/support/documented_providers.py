"""What providers answer in the device flow: the codes, the errors, and the token, each with its source.

Google, Entra ID, Okta and Auth0 are taken from their documents; where a document gives an error without its
description, the description is made up. Keycloak 26.4.7, Dex 2.45.1 and Ory Hydra 26.2 are as measured in November
2026; the first two are also run by `make test-providers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

_OAUTH = "talos.config.oauth."
Answer = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Document:
    """The answers in a provider's document: the codes, the errors before a decision, and the token.

    ``more`` are further kernel parameters; ``lost`` is the answer for a code that no longer exists, ``denied`` is
    None where a refusal never reaches the machine, ``expired`` is the answer for a code after its time.
    """

    codes: Mapping[str, object]
    pending: Answer
    slow_down: Answer
    denied: Answer | None
    lost: Answer
    token: Mapping[str, object]
    expired: Answer = (400, {"error": "expired_token"})
    more: tuple[str, ...] = ()


def google() -> Document:
    """Google Identity, "OAuth 2.0 for TV and Limited-Input Device Applications", steps 2 and 6."""
    return Document(
        codes={
            "device_code": "4/4-GMMhmHCXhWEzkobqIHGG_EnNYYsAkukHspeYUk9E8",
            "user_code": "GQVQ-JKEC",
            "verification_url": "https://www.google.com/device",
            "expires_in": 1800,
            "interval": 5,
        },
        pending=(428, {"error": "authorization_pending", "error_description": "Precondition Required"}),
        slow_down=(403, {"error": "slow_down", "error_description": "Forbidden"}),
        denied=(403, {"error": "access_denied", "error_description": "Forbidden"}),
        lost=(400, {"error": "invalid_grant", "error_description": "Malformed auth code."}),
        token={
            "access_token": "1/fFAGRNJru1FTz70BzhT3Zg",
            "expires_in": 3920,
            "scope": "openid https://www.googleapis.com/auth/userinfo.profile",
            "token_type": "Bearer",
            "refresh_token": "1/xEoDL4iW3cxlI7yDbSRFYNG01kVKM2C-259HOF2aQbI",
        },
        more=(f"{_OAUTH}client_secret=not-a-secret", f"{_OAUTH}scope=openid"),
    )


def entra() -> Document:
    """Microsoft identity platform, "OAuth 2.0 device authorization grant" (v2.0), an AADSTS error with its members."""

    def refused(code: str, number: int) -> Answer:
        members = {
            "error": code,
            "error_description": f"AADSTS{number}: …\r\nTrace ID: 0170\r\nTimestamp: 2026-11-24 09:34:07Z",
            "error_codes": [number],
            "timestamp": "2026-11-24 09:34:07Z",
            "trace_id": "01707a0c-640b-4049-8cbb-ee2304dc0700",
            "correlation_id": "78b0fdfc-dd0e-4dfb-b13a-d316333783f6",
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }
        return 400, members

    return Document(
        codes={
            "user_code": "YZMYLD4K",
            "device_code": "HAQABAAEAAAD--DLA3VO7QrddgJg7Wevr0WV9SxplIj",
            "verification_uri": "https://www.microsoft.com/link",
            "expires_in": 900,
            "interval": 5,
            "message": "To sign in, use a web browser to open the page https://www.microsoft.com/link",
        },
        pending=refused("authorization_pending", 70016),
        slow_down=refused("slow_down", 70037),
        denied=refused("authorization_declined", 70018),
        lost=refused("bad_verification_code", 7000024),
        token={
            "token_type": "Bearer",
            "scope": "openid profile email",
            "expires_in": 3599,
            "ext_expires_in": 3599,
            "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsIng1dCI6Ik5HVEZ2ZEstZnl0aEV1Q",
            "refresh_token": "AwABAAAAvPM1KaPlrEqdFSBzjqfTGAMxZGUTdM0t4B4",
        },
        more=(f"{_OAUTH}scope=api://machines/boot",),
    )


def entra_v1() -> Document:
    """The older endpoint of the same (``/oauth2/devicecode``), with numbers as strings and ``verification_url``."""
    new = entra()
    codes = {
        "user_code": "FRWQDE7YL",
        "device_code": "FAQABAAEAAAAm",
        "verification_url": "https://microsoft.com/devicelogin",
        "expires_in": "900",
        "interval": "5",
        "message": "To sign in …",
    }
    token = {"token_type": "Bearer", "expires_in": "3599", "expires_on": "1795489869", "access_token": "eyJ0eXAi"}
    return replace(new, codes=codes, token=token)


def okta() -> Document:
    """Okta, "Configure Device Authorization Grant Flow", and the answers in the tests of okta-mobile-kotlin."""
    return Document(
        codes={
            "device_code": "1a521d9f-0922-4e6d-8db9-8b654297435a",
            "user_code": "GDLMZQCT",
            "verification_uri": "https://example.okta.com/activate",
            "verification_uri_complete": "https://example.okta.com/activate?user_code=GDLMZQCT",
            "expires_in": 600,
            "interval": 5,
        },
        pending=(
            400,
            {
                "error": "authorization_pending",
                "error_description": "The device authorization is pending. Please try again later.",
            },
        ),
        slow_down=(400, {"error": "slow_down", "error_description": "The client is polling too quickly."}),
        denied=(400, {"error": "access_denied", "error_description": "The end user denied the request."}),
        lost=(400, {"error": "invalid_grant", "error_description": "The device code is invalid or has expired."}),
        token={
            "token_type": "Bearer",
            "expires_in": 3600,
            "access_token": "eyJraWQiOiJ",
            "scope": "offline_access profile openid",
            "refresh_token": "hk8A5CyL5",
            "id_token": "eyJraWQiOiI",
        },
        more=(f"{_OAUTH}scope=openid", f"{_OAUTH}scope=profile"),
    )


def auth0() -> Document:
    """Auth0, "Authorize Device" of the Authentication API: pending has status 403, too fast 429."""
    return Document(
        codes={
            "device_code": "GmRh1k9eS",
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://my-tenant.auth0.com/device",
            "verification_uri_complete": "https://my-tenant.auth0.com/device?user_code=WDJB-MJHT",
            "expires_in": 900,
            "interval": 5,
        },
        pending=(
            403,
            {"error": "authorization_pending", "error_description": "User has yet to authorize device code."},
        ),
        slow_down=(
            429,
            {
                "error": "slow_down",
                "error_description": "You are polling faster than the specified interval of 5 seconds.",
            },
        ),
        denied=(403, {"error": "access_denied", "error_description": "User cancelled the confirmation prompt."}),
        lost=(403, {"error": "expired_token", "error_description": "The device_code is expired."}),
        token={
            "access_token": "eyJz93a4laUWw",
            "id_token": "eyJ0NE",
            "refresh_token": "eyJMoQ",
            "expires_in": 86400,
            "token_type": "Bearer",
        },
        more=(f"{_OAUTH}audience=https://config.example.com/", f"{_OAUTH}scope=openid"),
    )


def keycloak() -> Document:
    """Keycloak 26.4.7 as measured (tests/providers_real/test_keycloak_machines.py), with docs/providers/keycloak.md."""

    def refused(code: str, description: str) -> Answer:
        return 400, {"error": code, "error_description": description}

    return Document(
        codes={
            "device_code": "zX1kK3ZsN6y",
            "user_code": "ABCD-EFGH",
            "verification_uri": "https://keycloak.example.com/realms/site/device",
            "verification_uri_complete": "https://keycloak.example.com/realms/site/device?user_code=ABCD-EFGH",
            "expires_in": 600,
            "interval": 5,
        },
        pending=refused("authorization_pending", "The authorization request is still pending"),
        slow_down=refused("slow_down", "Slow down"),
        denied=refused("access_denied", "The end user denied the authorization request"),
        lost=refused("invalid_grant", "Device code not valid"),
        token={
            "access_token": "eyJhbGciOiJSUzI1",
            "expires_in": 14400,
            "refresh_expires_in": 1800,
            "refresh_token": "eyJhbGciOiJIUzUx",
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": "6bbd4ea5",
            "scope": "openid email profile",
        },
        more=(f"{_OAUTH}scope=openid",),
    )


KEYCLOAK_GRANT_OFF: Answer = (
    400,
    {
        "error": "unauthorized_client",
        "error_description": "Client is not allowed to initiate OAuth 2.0 Device Authorization Grant. "
        "The flow is disabled for the client.",
    },
)
"""Keycloak 26.4.7 at the device endpoint: the grant is off for a client that is public, or has sent its secret."""
KEYCLOAK_WRONG_SECRET: Answer = (
    401,
    {"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"},
)
"""Keycloak 26.4.7 at both endpoints: the secret is wrong or missing, whether the grant is on or off."""
KEYCLOAK_NO_PKCE: Answer = (
    400,
    {"error": "invalid_request", "error_description": "Missing parameter: code_challenge_method"},
)
"""Keycloak 26.4.7 at the device endpoint, for a client that requires PKCE."""


def dex() -> Document:
    """Dex 2.45.1 as measured (tests/providers_real/test_dex.py). A person's refusal is not reported to the machine."""
    return Document(
        codes={
            "device_code": "f3rbv5vr4lbxjw2ywnzeym5xmqdkc5vojbqv3tnr2uixk5tqpv",
            "user_code": "BCDF-GHJK",
            "verification_uri": "https://dex.example.com/dex/device",
            "verification_uri_complete": "https://dex.example.com/dex/device?user_code=BCDF-GHJK",
            "expires_in": 900,
            "interval": 5,
        },
        pending=(400, {"error": "authorization_pending"}),
        slow_down=(400, {"error": "slow_down"}),
        denied=None,
        lost=(400, {"error": "invalid_request", "error_description": "Invalid Device code."}),
        token={"access_token": "eyJhbGci", "token_type": "bearer", "expires_in": 14399, "id_token": "eyJhbGciOi"},
        more=tuple(f"{_OAUTH}scope={scope}" for scope in ("openid", "email", "groups")),
    )


def hydra() -> Document:
    """Ory Hydra 26.2 as measured on 2026-11-29; the descriptions are those of its ``fosite/errors.go``.

    A consent that the app rejects is not reported to the machine. Hydra never answers ``slow_down``
    (``strategy_hmacsha.go``, ``ShouldRateLimit``); the answer is here for servers that replace that function.
    """
    return Document(
        codes={
            "device_code": "ory_dc_8nFNl1gTLMn5vZ5SeUZfLRQj4mYS2S1tKcR8Y0PyDbM",
            "user_code": "BDFGHJKL",
            "verification_uri": "https://hydra.example.com/oauth2/device/verify",
            "verification_uri_complete": "https://hydra.example.com/oauth2/device/verify?user_code=BDFGHJKL",
            "expires_in": 900,
            "interval": 5,
        },
        pending=_hydra(
            "authorization_pending", "The authorization request is still pending as the end user hasn't yet"
        ),
        slow_down=_hydra("slow_down", "The authorization request was rate-limited to prevent system overload."),
        denied=None,
        lost=_hydra("invalid_grant", "The provided authorization grant is invalid, expired, revoked"),
        token={
            "access_token": "ory_at_3Q9lq0",
            "expires_in": 14399,
            "scope": "openid",
            "token_type": "bearer",
            "id_token": "eyJhbGciOi",
        },
        expired=_hydra(
            "expired_token", "The device_code has expired, and the device authorization session has concluded."
        ),
        more=(f"{_OAUTH}scope=openid",),
    )


def _hydra(code: str, description: str) -> Answer:
    return 400, {"error": code, "error_description": description}


def sloppy() -> Document:
    """Not a product: numbers with a fraction, as in JSON from languages that only have floating-point numbers."""
    numbers = {"expires_in": 900.0, "interval": 4.5, "nested": {"extra": [1, 2, {}]}}
    return replace(okta(), codes={**okta().codes, **numbers}, token={**okta().token, "expires_in": 3599.97})


DOCUMENTS = [google, entra, entra_v1, okta, auth0, keycloak, dex, hydra, sloppy]
FIT_FOR_TALOS = [google, entra, okta, auth0, keycloak, dex, hydra]
