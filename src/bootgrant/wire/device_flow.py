"""The messages of the device authorization grant (RFC 8628) and of the token endpoint (RFC 6749 sections 5.1, 5.2).

Reading an answer is lenient where providers are known to deviate (``verification_url``, numbers as strings, errors as a
form), and raises nothing but ``AnswerError``.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from bootgrant.wire import limits
from bootgrant.wire.secret import Secret

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
DEFAULT_INTERVAL: Final = 5
"""Seconds between polls when the provider names none (RFC 8628 section 3.2)."""
SLOW_DOWN_STEP: Final = 5
"""Seconds that each ``slow_down`` adds to the interval permanently (RFC 8628 section 3.5)."""

_MAX_SECONDS: Final = 10 * 365 * 86400
_MAX_SHOWN: Final = 2048
_MAX_USER_CODE: Final = 256
_MAX_DESCRIPTION: Final = 300
_REPLACED: Final = {'"': "'", "\\": "/", "\n": " ", "\t": " "}


class ErrorCode(StrEnum):
    """The codes that either side knows; an answer may contain others."""

    AUTHORIZATION_PENDING = "authorization_pending"  # RFC 8628 section 3.5, as the next three
    SLOW_DOWN = "slow_down"
    ACCESS_DENIED = "access_denied"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - the code's name in the RFC
    INVALID_REQUEST = "invalid_request"  # RFC 6749 section 5.2, as the next five
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"
    SERVER_ERROR = "server_error"  # RFC 6749 section 4.1.2.1, used here by many providers
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


class AnswerError(ValueError):
    """The answer does not follow RFC 8628 and RFC 6749; the text says how, without secrets."""


@dataclass(frozen=True, slots=True)
class OAuthError:
    """A refusal (RFC 6749 section 5.2). ``code`` may be any text; compare it with ``ErrorCode``."""

    code: str
    description: str = ""

    def as_json(self) -> dict[str, str]:
        """The members of the JSON answer."""
        described = {"error_description": _described(self.description)} if self.description else {}
        return {"error": str(self.code), **described}

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.description else str(self.code)


def _described(text: str) -> str:
    """Reduce ``text`` to a limit and to the characters of RFC 6749 section 5.2 (%x20-21, 23-5B, 5D-7E)."""
    if not (text.isascii() and text.isprintable()) or '"' in text or "\\" in text:
        plain = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
        text = "".join(_REPLACED.get(letter) or (letter if " " <= letter <= "~" else "?") for letter in plain)
    return text if len(text) <= _MAX_DESCRIPTION else f"{text[: _MAX_DESCRIPTION - 3]}..."


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """The codes (RFC 8628 section 3.2). Times are in seconds; ``expires_in`` is None if the provider sets no limit."""

    device_code: Secret
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: int | None = None
    interval: int = DEFAULT_INTERVAL

    def as_json(self) -> dict[str, str | int]:
        """The members of the JSON answer, including the secret."""
        answer: dict[str, str | int] = {
            "device_code": self.device_code.reveal(),
            "user_code": self.user_code,
            "verification_uri": self.verification_uri,
        }
        if self.verification_uri_complete:
            answer["verification_uri_complete"] = self.verification_uri_complete
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        return answer | {"interval": self.interval}


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token (RFC 6749 section 5.1; ``id_token`` is OpenID Connect's). ``expires_in`` is in seconds, or None."""

    access_token: Secret
    token_type: str = "Bearer"  # noqa: S105 - a type, not a token
    expires_in: int | None = None
    id_token: Secret | None = None
    scope: str = ""

    def as_json(self) -> dict[str, str | int]:
        """The members of the JSON answer, including the secrets."""
        answer: dict[str, str | int] = {"access_token": self.access_token.reveal(), "token_type": self.token_type}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        if self.id_token is not None:
            answer["id_token"] = self.id_token.reveal()
        return answer | ({"scope": self.scope} if self.scope else {})


