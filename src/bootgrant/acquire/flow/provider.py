"""The provider's two endpoints: a request for each action of the conversation, and the answer as an event.

Sources: RFC 8628 sections 3.1 to 3.5, RFC 6749 section 2.3.1 (client authentication), RFC 7636 (PKCE).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import quote_plus, urlencode

from bootgrant.acquire.cmdline.settings import DEVICE_AUTH_URL, TOKEN_URL, OAuthSettings
from bootgrant.acquire.errors import AcquireError, ProviderFailed
from bootgrant.acquire.flow.values import (
    Broken,
    ClientAuth,
    CodesArrived,
    Event,
    Hopeless,
    PollToken,
    Refused,
    RequestCodes,
    TokenArrived,
)
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, endpoint_of, redirected
from bootgrant.acquire.http.transport import (
    USER_AGENT,
    CertificateError,
    Headers,
    Request,
    Response,
    Transport,
    basic,
    unreachable,
)
from bootgrant.wire.device_flow import (
    FORM_TYPE,
    AccessToken,
    AnswerError,
    DeviceAuthorization,
    OAuthError,
    device_form,
    parse_device_authorization,
    parse_token,
    token_form,
)

MAX_ANSWER: Final = 1 << 20
"""Bytes of a provider's answer; the reference client reads as many."""
_MAX_REDIRECTS: Final = 5
_SAME_REQUEST_AGAIN: Final = frozenset({307, 308})

_T = TypeVar("_T")


class Provider:
    """Calls one provider for one client. ``variables`` describe the machine and are sent with both requests."""

    def __init__(
        self, transport: Transport, oauth: OAuthSettings, variables: Mapping[str, str], *, pkce: bool = False
    ) -> None:
        self._transport = transport
        self._oauth = oauth
        self._variables = dict(variables)
        self._pkce = pkce
        self._verifier = ""
        self._device_endpoint = endpoint_of(oauth.device_auth_url, DEVICE_AUTH_URL)
        self._token_endpoint = endpoint_of(oauth.token_url, TOKEN_URL)

    def request_codes(self, action: RequestCodes) -> Event:
        """Send the device authorization request (RFC 8628 section 3.1)."""
        oauth = self._oauth
        form = device_form(oauth.client_id, oauth.scopes, oauth.audience, self._variables)
        if self._pkce:
            form |= self._challenge()
        answer = self._post(self._device_endpoint, form, action.auth, action.give_up_at)
        if not isinstance(answer, Response):
            return answer
        outcome = _read(parse_device_authorization, answer.body)
        if isinstance(outcome, DeviceAuthorization):
            return CodesArrived(outcome)
        return _event(outcome, answer, self._device_endpoint, DEVICE_AUTH_URL)

    def poll(self, action: PollToken) -> Event:
        """Send the token request (RFC 8628 section 3.4)."""
        oauth = self._oauth
        form = token_form(oauth.client_id, action.device_code, oauth.scopes, oauth.audience, self._variables)
        if self._pkce:
            form["code_verifier"] = self._verifier
        answer = self._post(self._token_endpoint, form, action.auth, action.give_up_at)
        if not isinstance(answer, Response):
            return answer
        outcome = _read(parse_token, answer.body)
        if isinstance(outcome, AccessToken):
            return TokenArrived(outcome)
        event = _event(outcome, answer, self._token_endpoint, TOKEN_URL)
        # A person may be typing the code, and a later answer may be usable.
        return Broken(event.error, answered=True) if isinstance(event, Hopeless) else event

    def _challenge(self) -> dict[str, str]:
        from base64 import urlsafe_b64encode
        from hashlib import sha256
        from secrets import token_urlsafe

        self._verifier = token_urlsafe(48)
        digest = urlsafe_b64encode(sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        return {"code_challenge": digest, "code_challenge_method": "S256"}

    def _post(
        self, endpoint: Endpoint, form: Mapping[str, str], auth: ClientAuth, deadline: float
    ) -> Response | Broken | Hopeless:
        fields = dict(form)
        if auth is ClientAuth.BODY and self._oauth.client_secret is not None:
            fields["client_secret"] = self._oauth.client_secret.reveal()
        body = urlencode(sorted(fields.items()), errors="surrogateescape").encode()
        here = endpoint
        try:
            for _ in range(_MAX_REDIRECTS):
                request = Request("POST", here, self._headers(here, body, auth), body)
                answer = self._transport.exchange(request, deadline, max_body=MAX_ANSWER)
                if not 300 <= answer.status < 400:
                    return answer
                here = _redirected(here, answer)
        except TransportError as error:
            return transport_event(error, endpoint)
        except AcquireError as error:
            return Hopeless(error)
        return Hopeless(ProviderFailed(f"{endpoint.shown()} redirects in a loop", "check the provider"))

    def _headers(self, endpoint: Endpoint, body: bytes, auth: ClientAuth) -> Headers:
        credentials = _credentials(self._oauth, endpoint, auth)
        return (
            ("Host", endpoint.host_header),
            ("User-Agent", USER_AGENT),
            ("Content-Length", str(len(body))),
            ("Accept", "application/json"),
            *((("Authorization", credentials),) if credentials else ()),
            ("Content-Type", FORM_TYPE),
            ("Accept-Encoding", "gzip"),
            ("Connection", "close"),
        )


def transport_event(error: TransportError, endpoint: Endpoint) -> Broken | Hopeless:
    """The event for a failed exchange."""
    if isinstance(error, CertificateError):
        return Hopeless(error.error)
    if error.trouble is Trouble.TOO_LARGE:
        return Hopeless(ProviderFailed(f"{endpoint.shown()}: {error.what}", "check that this is the URL of a provider"))
    return Broken(unreachable(error, endpoint))


def _credentials(oauth: OAuthSettings, endpoint: Endpoint, auth: ClientAuth) -> str:
    if auth is ClientAuth.BASIC:
        secret = oauth.client_secret.reveal() if oauth.client_secret is not None else ""
        return basic(*(quote_plus(text, errors="surrogateescape") for text in (oauth.client_id, secret)))
    return basic(endpoint.user, endpoint.password) if endpoint.user is not None else ""


def _redirected(here: Endpoint, answer: Response) -> Endpoint:
    """The target of a redirect. The form contains secrets, so it goes to no other origin and never becomes a GET."""
    advice = "set talos.config.oauth.device_auth_url and token_url to the final URLs"
    if answer.status not in _SAME_REQUEST_AGAIN:
        raise ProviderFailed(f"{here.shown()} answers a POST with a redirect (status {answer.status})", advice)
    try:
        there = redirected(here, answer.header("location"))
    except EndpointError:
        raise ProviderFailed(f"{here.shown()} redirects to an invalid URL", advice) from None
    if there.origin != here.origin:
        raise ProviderFailed(
            f"{here.shown()} redirects to {there.shown()}, which must not see this machine's secrets", advice
        )
    return there


def _read(parse: Callable[[bytes], _T], body: bytes) -> _T | AnswerError:
    try:
        return parse(body)
    except AnswerError as error:
        return error


def _event(
    outcome: OAuthError | AnswerError, answer: Response, endpoint: Endpoint, parameter: str
) -> Refused | Broken | Hopeless:
    if isinstance(outcome, OAuthError):
        return Refused(outcome)
    what = f"{endpoint.shown()} answers with status {answer.status}"
    if answer.status >= 500 or answer.status in {408, 425, 429}:
        error = ProviderFailed(what, "check the provider's log")
        return Broken(error, answered=True, retry_after=answer.retry_after())
    return Hopeless(ProviderFailed(f"{what}, and {outcome}", f"check {parameter}"))
