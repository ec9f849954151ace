"""Providers answering as documented or measured: acquire gets the configuration from each.

The answers are in tests/support/documented_providers.py.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256

import pytest

from bootgrant.acquire import AcquireError, Denied, OnDenial, Options, PkceChoice, ProviderFailed, TokenChoice
from bootgrant.acquire.acquisition import Acquisition
from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.talos.flow import GoError
from bootgrant.acquire.talos.metal import _Metal
from support.answering_server import AnsweringServer, Asked, http, reply
from support.documented_providers import (
    DOCUMENTS,
    FIT_FOR_TALOS,
    KEYCLOAK_GRANT_OFF,
    KEYCLOAK_NO_PKCE,
    KEYCLOAK_WRONG_SECRET,
    Answer,
    Document,
    auth0,
    dex,
    entra,
    entra_v1,
    google,
    keycloak,
    sloppy,
)
from support.grants import UUID
from support.screen import QuickClock, Screen

CONFIG = b"version: v1alpha1\n"
_OAUTH = "talos.config.oauth."
DOCUMENTED = pytest.mark.parametrize(
    "document", [each() for each in DOCUMENTS], ids=[each.__name__ for each in DOCUMENTS]
)


@dataclass(slots=True)
class Provider:
    """Answers the token requests with ``script`` or ``polled``, one after the other, then with the token."""

    document: Document
    script: list[Answer] = field(default_factory=list)
    device: Callable[[Asked], bytes] | None = None
    polled: Callable[[], Answer | None] = lambda: None

    def __call__(self, asked: Asked) -> bytes:
        if asked.target.startswith("/device"):
            return self.device(asked) if self.device else reply(200, self.document.codes)
        if asked.target.startswith("/token"):
            answer = self.script.pop(0) if self.script else self.polled()
            return reply(*answer) if answer else reply(200, self.document.token)
        return http(200, CONFIG)


@dataclass(frozen=True, slots=True)
class Seen:
    screen: Screen
    clock: QuickClock
    asked: list[Asked]

    def tokens(self) -> list[str]:
        return [each.headers["authorization"] for each in self.asked if each.target.startswith("/config")]


def boot(
    provider: Provider, options: Options | None = None, *, compat: bool = False, clock: QuickClock | None = None
) -> Seen:
    screen, clock = Screen(), clock or QuickClock()
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


REPORTING, SILENT = ([each for each in DOCUMENTS if (each().denied is None) is silent] for silent in (False, True))


@pytest.mark.parametrize("make", REPORTING, ids=lambda make: make.__name__)
def test_a_denial_is_recognised(make: Callable[[], Document]) -> None:
    document = make()
    assert document.denied is not None
    with pytest.raises(Denied):
        boot(Provider(document, [document.denied]), Options(on_denial=OnDenial.EXIT))


@pytest.mark.parametrize("make", SILENT, ids=lambda make: make.__name__)
def test_a_denial_that_the_provider_keeps_to_itself_ends_with_the_code(make: Callable[[], Document]) -> None:
    document = make()
    seen = boot(Provider(document, [document.pending] * 4 + [document.expired]), Options(on_denial=OnDenial.EXIT))
    assert len(seen.screen.prompts) == 2


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


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (KEYCLOAK_GRANT_OFF, "The flow is disabled for the client"),
        (KEYCLOAK_WRONG_SECRET, "Invalid client or Invalid client credentials"),
    ],
    ids=["the grant is off", "the secret is wrong"],
)
def test_what_keycloak_says_of_a_client_is_shown(answer: Answer, words: str) -> None:
    error = refused(keycloak(), answer)
    assert words in error.what


def test_keycloak_gets_pkce_if_it_requires_it() -> None:
    challenges: list[str] = []

    def device(asked: Asked) -> bytes:
        if asked.form.get("code_challenge_method") != "S256":
            return reply(*KEYCLOAK_NO_PKCE)
        challenges.append(asked.form["code_challenge"])
        return reply(200, keycloak().codes)

    seen = boot(Provider(keycloak(), device=device), Options(pkce=PkceChoice.ALWAYS))
    (poll,) = [each for each in seen.asked if each.target == "/token"]
    digest = sha256(poll.form["code_verifier"].encode()).digest()
    assert challenges == [urlsafe_b64encode(digest).rstrip(b"=").decode()]
    with pytest.raises(ProviderFailed, match="code_challenge_method"):
        boot(Provider(keycloak(), device=device))


@dataclass(slots=True)
class DexPause:
    """Dex 2.45.1 (``handleDeviceToken``): 5 seconds between requests, and 5 more after each early one."""

    clock: QuickClock
    requests_before_approval: int
    pause: float = 0
    last: float = 0

    def __call__(self) -> Answer | None:
        self.requests_before_approval -= 1
        if self.requests_before_approval < 0:
            return None
        now = self.clock.steady()
        early = now < self.last + self.pause
        self.pause, self.last = (self.pause + 5 if early else 5), now
        return dex().slow_down if early else dex().pending


def test_a_talos_node_at_dex_polls_less_and_less_often() -> None:
    clock = QuickClock()
    boot(Provider(dex(), polled=DexPause(clock, 12)), compat=True, clock=clock)
    assert [round(pause) for pause in clock.slept] == [5, 10, 15, 20, 25, 30, 35]


def test_acquire_at_dex_polls_at_its_interval() -> None:
    clock = QuickClock()
    boot(Provider(dex(), polled=DexPause(clock, 6)), clock=clock)
    assert [round(pause) for pause in clock.slept] == [5] * 7


def test_dex_gets_the_secret_with_the_request_for_the_code() -> None:
    """``completeDeviceAuthorization``: the secret of that request is checked after the person has signed in."""
    with_secret = replace(dex(), more=(*dex().more, f"{_OAUTH}client_secret=top-secret"))
    seen = boot(Provider(with_secret))
    assert seen.asked[0].form["client_secret"] == "top-secret"
