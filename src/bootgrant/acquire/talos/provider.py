"""The two requests of x/oauth2, and its answers, as events of the conversation.

Source: x/oauth2 ``deviceauth.go`` (retrieveDeviceAuth), ``internal/token.go`` (doTokenRoundTrip), ``token.go`` (Type).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bootgrant.acquire.cmdline.settings import OAuthSettings
from bootgrant.acquire.flow.provider import MAX_ANSWER, basic
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
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.transport import Response, Transport
from bootgrant.acquire.talos.flow import GoError
from bootgrant.acquire.talos.go_http import Call, DeadlineError, send
from bootgrant.acquire.talos.go_json import (
    GoJsonError,
    integer_field,
    number_field,
    string_field,
    unmarshal_object,
)
from bootgrant.wire.device_flow import (
    FORM_TYPE,
    AccessToken,
    DeviceAuthorization,
    ErrorCode,
    OAuthError,
    device_form,
    token_form,
)
from bootgrant.wire.go_text import quote
from bootgrant.wire.go_url import GoUrl, encode_query, escape_query
from bootgrant.wire.secret import Secret

_GOES_ON: Final = frozenset({ErrorCode.AUTHORIZATION_PENDING, ErrorCode.SLOW_DOWN})
_FORM_TYPES: Final = frozenset({FORM_TYPE, "text/plain"})
_TYPE_NAMES: Final = {"": "Bearer", "bearer": "Bearer", "mac": "MAC", "basic": "Basic"}


class TalosProvider:
    """``prepare`` runs before each request for codes and gives the variables, as Talos collects them each time."""

    def __init__(self, transport: Transport, oauth: OAuthSettings, prepare: Callable[[], Mapping[str, str]]) -> None:
        self._transport = transport
        self._oauth = oauth
        self._prepare = prepare
        self._variables: Mapping[str, str] = {}

    def request_codes(self, _action: RequestCodes) -> Event:
        """Announce, collect variables, ask. Nothing bounds this request, as in the reference."""
        try:
            self._variables = self._prepare()
        except GoError as error:
            return Hopeless(error)
        try:
            return CodesArrived(self._ask_for_codes())
        except (GoError, GoJsonError) as error:
            return Hopeless(GoError(f"failed to get device auth response: {error}"))
        except TransportError as error:
            return Hopeless(GoError(f"failed to get device auth response: {error.what}"))

    def _ask_for_codes(self) -> DeviceAuthorization:
        oauth = self._oauth
        if not oauth.device_auth_url:
            raise GoError("endpoint missing DeviceAuthURL")
        form = device_form(oauth.client_id, oauth.scopes, oauth.audience, self._variables)
        headers = (("Accept", "application/json"), ("Content-Type", FORM_TYPE))
        call = Call("POST", oauth.device_auth_url, headers, _encoded(form))
        return _codes(send(self._transport, call, max_body=MAX_ANSWER))

    def poll(self, action: PollToken) -> Event:
        """One of the two requests of a poll; ``action.auth`` says which."""
        oauth = self._oauth
        form = token_form(oauth.client_id, action.device_code, oauth.scopes, oauth.audience, self._variables)
        if oauth.client_secret is not None:
            form["client_secret"] = oauth.client_secret.reveal()
        headers: tuple[tuple[str, str], ...] = (("Content-Type", FORM_TYPE),)
        if action.auth is ClientAuth.EMPTY_BASIC:
            headers = (("Authorization", basic(escape_query(oauth.client_id), "")), *headers)
        call = Call("POST", oauth.token_url, headers, _encoded(form))
        try:
            answer = send(self._transport, call, deadline=action.give_up_at, max_body=MAX_ANSWER)
            outcome = _token(answer)
        except DeadlineError:
            return Broken(GoError("context deadline exceeded"))
        except (GoError, GoJsonError) as error:
            return Hopeless(GoError(f"failed to get device access token: {error}"))
        except TransportError as error:
            return Hopeless(GoError(f"failed to get device access token: {error.what}"))
        return TokenArrived(outcome) if isinstance(outcome, AccessToken) else Refused(outcome)


def header_of(token: AccessToken) -> str:
    """The Authorization header that Talos makes of a token (x/oauth2 Token.Type)."""
    kind = _TYPE_NAMES.get(token.token_type.lower(), token.token_type)
    return f"{kind} {token.access_token.reveal()}"


def _encoded(form: Mapping[str, str]) -> bytes:
    return encode_query({name: [value] for name, value in form.items()}).encode()


def _codes(answer: Response) -> DeviceAuthorization:
    if not 200 <= answer.status <= 299:
        raise _retrieve_error(answer, _errors_in_json(answer.body))
    try:
        members = unmarshal_object(answer.body)
    except GoJsonError as error:
        raise GoError(f"unmarshal {error}") from error
    try:
        uri = string_field(members, "", "verification_uri") or string_field(members, "", "verification_url")
        return DeviceAuthorization(
            device_code=Secret(string_field(members, "", "device_code")),
            user_code=string_field(members, "", "user_code"),
            verification_uri=uri,
            verification_uri_complete=string_field(members, "", "verification_uri_complete"),
            expires_in=integer_field(members, "", "expires_in") or None,
            interval=integer_field(members, "", "interval"),
        )
    except GoJsonError as error:
        raise GoError(f"unmarshal {error}") from error


def _errors_in_json(body: bytes) -> tuple[str, str, str]:
    try:
        members = unmarshal_object(body)
        code, description, uri = (string_field(members, "", f"error{part}") for part in ("", "_description", "_uri"))
    except GoJsonError:
        return "", "", ""
    return code, description, uri


def _retrieve_error(answer: Response, errors: tuple[str, str, str]) -> GoError:
    """x/oauth2 RetrieveError.Error()."""
    code, *more = errors
    if code:
        return GoError(" ".join(["oauth2:", quote(code), *(quote(text) for text in more if text)]))
    body = answer.body.decode("utf-8", "replace")
    return GoError(f"oauth2: cannot fetch token: {answer.status} {answer.reason}\nResponse: {body}")


def _token(answer: Response) -> AccessToken | OAuthError:
    kind = answer.header("content-type").partition(";")[0].strip().lower()
    failed = not 200 <= answer.status <= 299
    if kind in _FORM_TYPES:
        token, errors = _token_in_form(answer.body)
    else:
        try:
            token, errors = _token_in_json(answer.body)
        except GoJsonError as error:
            raise (
                _retrieve_error(answer, ("", "", "")) if failed else GoError(f"oauth2: cannot parse json: {error}")
            ) from error
    if errors[0] in _GOES_ON:
        return OAuthError(errors[0], errors[1])
    if failed or errors[0]:
        raise _retrieve_error(answer, errors)
    if not token.access_token:
        raise GoError("oauth2: server response missing access_token")
    return token


def _token_in_json(body: bytes) -> tuple[AccessToken, tuple[str, str, str]]:
    members = unmarshal_object(body)

    def text(name: str) -> str:
        return string_field(members, "tokenJSON", name)

    number_field(members, "expires_in")
    token = AccessToken(Secret(text("access_token")), text("token_type"))
    return token, (text("error"), text("error_description"), text("error_uri"))


def _token_in_form(body: bytes) -> tuple[AccessToken, tuple[str, str, str]]:
    fields = GoUrl(raw_query=body.decode("utf-8", "surrogateescape")).query()

    def text(name: str) -> str:
        return fields.get(name, [""])[0]

    token = AccessToken(Secret(text("access_token")), text("token_type"))
    return token, (text("error"), text("error_description"), text("error_uri"))
