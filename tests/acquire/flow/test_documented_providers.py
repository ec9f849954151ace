"""Providers that cannot run here, answering as documented: acquire gets the configuration from each.

Each provider below names the document that its members, error codes and statuses are taken from; where a document gives
an error without its description, the description is made up.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

import pytest

from bootgrant.acquire import AcquireError, Denied, OnDenial, Options, PkceChoice, ProviderFailed, TokenChoice
from bootgrant.acquire.acquisition import Acquisition
from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.talos.flow import GoError
from bootgrant.acquire.talos.metal import _Metal
from support.answering_server import AnsweringServer, Asked, http, reply
from support.grants import UUID
from support.screen import QuickClock, Screen

CONFIG = b"version: v1alpha1\n"
_OAUTH = "talos.config.oauth."
Answer = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Document:
    """The answers in a provider's document: the codes, the errors before a decision, and the token.

    ``more`` are further kernel parameters; ``lost`` is the answer for a code that no longer exists.
    """

    codes: Mapping[str, object]
    pending: Answer
    slow_down: Answer
    denied: Answer
    lost: Answer
    token: Mapping[str, object]
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
    """Keycloak, ``DeviceEndpoint.java`` and ``DeviceGrantType.java``; the token has the members of every grant."""

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
            "expires_in": 300,
            "refresh_expires_in": 1800,
            "refresh_token": "eyJhbGciOiJIUzUx",
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": "6bbd4ea5",
            "scope": "openid email profile",
        },
        more=(f"{_OAUTH}scope=openid",),
    )


def dex() -> Document:
    """Dex, ``server/device/device.go`` and ``server/grants/devicecode.go``: an unknown code is an invalid request."""
    return Document(
        codes={
            "device_code": "f3rbv5vr4lbxjw2ywnzeym5xmqdkc5vojbqv3tnr2uixk5tqpv",
            "user_code": "BCDF-GHJK",
            "verification_uri": "https://dex.example.com/dex/device",
            "verification_uri_complete": "https://dex.example.com/dex/device?user_code=BCDF-GHJK",
            "expires_in": 300,
            "interval": 5,
        },
        pending=(400, {"error": "authorization_pending"}),
        slow_down=(400, {"error": "slow_down"}),
        denied=(400, {"error": "access_denied"}),
        lost=(400, {"error": "invalid_request", "error_description": "Invalid Device code."}),
        token={"access_token": "eyJhbGci", "token_type": "bearer", "expires_in": 86399, "id_token": "eyJhbGciOi"},
        more=(f"{_OAUTH}scope=openid",),
    )


def sloppy() -> Document:
    """Not a product: numbers with a fraction, as in JSON from languages that only have floating-point numbers."""
    numbers = {"expires_in": 900.0, "interval": 4.5, "nested": {"extra": [1, 2, {}]}}
    return replace(okta(), codes={**okta().codes, **numbers}, token={**okta().token, "expires_in": 3599.97})


DOCUMENTS = [google, entra, entra_v1, okta, auth0, keycloak, dex, sloppy]
FIT_FOR_TALOS = [google, entra, okta, auth0, keycloak, dex]
DOCUMENTED = pytest.mark.parametrize(
    "document", [each() for each in DOCUMENTS], ids=[each.__name__ for each in DOCUMENTS]
)


@dataclass(slots=True)
class Provider:
    """Answers the token requests with ``script``, one after the other, then with the token."""

    document: Document
    script: list[Answer] = field(default_factory=list)
    device: Callable[[Asked], bytes] | None = None

    def __call__(self, asked: Asked) -> bytes:
        if asked.target.startswith("/device"):
            return self.device(asked) if self.device else reply(200, self.document.codes)
        if asked.target.startswith("/token"):
            return reply(*self.script.pop(0)) if self.script else reply(200, self.document.token)
        return http(200, CONFIG)


@dataclass(frozen=True, slots=True)
class Seen:
    screen: Screen
    clock: QuickClock
    asked: list[Asked]

    def tokens(self) -> list[str]:
        return [each.headers["authorization"] for each in self.asked if each.target.startswith("/config")]


def boot(provider: Provider, options: Options | None = None, *, compat: bool = False) -> Seen:
    screen, clock = Screen(), QuickClock()
    with AnsweringServer(provider) as server:
        words = (
            f"talos.config={server.url}/config {_OAUTH}client_id=machines {_OAUTH}device_auth_url={server.url}/device",
            f"{_OAUTH}token_url={server.url}/token {_OAUTH}extra_variable=uuid",
        )
        cmdline = parse_cmdline(" ".join([*words, *provider.document.more]))
        chosen = replace(options or Options(), given={"uuid": UUID})
        if compat:
            content = _Metal(cmdline, chosen, screen, clock).configuration()
        else:
            content = Acquisition(cmdline, chosen, screen, clock).run().content
    assert content == CONFIG
    return Seen(screen, clock, server.asked)


@DOCUMENTED
def test_a_machine_waits_slows_down_and_gets_its_configuration(document: Document) -> None:
    seen = boot(Provider(document, [document.pending, document.slow_down, document.pending]))
    (prompt,) = seen.screen.prompts
    assert prompt.user_code == document.codes["user_code"]
    assert prompt.verification_uri == document.codes.get("verification_uri", document.codes.get("verification_url"))
    assert prompt.verification_uri_complete == document.codes.get("verification_uri_complete", "")
    assert [round(pause) for pause in seen.clock.slept] == [5, 5, 10, 10]
    assert seen.tokens() == [f"Bearer {document.token['access_token']}"]


@pytest.mark.parametrize("document", [each() for each in FIT_FOR_TALOS], ids=[each.__name__ for each in FIT_FOR_TALOS])
def test_a_talos_node_gets_its_configuration_too(document: Document) -> None:
    pairs = [answer for answer in (document.pending, document.slow_down) for _ in range(2)]
    seen = boot(Provider(document, pairs), compat=True)
    assert [round(pause) for pause in seen.clock.slept] == [5, 5, 10]
    assert seen.tokens() == [f"Bearer {document.token['access_token']}"]


@pytest.mark.parametrize("document", [entra_v1(), sloppy()], ids=["numbers as texts", "numbers with a fraction"])
def test_a_talos_node_cannot_read_a_number_that_is_a_text_or_a_fraction(document: Document) -> None:
    with pytest.raises(GoError, match="json: cannot unmarshal"):
        boot(Provider(document), compat=True)


@DOCUMENTED
def test_a_denial_is_recognised(document: Document) -> None:
    with pytest.raises(Denied):
        boot(Provider(document, [document.denied]), Options(on_denial=OnDenial.EXIT))


@DOCUMENTED
def test_a_code_that_the_provider_no_longer_knows_is_replaced(document: Document) -> None:
    seen = boot(Provider(document, [document.pending, document.lost]))
    assert len(seen.screen.prompts) == 2


def test_google_sends_an_id_token_as_iap_requires() -> None:
    """Google IAP checks an ``id_token`` (siderolabs/talos issue 11702), which needs the scope openid."""
    document = replace(google(), token={**google().token, "id_token": "eyJhbGciOiJSUzI1NiJ9.e30.sig"})
    seen = boot(Provider(document), Options(token=TokenChoice.ID))
    assert seen.tokens() == ["Bearer eyJhbGciOiJSUzI1NiJ9.e30.sig"]


def test_google_beyond_its_quota_is_tried_again() -> None:
    """ "OAuth 2.0 for TV and Limited-Input Device Applications", "Quota exceeded response": 403 without ``error``."""
    answers = [reply(403, {"error_code": "rate_limit_exceeded"}), reply(200, google().codes)]
    seen = boot(Provider(google(), device=lambda _: answers.pop(0)))
    assert [warning for warning in seen.screen.warnings if "rate_limit_exceeded" in warning]


def refused(document: Document, answer: Answer, options: Options | None = None) -> AcquireError:
    with pytest.raises(ProviderFailed) as caught:
        boot(Provider(document, device=lambda _: reply(*answer)), options)
    return caught.value


def test_auth0_refuses_a_secret_at_the_device_endpoint() -> None:
    """auth0/ruby-auth0, pull request 794: 403 as soon as a client_secret is in the request."""
    with_secret = replace(auth0(), more=(*auth0().more, f"{_OAUTH}client_secret=s"))
    error = refused(with_secret, (403, {"error": "unauthorized_client", "error_description": "Unauthorized"}))
    assert "allow the device flow for this client" in error.next_step


def test_the_error_of_entra_without_public_client_flows_is_shown() -> None:
    """Microsoft, "Error AADSTS7000218": the application does not allow public client flows."""
    description = "AADSTS7000218: The request body must contain the following parameter: 'client_assertion'"
    with pytest.raises(ProviderFailed, match="AADSTS7000218"):
        boot(Provider(entra(), [(401, {"error": "invalid_client", "error_description": description})]))


def test_the_error_of_keycloak_without_the_device_grant_is_shown() -> None:
    """``DeviceEndpoint.java``: invalid_grant, where other providers answer unauthorized_client."""
    description = "Client not allowed for OAuth 2.0 Device Authorization Grant"
    error = refused(keycloak(), (400, {"error": "invalid_grant", "error_description": description}))
    assert "Client not allowed" in error.what


def test_keycloak_gets_pkce_if_it_requires_it() -> None:
    """``AuthorizationEndpointChecker.checkPKCEParams`` at the device endpoint, the verifier at the token endpoint."""
    challenges: list[str] = []

    def device(asked: Asked) -> bytes:
        if asked.form.get("code_challenge_method") != "S256":
            missing = {"error": "invalid_request", "error_description": "Missing parameter: code_challenge_method"}
            return reply(400, missing)
        challenges.append(asked.form["code_challenge"])
        return reply(200, keycloak().codes)

    seen = boot(Provider(keycloak(), device=device), Options(pkce=PkceChoice.ALWAYS))
    (poll,) = [each for each in seen.asked if each.target == "/token"]
    digest = sha256(poll.form["code_verifier"].encode()).digest()
    assert challenges == [urlsafe_b64encode(digest).rstrip(b"=").decode()]
    with pytest.raises(ProviderFailed, match="code_challenge_method"):
        boot(Provider(keycloak(), device=device))


def test_dex_gets_the_secret_with_the_request_for_the_code() -> None:
    """``completeDeviceAuthorization``: the secret of that request is checked after the person has signed in."""
    with_secret = replace(dex(), more=(*dex().more, f"{_OAUTH}client_secret=top-secret"))
    seen = boot(Provider(with_secret))
    assert seen.asked[0].form["client_secret"] == "top-secret"
