"""Forms are accepted from our own pages alone: by what the browser says of their origin, and by a token in the form."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

from starlette.requests import Request

from bootgrant.operator_plane.host import origin_of
from bootgrant.wire.secret import Secret

FIELD = "csrf"


def csrf_token(session: Secret) -> str:
    """The token of a session's forms. It is made from the session, so nothing is kept for it."""
    made = hmac.digest(session.reveal().encode(), b"bootgrant form token", "sha256")
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def is_right_token(session: Secret, sent: str) -> bool:
    return hmac.compare_digest(csrf_token(session).encode(), sent.encode())


def is_from_here(request: Request, public_url: str) -> bool:
    """Whether the browser says that the form came from a page of ``public_url``; saying nothing is not enough.

    Browsers send Origin with every form (Fetch section 3.2); Sec-Fetch-Site stands in where a proxy dropped it.
    """
    origin = request.headers.get("origin")
    if origin is not None:
        return origin_of(origin) == origin_of(public_url)
    return request.headers.get("sec-fetch-site") == "same-origin"
