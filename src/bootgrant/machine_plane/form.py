"""The form of a request to ``/device/code`` and ``/token`` (RFC 6749 appendix B), and which client sends it."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from bootgrant.asgi.types import Scope
from bootgrant.wire.device_flow import ErrorCode, OAuthError, parse_form


class BadRequest(Exception):
    """What is wrong with the request, as an OAuth error code and a description that echoes nothing of it."""

    def __init__(self, code: ErrorCode, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = OAuthError(code, description)
        self.status = status


def read_form(scope: Scope, body: bytes) -> dict[str, str]:
    """The parameters, each at most once. Raises BadRequest (``invalid_request``)."""
    form = parse_form((header(scope, b"content-type") or b"").decode("latin-1"), body)
    if isinstance(form, OAuthError):
        raise BadRequest(ErrorCode.INVALID_REQUEST, form.description)
    return form


def identify_client(scope: Scope, form: dict[str, str], clients: frozenset[str]) -> str:
    """The id of a known public client. Raises BadRequest (``invalid_client``).

    Talos sends each poll first with Basic and an empty password, then without; both name the client in the body too,
    and a public client proves nothing by either, so the body counts and the header only stands in for it.
    """
    client_id = form.get("client_id") or _basic_user(scope)
    if client_id is None:
        raise BadRequest(ErrorCode.INVALID_CLIENT, "client_id is missing (talos.config.oauth.client_id)", 401)
    if client_id not in clients:
        raise BadRequest(
            ErrorCode.INVALID_CLIENT, "unknown client_id: bootgrant.toml names the known ones in [[clients]]", 401
        )
    return client_id


def _basic_user(scope: Scope) -> str | None:
    """The user of a Basic header (RFC 6749 section 2.3.1), None without one or with one that cannot be read."""
    scheme, _, encoded = (header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user = base64.b64decode(encoded.strip(), validate=True).partition(b":")[0]
        return unquote_plus(user.decode("utf-8"), errors="strict")
    except (binascii.Error, UnicodeError):
        return None


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of this (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None