def device_form(client_id: str, scopes: tuple[str, ...], audience: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a device authorization request (RFC 8628 section 3.1), without client authentication."""
    form = dict(variables) | {"client_id": client_id}
    if scopes:
        form["scope"] = " ".join(scopes)
    if audience:
        form["audience"] = audience
    return form


def token_form(
    client_id: str, device_code: Secret, scopes: tuple[str, ...], audience: str, variables: Mapping[str, str]
) -> dict[str, str]:
    """The parameters of a token request (RFC 8628 section 3.4), without client authentication."""
    form = device_form(client_id, scopes, audience, variables)
    return form | {"grant_type": GRANT_TYPE, "device_code": device_code.reveal()}


def parse_form(content_type: str, body: bytes) -> dict[str, str] | OAuthError:
    """Parse the form of a request: each parameter at most once (RFC 6749 section 3.2), UTF-8, within limits."""
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        return OAuthError(ErrorCode.INVALID_REQUEST, f"Content-Type must be {FORM_TYPE}")
    if len(body) > limits.REQUEST_BODY:
        return OAuthError(ErrorCode.INVALID_REQUEST, f"the body is larger than {limits.REQUEST_BODY} bytes")
    pieces = body.split(b"&")
    if len(pieces) > limits.FORM_FIELDS or not body.isascii():
        return _NO_FORM
    form: dict[str, str] = {}
    try:
        for piece in filter(None, pieces):
            name, _, value = piece.partition(b"=")
            key = _NAMES.get(name) or _form_text(name)
            if key in form:
                return OAuthError(ErrorCode.INVALID_REQUEST, "a parameter is repeated")
            form[key] = _form_text(value)
    except UnicodeDecodeError:
        return _NO_FORM
    return form


_NAMES: Final = {name.encode(): name for name in ("client_id", "device_code", "grant_type", "uuid", "serial", "mac")}
_NO_FORM: Final = OAuthError(ErrorCode.INVALID_REQUEST, "the body is not a form in UTF-8 with a few parameters")


def _form_text(text: bytes) -> str:
    """Decode a name or a value (RFC 6749 appendix B). Every poll needs it, and most have no escapes, or only colons."""
    if b"%" in text:
        text = text.replace(b"%3A", b":")
    if b"%" in text or b"+" in text:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode()
    return text.decode()


def parse_device_authorization(body: bytes) -> DeviceAuthorization | OAuthError:
    """Parse the answer to a device authorization request, whatever its status. Raises AnswerError."""
    answer = _answer(body)
    if isinstance(answer, OAuthError):
        return answer
    uri = _text(answer, "verification_uri") or _text(answer, "verification_url")
    complete = _text(answer, "verification_uri_complete") or _text(answer, "verification_url_complete")
    interval = _seconds(answer, "interval")
    found = DeviceAuthorization(
        device_code=Secret(_required(answer, "device_code")),
        user_code=_required(answer, "user_code"),
        verification_uri=uri,
        verification_uri_complete=complete,
        expires_in=_seconds(answer, "expires_in"),
        interval=interval if interval is not None and interval > 0 else DEFAULT_INTERVAL,
    )
    if not uri:
        raise AnswerError("the answer has no verification_uri")
    if max(len(uri), len(complete)) > _MAX_SHOWN or len(found.user_code) > _MAX_USER_CODE:
        raise AnswerError("the code or its URL is too long to show")
    return found


def parse_token(body: bytes) -> AccessToken | OAuthError:
    """Parse the answer of a token endpoint, whatever its status. Raises AnswerError."""
    answer = _answer(body)
    if isinstance(answer, OAuthError):
        return answer
    id_token = _text(answer, "id_token")
    return AccessToken(
        access_token=Secret(_required(answer, "access_token")),
        token_type=_text(answer, "token_type") or "Bearer",
        expires_in=_seconds(answer, "expires_in"),
        id_token=Secret(id_token) if id_token else None,
        scope=_text(answer, "scope"),
    )


def _answer(body: bytes) -> dict[str, object] | OAuthError:
    answer = _members(body)
    if "error" not in answer:
        # Google refuses a client beyond its quota with only this member.
        over_quota = _text(answer, "error_code") if not answer.keys() & {"device_code", "access_token"} else ""
        return OAuthError(over_quota[:_MAX_USER_CODE]) if over_quota else answer
    code = _text(answer, "error")
    if not code:
        raise AnswerError("the error in the answer is not a text")
    return OAuthError(code[:_MAX_USER_CODE], _text(answer, "error_description")[:_MAX_SHOWN])


def _members(body: bytes) -> dict[str, object]:
    """The members of a JSON object, or of a form (GitHub answers with one)."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AnswerError("the answer is not UTF-8") from None
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return _form_members(text)
    if not isinstance(answer, dict):
        raise AnswerError("the answer is JSON, but not an object")
    return answer


def _form_members(text: str) -> dict[str, object]:
    try:
        members = dict(parse_qsl(text.strip(), errors="replace", max_num_fields=limits.FORM_FIELDS))
    except ValueError:
        members = {}
    if not members.keys() & {"error", "access_token", "device_code"}:
        raise AnswerError("the answer is not JSON" if text.strip() else "the answer is empty")
    return {**members}


def _text(answer: Mapping[str, object], name: str) -> str:
    """A text member, with lone surrogates replaced so that it can be encoded; empty for another type."""
    value = answer.get(name)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _required(answer: Mapping[str, object], name: str) -> str:
    value = _text(answer, name)
    if not value:
        raise AnswerError(f"the answer has no {name}")
    return value


def _seconds(answer: Mapping[str, object], name: str) -> int | None:
    """A number of seconds, also as a string or with a fraction (rounded up); None if absent or not a number."""
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else math.ceil(max(-1.0, min(number, _MAX_SECONDS)))
