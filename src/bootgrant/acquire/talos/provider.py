"""The two requests of x/oauth2, and their answers as events of the conversation.

Source: x/oauth2 ``deviceauth.go`` (retrieveDeviceAuth), ``internal/token.go`` (doTokenRoundTrip), ``token.go`` (Type).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from bootgrant.acquire.cmdline.settings import OAuthSettings
from bootgrant.acquire.flow import values
from bootgrant.acquire.flow.provider import MAX_ANSWER
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.transport import Response, Transport, basic
from bootgrant.acquire.talos.flow import GoError
from bootgrant.acquire.talos.go_http import Call, DeadlineError, send
from bootgrant.wire import device_flow as wire
from bootgrant.wire.go_text import quote
from bootgrant.wire.go_url import GoUrl, encode_query, escape_query
from bootgrant.wire.secret import Secret

_GOES_ON: Final = frozenset({wire.ErrorCode.AUTHORIZATION_PENDING, wire.ErrorCode.SLOW_DOWN})
_FORM_TYPES: Final = frozenset({wire.FORM_TYPE, "text/plain"})
_KINDS: Final = {str: "string", bool: "bool", list: "array", dict: "object"}
_INTEGER: Final = re.compile(r"-?[0-9]{1,4000}")
_TRUNCATED: Final = "unexpected end of JSON input"
_TYPE_NAMES: Final = {"": "Bearer", "bearer": "Bearer", "mac": "MAC", "basic": "Basic"}


class TalosProvider:
    """``prepare`` runs before each request for codes and returns the variables: Talos collects them again each time."""

    def __init__(self, transport: Transport, oauth: OAuthSettings, prepare: Callable[[], Mapping[str, str]]) -> None:
        self._transport = transport
        self._oauth = oauth
        self._prepare = prepare
        self._variables: Mapping[str, str] = {}

    def request_codes(self, _action: values.RequestCodes) -> values.Event:
        """Announce, collect variables, send the request. It has no time limit, as in the reference."""
        try:
            self._variables = self._prepare()
        except GoError as error:
            return values.Hopeless(error)
        try:
            return values.CodesArrived(self._ask_for_codes())
        except (GoError, GoJsonError, TransportError) as error:
            return values.Hopeless(GoError(f"failed to get device auth response: {error}"))

    def _ask_for_codes(self) -> wire.DeviceAuthorization:
        oauth = self._oauth
        if not oauth.device_auth_url:
            raise GoError("endpoint missing DeviceAuthURL")
        form = wire.device_form(oauth.client_id, oauth.scopes, oauth.audience, self._variables)
        headers = (("Accept", "application/json"), ("Content-Type", wire.FORM_TYPE))
        call = Call("POST", oauth.device_auth_url, headers, _encoded(form))
        return _codes(send(self._transport, call, max_body=MAX_ANSWER))

    def poll(self, action: values.PollToken) -> values.Event:
        """Send one of the two requests of a poll; ``action.auth`` says which."""
        oauth = self._oauth
        form = wire.token_form(oauth.client_id, action.device_code, oauth.scopes, oauth.audience, self._variables)
        if oauth.client_secret is not None:
            form["client_secret"] = oauth.client_secret.reveal()
        headers: tuple[tuple[str, str], ...] = (("Content-Type", wire.FORM_TYPE),)
        if action.auth is values.ClientAuth.EMPTY_BASIC:
            headers = (("Authorization", basic(escape_query(oauth.client_id), "")), *headers)
        call = Call("POST", oauth.token_url, headers, _encoded(form))
        try:
            answer = send(self._transport, call, deadline=action.give_up_at, max_body=MAX_ANSWER)
            outcome = _token(answer)
        except DeadlineError:
            return values.Broken(GoError("context deadline exceeded"))
        except (GoError, GoJsonError, TransportError) as error:
            return values.Hopeless(GoError(f"failed to get device access token: {error}"))
        return values.TokenArrived(outcome) if isinstance(outcome, wire.AccessToken) else values.Refused(outcome)


def header_of(token: wire.AccessToken) -> str:
    """The Authorization header for a token as in Talos (x/oauth2 Token.Type)."""
    kind = _TYPE_NAMES.get(token.token_type.lower(), token.token_type)
    return f"{kind} {token.access_token.reveal()}"


def _encoded(form: Mapping[str, str]) -> bytes:
    return encode_query({name: [value] for name, value in form.items()}).encode()


def _codes(answer: Response) -> wire.DeviceAuthorization:
    if not 200 <= answer.status <= 299:
        raise _retrieve_error(answer, _errors_in_json(answer.body))
    try:
        members = unmarshal_object(answer.body)
        uri = string_field(members, "verification_uri") or string_field(members, "verification_url")
        return wire.DeviceAuthorization(
            device_code=Secret(string_field(members, "device_code")),
            user_code=string_field(members, "user_code"),
            verification_uri=uri,
            verification_uri_complete=string_field(members, "verification_uri_complete"),
            expires_in=integer_field(members, "expires_in") or None,
            interval=integer_field(members, "interval"),
        )
    except GoJsonError as error:
        raise GoError(f"unmarshal {error}") from error


def _errors_in_json(body: bytes) -> tuple[str, str, str]:
    try:
        members = unmarshal_object(body)
        return _errors_from(lambda name: string_field(members, name))
    except GoJsonError:
        return "", "", ""


def _retrieve_error(answer: Response, errors: tuple[str, str, str]) -> GoError:
    """As RetrieveError.Error() in x/oauth2."""
    code, *more = errors
    if code:
        return GoError(" ".join(["oauth2:", quote(code), *(quote(text) for text in more if text)]))
    body = answer.body.decode("utf-8", "replace")
    return GoError(f"oauth2: cannot fetch token: {answer.status} {answer.reason}\nResponse: {body}")


def _token(answer: Response) -> wire.AccessToken | wire.OAuthError:
    kind = answer.header("content-type").partition(";")[0].strip().lower()
    failed = not 200 <= answer.status <= 299
    try:
        token, errors = _token_in_form(answer.body) if kind in _FORM_TYPES else _token_in_json(answer.body)
    except GoJsonError as error:
        if failed:
            raise _retrieve_error(answer, ("", "", "")) from error
        raise GoError(f"oauth2: cannot parse json: {error}") from error
    if errors[0] in _GOES_ON:
        return wire.OAuthError(errors[0], errors[1])
    if failed or errors[0]:
        raise _retrieve_error(answer, errors)
    if not token.access_token:
        raise GoError("oauth2: server response missing access_token")
    return token


def _token_in_json(body: bytes) -> tuple[wire.AccessToken, tuple[str, str, str]]:
    members = unmarshal_object(body)
    number_field(members, "expires_in")
    return _token_from(lambda name: string_field(members, name))


def _token_in_form(body: bytes) -> tuple[wire.AccessToken, tuple[str, str, str]]:
    fields = GoUrl(raw_query=body.decode("utf-8", "surrogateescape")).query()
    return _token_from(lambda name: fields.get(name, [""])[0])


def _token_from(text: Callable[[str], str]) -> tuple[wire.AccessToken, tuple[str, str, str]]:
    return wire.AccessToken(Secret(text("access_token")), text("token_type")), _errors_from(text)


def _errors_from(text: Callable[[str], str]) -> tuple[str, str, str]:
    return text("error"), text("error_description"), text("error_uri")


class GoJsonError(ValueError):
    """The answer is not JSON that Go's ``encoding/json`` accepts; the text is Go's where a recording has it."""


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def unmarshal_object(content: bytes) -> Mapping[str, Any]:
    """Parse a JSON object as Go does: names in lower case, ``null`` members absent. Raises GoJsonError."""
    text = content.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise GoJsonError(_complaint(text, error)) from error
    except RecursionError:
        raise GoJsonError("exceeded max depth") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go value of type struct")
    return {key.lower(): member for key, member in value.items() if member is not None}


def string_field(members: Mapping[str, Any], name: str) -> str:
    """Return a text, empty if absent. Raises GoJsonError for another type."""
    value = members.get(name, "")
    if not isinstance(value, str) or isinstance(value, _Number):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go struct field .{name} of type string")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def integer_field(members: Mapping[str, Any], name: str) -> int:
    """Return a 64-bit integer, 0 if absent. Raises GoJsonError for another type, a fraction or an exponent."""
    value = members.get(name, _Number("0"))
    if not isinstance(value, _Number) or not _is_int64(value):
        kind = f"number {value}" if isinstance(value, _Number) else _kind(value)
        raise GoJsonError(f"json: cannot unmarshal {kind} into Go struct field .{name} of type int64")
    return int(value)


def number_field(members: Mapping[str, Any], name: str) -> int:
    """Return a number as x/oauth2 reads the ``expires_in`` of a token: an integer, or a text with one."""
    value = members.get(name, _Number("0"))
    if not isinstance(value, str):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go struct field .{name} of type json.Number")
    if not _is_int64(value):
        raise GoJsonError(f"strconv.ParseInt: parsing {quote(value)}: invalid syntax")
    return int(value)


def _is_int64(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def _kind(value: object) -> str:
    return "number" if isinstance(value, _Number) else _KINDS.get(type(value), "null")


def _refuse_constant(name: str) -> NoReturn:
    """Python's parser accepts NaN and Infinity; Go's does not."""
    raise GoJsonError(f"invalid character {quote(name[0])} looking for beginning of value")


def _complaint(text: str, error: json.JSONDecodeError) -> str:
    """Go's text for the mistakes that recordings have: a value that does not start, and a text that ends too soon."""
    at = error.pos
    if at >= len(text.rstrip(" \t\r\n")) or error.msg.startswith("Unterminated"):
        return _TRUNCATED
    word = next((word for word in ("true", "false", "null") if text[at] == word[0]), "")
    if not word or error.msg != "Expecting value":
        where = "looking for beginning of value" if error.msg == "Expecting value" else f"({error.msg})"
        return f"invalid character '{text[at]}' {where}"
    wrong = next(number for number, letter in enumerate(word) if text[at + number : at + number + 1] != letter)
    found = text[at + wrong : at + wrong + 1]
    return f"invalid character '{found}' in literal {word} (expecting '{word[wrong]}')" if found else _TRUNCATED
