"""The provider's two endpoints: a request for each action of the conversation, and its answer as an event.

Sources: RFC 8628 sections 3.1 to 3.5, RFC 6749 section 2.3.1 (client authentication), RFC 7636 (PKCE).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus, urlencode, urljoin

from bootgrant import __version__
from bootgrant.acquire.cmdline.settings import DEVICE_AUTH_URL, TOKEN_URL, OAuthSettings
from bootgrant.acquire.errors import AcquireError, ProviderFailed, Unreachable
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
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, endpoint_of, parse_endpoint
from bootgrant.acquire.http.transport import CertificateError, Headers, Request, Response, Transport
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

USER_AGENT: Final = f"bootgrant/{__version__}"
MAX_ANSWER: Final = 1 << 20
"""Bytes of a provider's answer, as the reference client reads."""
_MAX_REDIRECTS: Final = 5
_SAME_REQUEST_AGAIN: Final = frozenset({307, 308})


class Provider:
    """Asks one provider on behalf of one client. ``variables`` are the machine's, sent with both requests."""

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
        outcome = _read_codes(answer)
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
        outcome = _read_token(answer)
        if isinstance(outcome, AccessToken):
            return TokenArrived(outcome)
        event = _event(outcome, answer, self._token_endpoint, TOKEN_URL)
        # A person may be typing the code: an answer that makes no sense now may make sense later.
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
        return Hopeless(ProviderFailed(f"{endpoint.shown()} redirects in a circle", "look at the provider"))

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


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()


def transport_event(error: TransportError, endpoint: Endpoint) -> Broken | Hopeless:
    """What a failed exchange means for the conversation."""
    if isinstance(error, CertificateError):
        return Hopeless(error.error)
    if error.trouble is Trouble.TOO_LARGE:
        return Hopeless(ProviderFailed(f"{endpoint.shown()}: {error.what}", "is this URL really a provider's?"))
    return Broken(unreachable(error, endpoint))


def unreachable(error: TransportError, endpoint: Endpoint) -> AcquireError:
    """The line for a server that could not be talked to."""
    advice = {
        Trouble.NAME: "check the name in the URL, and DNS",
        Trouble.REFUSED: "is the server running, and is the port in the URL right?",
        Trouble.UNREACHABLE: "check cable, address and route",
        Trouble.PROXY: "check the proxy",
        Trouble.TLS: "does this port speak TLS?",
    }
    return Unreachable(
        f"cannot reach {endpoint.shown()} ({error.what})", advice.get(error.trouble, "check the network and the server")
    )


def retry_after(response: Response) -> float:
    """``Retry-After`` in seconds; 0 for none and for a date, which means little to a machine whose clock is not set."""
    value = response.header("retry-after").strip()
    return float(value) if value.isdigit() and len(value) < 10 else 0.0


def _credentials(oauth: OAuthSettings, endpoint: Endpoint, auth: ClientAuth) -> str:
    secret = oauth.client_secret.reveal() if oauth.client_secret is not None else ""
    if auth is ClientAuth.BASIC:
        return basic(_quoted(oauth.client_id), _quoted(secret))
    if auth is ClientAuth.EMPTY_BASIC:
        return basic(_quoted(oauth.client_id), "")
    return basic(endpoint.user, endpoint.password) if endpoint.user is not None else ""


def _quoted(text: str) -> str:
    return quote_plus(text, errors="surrogateescape")


def _redirected(here: Endpoint, answer: Response) -> Endpoint:
    """Where the same request goes again. The form holds secrets: it goes to no other origin, and to no GET."""
    advice = "give the final URL in talos.config.oauth.device_auth_url and token_url"
    if answer.status not in _SAME_REQUEST_AGAIN:
        raise ProviderFailed(f"{here.shown()} answers a POST with a redirect (status {answer.status})", advice)
    try:
        there = parse_endpoint(urljoin(f"{here.shown()}{here.target}", answer.header("location")))
    except (EndpointError, ValueError):
        raise ProviderFailed(f"{here.shown()} redirects to something that is no URL", advice) from None
    if there.origin != here.origin:
        raise ProviderFailed(
            f"{here.shown()} redirects to {there.shown()}, which must not see this machine's secrets", advice
        )
    return there


def _read_codes(answer: Response) -> DeviceAuthorization | OAuthError | AnswerError:
    try:
        return parse_device_authorization(answer.body)
    except AnswerError as error:
        return error


def _read_token(answer: Response) -> AccessToken | OAuthError | AnswerError:
    try:
        return parse_token(answer.body)
    except AnswerError as error:
        return error


def _event(
    outcome: OAuthError | AnswerError, answer: Response, endpoint: Endpoint, parameter: str
) -> Refused | Broken | Hopeless:
    if isinstance(outcome, OAuthError):
        return Refused(outcome)
    said = f"{endpoint.shown()} answers with status {answer.status}"
    if answer.status >= 500 or answer.status in {408, 425, 429}:
        error = ProviderFailed(said, "look at the provider's log")
        return Broken(error, answered=True, retry_after=retry_after(answer))
    return Hopeless(ProviderFailed(f"{said}, and {outcome}", f"check {parameter}"))
