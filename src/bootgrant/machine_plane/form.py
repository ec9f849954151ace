"""The form of a request to ``/device/code`` and ``/token`` (RFC 6749 appendix B), and which client sends it."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl, unquote_plus

from bootgrant.asgi.types import Scope
from bootgrant.wire.limits import FORM_FIELDS

_FORM = b"application/x-www-form-urlencoded"


class BadRequest(Exception):
    """What is wrong with the request, as an OAuth error code and a description that echoes nothing of it."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


def parse_form(scope: Scope, body: bytes) -> dict[str, str]:
    """The parameters, each at most once. Raises BadRequest (``invalid_request``)."""
    content_type = header(scope, b"content-type") or b""
    if content_type.partition(b";")[0].strip().lower() != _FORM:
        raise BadRequest("invalid_request", "the body must be application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS, separator="&"
        )
    except UnicodeError:
        raise BadRequest("invalid_request", "the form is not percent-encoded UTF-8") from None
    except ValueError:
        raise BadRequest("invalid_request", f"more than {FORM_FIELDS} parameters") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise BadRequest("invalid_request", "a parameter is repeated (RFC 6749 section 3.2)")
    return form


def identify_client(scope: Scope, form: dict[str, str], clients: frozenset[str]) -> str:
    """The id of a known public client. Raises BadRequest (``invalid_client``).

    Talos sends each poll first with Basic and an empty password, then without; both name the client in the body too,
    and a public client proves nothing by either, so the body counts and the header only stands in for it.
    """
    client_id = form.get("client_id") or _basic_user(scope)
    if client_id is None:
        raise BadRequest("invalid_client", "client_id is missing (talos.config.oauth.client_id)", 401)
    if client_id not in clients:
        raise BadRequest("invalid_client", "unknown client_id: bootgrant.toml names the known ones in [[clients]]", 401)
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
