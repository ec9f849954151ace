"""The provider's two endpoints: a request for each action of the conversation, and the answer as an event.

Sources: RFC 8628 sections 3.1 to 3.5, RFC 6749 section 2.3.1 (client authentication), RFC 7636 (PKCE).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import quote_plus, urlencode

from bootgrant.acquire.cmdline.settings import DEVICE_AUTH_URL, TOKEN_URL, OAuthSettings
from bootgrant.acquire.errors import AcquireError, ProviderFailed
from bootgrant.acquire.flow import values
from bootgrant.acquire.http import transport as http
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, endpoint_of, redirected
from bootgrant.wire import device_flow as wire

MAX_ANSWER: Final = 1 << 20
"""Bytes of a provider's answer; the reference client reads as many."""
_MAX_REDIRECTS: Final = 5
_SAME_REQUEST_AGAIN: Final = frozenset({307, 308})

_T = TypeVar("_T")


class Provider:
    """Calls one provider for one client. ``variables`` describe the machine and are sent with both requests."""

    def __init__(
        self, transport: http.Transport, oauth: OAuthSettings, variables: Mapping[str, str], *, pkce: bool = False
    ) -> None:
        self._transport = transport
        self._oauth = oauth
        self._variables = dict(variables)
        self._pkce = pkce
        self._verifier = ""
        self._device_endpoint = endpoint_of(oauth.device_auth_url, DEVICE_AUTH_URL)
        self._token_endpoint = endpoint_of(oauth.token_url, TOKEN_URL)

    def request_codes(self, action: values.RequestCodes) -> values.Event:
        """Send the device authorization request (RFC 8628 section 3.1)."""
        oauth = self._oauth
        form = wire.device_form(oauth.client_id, oauth.scopes, oauth.audience, self._variables)
        if self._pkce:
            form |= self._challenge()
        answer = self._post(self._device_endpoint, form, action.auth, action.give_up_at)
        if not isinstance(answer, http.Response):
            return answer
        outcome = _read(wire.parse_device_authorization, answer.body)
        if isinstance(outcome, wire.DeviceAuthorization):
            return values.CodesArrived(outcome)
        return _event(outcome, answer, self._device_endpoint, DEVICE_AUTH_URL)

    def poll(self, action: values.PollToken) -> values.Event:
        """Send the token request (RFC 8628 section 3.4)."""
        oauth = self._oauth
        form = wire.token_form(oauth.client_id, action.device_code, oauth.scopes, oauth.audience, self._variables)
        if self._pkce:
            form["code_verifier"] = self._verifier
        answer = self._post(self._token_endpoint, form, action.auth, action.give_up_at)
        if not isinstance(answer, http.Response):
            return answer
        outcome = _read(wire.parse_token, answer.body)
        if isinstance(outcome, wire.AccessToken):
            return values.TokenArrived(outcome)
        event = _event(outcome, answer, self._token_endpoint, TOKEN_URL)
        # A person may be typing the code, and a later answer may be usable.
        return values.Broken(event.error, answered=True) if isinstance(event, values.Hopeless) else event

    def _challenge(self) -> dict[str, str]:
        from base64 import urlsafe_b64encode
        from hashlib import sha256
        from secrets import token_urlsafe

        self._verifier = token_urlsafe(48)
        digest = urlsafe_b64encode(sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        return {"code_challenge": digest, "code_challenge_method": "S256"}

    def _post(
        self, endpoint: Endpoint, form: Mapping[str, str], auth: values.ClientAuth, deadline: float
    ) -> http.Response | values.Broken | values.Hopeless:
        fields = dict(form)
        if auth is values.ClientAuth.BODY and self._oauth.client_secret is not None:
            fields["client_secret"] = self._oauth.client_secret.reveal()
        body = urlencode(sorted(fields.items()), errors="surrogateescape").encode()
        here = endpoint
        try:
            for _ in range(_MAX_REDIRECTS):
                request = http.Request("POST", here, self._headers(here, body, auth), body)
                answer = self._transport.exchange(request, deadline, max_body=MAX_ANSWER)
                if not 300 <= answer.status < 400:
                    return answer
                here = _redirected(here, answer)
        except TransportError as error:
            return transport_event(error, endpoint)
        except AcquireError as error:
            return values.Hopeless(error)
        return values.Hopeless(ProviderFailed(f"{endpoint.shown()} redirects in a loop", "check the provider"))

    def _headers(self, endpoint: Endpoint, body: bytes, auth: values.ClientAuth) -> http.Headers:
        credentials = _credentials(self._oauth, endpoint, auth)
        return (
            ("Host", endpoint.host_header),
            ("User-Agent", http.USER_AGENT),
            ("Content-Length", str(len(body))),
            ("Accept", "application/json"),
            *((("Authorization", credentials),) if credentials else ()),
            ("Content-Type", wire.FORM_TYPE),
            ("Accept-Encoding", "gzip"),
            ("Connection", "close"),
        )


def transport_event(error: TransportError, endpoint: Endpoint) -> values.Broken | values.Hopeless:
    """The event for a failed exchange."""
    if isinstance(error, http.CertificateError):
        return values.Hopeless(error.error)
    if error.trouble is Trouble.TOO_LARGE:
        what = f"{endpoint.shown()}: {error.what}"
        return values.Hopeless(ProviderFailed(what, "check that this is the URL of a provider"))
    return values.Broken(http.unreachable(error, endpoint))


def _credentials(oauth: OAuthSettings, endpoint: Endpoint, auth: values.ClientAuth) -> str:
    if auth is values.ClientAuth.BASIC:
        secret = oauth.client_secret.reveal() if oauth.client_secret is not None else ""
        return http.basic(*(quote_plus(text, errors="surrogateescape") for text in (oauth.client_id, secret)))
    return http.basic(endpoint.user, endpoint.password) if endpoint.user is not None else ""


def _redirected(here: Endpoint, answer: http.Response) -> Endpoint:
    """The target of a redirect. The form contains secrets, so it goes to no other origin and never becomes a GET."""
    advice = "set talos.config.oauth.device_auth_url and token_url to the final URLs"
    if answer.status not in _SAME_REQUEST_AGAIN:
        raise ProviderFailed(f"{here.shown()} answers a POST with a redirect (status {answer.status})", advice)
    try:
        there = redirected(here, answer.header("location"))
    except EndpointError:
        raise ProviderFailed(f"{here.shown()} redirects to an invalid URL", advice) from None
    if there.origin != here.origin:
        what = f"{here.shown()} redirects to {there.shown()}, which must not see this machine's secrets"
        raise ProviderFailed(what, advice)
    return there


def _read(parse: Callable[[bytes], _T], body: bytes) -> _T | wire.AnswerError:
    try:
        return parse(body)
    except wire.AnswerError as error:
        return error


def _event(
    outcome: wire.OAuthError | wire.AnswerError, answer: http.Response, endpoint: Endpoint, parameter: str
) -> values.Refused | values.Broken | values.Hopeless:
    if isinstance(outcome, wire.OAuthError):
        return values.Refused(outcome, answer.retry_after())
    what = f"{endpoint.shown()} answers with status {answer.status}"
    if answer.status >= 500 or answer.status in {408, 425, 429}:
        error = ProviderFailed(what, "check the provider's log")
        return values.Broken(error, answered=True, retry_after=answer.retry_after())
    return values.Hopeless(ProviderFailed(f"{what}, and {outcome}", f"check {parameter}"))
