"""The form of a request to ``/device/code`` and ``/token`` (RFC 6749 appendix B)."""

from __future__ import annotations

from bootgrant.asgi import Scope
from bootgrant.asgi.answer import Headers
from bootgrant.wire.device_flow import ErrorCode, OAuthError, parse_form
from bootgrant.wire.secret import Secret


class BadRequest(Exception):
    """An invalid request, as an OAuth error code and a description that quotes nothing from it."""

    def __init__(self, code: ErrorCode, description: str, status: int = 400, headers: Headers = ()) -> None:
        super().__init__(description)
        self.error = OAuthError(code, description)
        self.status = status
        self.headers = headers


def read_form(scope: Scope, body: bytes) -> dict[str, str]:
    """Return the parameters, each at most once. Raises BadRequest (``invalid_request``)."""
    form = parse_form((header(scope, b"content-type") or b"").decode("latin-1"), body)
    if isinstance(form, OAuthError):
        raise BadRequest(ErrorCode.INVALID_REQUEST, form.description)
    return form


def required_token(form: dict[str, str]) -> Secret:
    """Return the ``token`` of RFC 7662 and RFC 7009. Raises BadRequest (``invalid_request``)."""
    if not form.get("token"):
        raise BadRequest(ErrorCode.INVALID_REQUEST, "token is missing")
    return Secret(form["token"])


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header with this lower-case name, or None."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None
